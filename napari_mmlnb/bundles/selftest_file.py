"""`selftest.safetensors` before it is asked: whether it holds a question and its answers at all.

A bundle that was put together by hand can name the right digest of a wrong file; that is the bundle's fault, and is
said as such.
"""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open

from napari_mmlnb.bundles.spec import SELFTEST_FILE
from napari_mmlnb.errors import BundleError

_AXES = {"pixels": 4, "ids": 2, "features": 2, "image_logits": 2, "text_logits": 2, "fused_logits": 2}
"""What must be there, and with how many axes."""


def check_selftest_file(folder: Path, name: str) -> None:
    """Look at the names, the shapes and the type of what is stored; reads no numbers.

    Parameters
    ----------
    folder : Path
        Of the bundle.
    name : str
        The bundle's, for the message.

    Raises
    ------
    BundleError
        If the file is no safetensors file, or something is missing or of another shape.
    """
    try:
        with safe_open(folder / SELFTEST_FILE, framework="pt") as stored:
            there = set(stored.keys())
            axes = {key: len(stored.get_slice(key).get_shape()) for key in _AXES if key in there}
            pixels = stored.get_slice("pixels").get_dtype() if "pixels" in there else ""
    except (SafetensorError, OSError) as error:
        raise BundleError(
            name, f"The self-test of {name} cannot be read: {SELFTEST_FILE} is no safetensors file.", "Fetch it again."
        ) from error
    if axes != _AXES or pixels != "U8":
        wrong = next((key for key in _AXES if axes.get(key) != _AXES[key]), "pixels")
        how = "is of another form" if wrong in there else "is missing"
        raise BundleError(
            name, f"The self-test of {name} cannot be asked: in {SELFTEST_FILE}, {wrong} {how}.", "Fetch it again."
        )
