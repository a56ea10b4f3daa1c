"""From a slide to a folder of results: the work that `classify` and `demo` share.

Everything that can be wrong with the request is found out before anything is computed or written.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from napari_mmlnb.cli.progress import follow
from napari_mmlnb.errors import UnknownNameError

if TYPE_CHECKING:
    from napari_mmlnb.inference.settings import RunSettings
    from napari_mmlnb.result import RunResult
    from napari_mmlnb.slides.location import Location

PARTLY_FAILED = 3
"""Exit code of a run that finished although some tiles could not be read."""

DEFAULT_MODEL = "nb-phantom"


def classify_to_folder(
    slide: Location,
    out: Path,
    *,
    model: str = DEFAULT_MODEL,
    mpp: tuple[float, float] | None = None,
    backend: str | None = None,
    settings: RunSettings,
) -> RunResult:
    """Classify a slide, write the files of the result, and give the result with their digests.

    Parameters
    ----------
    slide : Path or RemoteUrl
        The slide.
    out : Path
        The folder for the files.
    model : str
        Name of a bundle, or its folder.
    mpp : tuple of float, optional
        Micrometres per level-0 pixel, (x, y), where the file's own must not be used.
    backend : str, optional
        Open the slide with this backend and no other.
    settings : RunSettings
        The rest of the request.

    Raises
    ------
    MmlnbError
        Where the slide, the model, the request or the folder cannot be used. Nothing has been written then.
    """
    from napari_mmlnb.report.outputs import check_writable, write_outputs
    from napari_mmlnb.slides.roi import read_roi
    from napari_mmlnb.slides.slide import open_slide

    with ExitStack() as stack:
        opened = stack.enter_context(open_slide(slide, mpp=mpp, backend=backend))
        if settings.roi is not None:
            read_roi(settings.roi, opened.scanned_grid)
        check_writable(out)
        _check_describer(settings.describer)

        # Torch is imported here: seconds, which a wrong path or option should not cost.
        from napari_mmlnb.inference.runner import classify

        result = follow(classify(opened, model, settings=settings, stream=True))
        return write_outputs(result, out)


def _check_describer(name: str | None) -> None:
    if name is None:
        return
    from napari_mmlnb.describe.registry import describers, is_describer

    if not is_describer(name):
        known = tuple(facts.name for facts in describers())
        raise UnknownNameError("describer", name, (*known, "NAME@COMMIT", "a folder"))
