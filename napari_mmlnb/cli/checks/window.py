"""Whether a window with a canvas can be opened: tried in a process of its own, which may crash or hang in its stead."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec

from napari_mmlnb.cli.checks.finding import Check, Fact, Finding, State

WAIT_S = 20.0
BINDINGS = ("PySide6", "PyQt6")
TRIAL = "napari_mmlnb.viewer.window_trial"
_GUI = "pip install 'napari-mmlnb[gui]'"
_LIBRARIES = (
    "sudo apt-get install libgl1 libegl1 libgl1-mesa-dri libxcb-cursor0 libxkbcommon-x11-0 libxcb-icccm4 libxcb-image0 "
    "libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 libxcb-xkb1 libdbus-1-3"
)
_SOFTWARE = ("llvmpipe", "softpipe", "swrast", "swiftshader", "gdi generic")


def _examine() -> Iterator[Finding]:
    binding = next((name for name in BINDINGS if find_spec(name)), None)
    if binding is None or not all(find_spec(name) for name in ("napari", "qtpy")):
        yield Finding("viewer", State.ABSENT, "napari and Qt are not installed; the command line needs neither", _GUI)
        return
    text = f"napari {version('napari')}, {binding} {version(binding)}"
    yield Finding("viewer", State.OK, text, facts={"napari": version("napari"), "binding": binding})
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        remedy = "Start it on a desktop, or through: xvfb-run -a mmlnb view"
        yield Finding("window", State.ABSENT, "there is no display; the command line needs none", remedy)
        return
    yield try_window([sys.executable, "-m", TRIAL], WAIT_S)


def try_window(command: list[str], wait_s: float) -> Finding:
    """Run what opens a window, and say what became of it.

    Parameters
    ----------
    command : list of str
        Prints one JSON object {qt, renderer, version, max_texture_px}.
    wait_s : float
        How long it may take.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=wait_s, check=False)  # noqa: S603 - our own
    except subprocess.TimeoutExpired:
        text = f"Qt and OpenGL hang: no window within {wait_s:.0f} s"
        return Finding(
            "window", State.PROBLEM, text, "Update the graphics driver, or try: QT_OPENGL=software mmlnb view"
        )
    try:
        told = json.loads(done.stdout.splitlines()[-1])
        renderer, texture = str(told["renderer"]), int(told["max_texture_px"])
        text = f"Qt {told['qt']}, OpenGL {told['version']} by {renderer}"
    except (IndexError, KeyError, TypeError, ValueError):
        return _failed(done)
    facts: dict[str, Fact] = {"renderer": renderer, "opengl": str(told["version"]), "max_texture_px": texture}
    if any(word in renderer.lower() for word in _SOFTWARE):
        return Finding("window", State.OK, f"{text}; it paints on the processor, which is slower", facts=facts)
    return Finding("window", State.OK, text, facts=facts)


def _failed(done: subprocess.CompletedProcess[str]) -> Finding:
    how = f"is ended by signal {-done.returncode}" if done.returncode < 0 else f"ends with code {done.returncode}"
    library = re.search(r"lib[\w+.-]+\.so[\w.]*|\b(?:libxcb-cursor0|xcb-cursor0)\b", done.stderr)
    missing = f"; {library.group()} is missing or does not load" if library else ""
    if "could not connect to display" in done.stderr:
        remedy = "Check the variable DISPLAY: no display answers there."
        return Finding("window", State.PROBLEM, "no window can be opened: no display answers", remedy)
    remedy = _LIBRARIES if sys.platform.startswith("linux") else "Update the graphics driver."
    return Finding("window", State.PROBLEM, f"no window can be opened: the trial {how}{missing}", remedy)


CHECK = Check("window", "Opening a window", _examine, waits=True)
