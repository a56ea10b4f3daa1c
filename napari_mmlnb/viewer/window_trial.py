"""Opens a canvas that nobody sees, paints it, and prints what painted it; for `mmlnb doctor`.

Run as a process of its own, since a missing library or a broken driver ends the process that meets it.
"""

from __future__ import annotations

import json
import sys
import time

from qtpy import API_NAME, QT_VERSION
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication
from vispy import app, gloo
from vispy.gloo import gl

WAIT_S = 10.0
ORANGE = (255, 128, 0, 255)


def main() -> int:
    """Exit code 0 when the canvas holds the colour that it was painted with."""
    application = QApplication(sys.argv[:1])
    app.use_app(API_NAME.lower())
    canvas = app.Canvas(size=(64, 64), show=False)
    canvas.native.setAttribute(Qt.WidgetAttribute.WA_DontShowOnScreen)
    told: dict[str, object] = {}

    def paint(_event: object) -> None:
        gloo.set_clear_color(tuple(level / 255 for level in ORANGE))
        gloo.clear()
        told.update(
            qt=QT_VERSION,
            renderer=gl.glGetParameter(gl.GL_RENDERER),
            version=gl.glGetParameter(gl.GL_VERSION),
            max_texture_px=gl.glGetParameter(gl.GL_MAX_TEXTURE_SIZE),
            painted=gloo.read_pixels((0, 0, 1, 1)).ravel().tolist(),
        )

    canvas.events.draw.connect(paint)
    canvas.native.show()
    end = time.monotonic() + WAIT_S
    while not told and time.monotonic() < end:
        application.processEvents()
    if told.pop("painted", None) != list(ORANGE):
        print("the canvas was not painted", file=sys.stderr)  # noqa: T201
        return 1
    print(json.dumps(told))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
