"""Errors as a person should read them: the problem and the remedy, or where the details are."""

from __future__ import annotations

import os
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

from platformdirs import user_log_path

from napari_mmlnb.errors import MmlnbError


def explain(error: BaseException) -> str:
    """One clear text for an error; an unexpected one is logged, and the text says where.

    Parameters
    ----------
    error : BaseException
        What was caught.

    Returns
    -------
    str
        Plain text, never a traceback.
    """
    if isinstance(error, MmlnbError):
        return str(error)
    words = str(error).strip() or type(error).__name__
    return f"This is a fault of the program, not of your slide: {words}. Details: {write_log(error)}"


def write_log(error: BaseException) -> Path:
    """Write the traceback to the user's log folder, or to a temporary one where that cannot be written."""
    text = "".join(traceback.format_exception(error))
    name = f"viewer-{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{os.getpid()}.log"
    path = user_log_path("napari-mmlnb", appauthor=False) / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError:
        path = Path(tempfile.mkdtemp(prefix="mmlnb-")) / name
        path.write_text(text, encoding="utf-8")
    return path
