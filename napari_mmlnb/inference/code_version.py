"""Which code computes: ours and the libraries', as one digest."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.metadata import version
from pathlib import Path

import napari_mmlnb

_CODE = ("geometry.py", "inference/encoding.py", "inference/runtimes", "models/encoders", "slides")
_LIBRARIES = (
    "imagecodecs",
    "numpy",
    "opencv-python-headless",
    "openslide-python",
    "simplejpeg",
    "tifffile",
    "timm",
    "torch",
)


@cache
def code_digest(*beside: str) -> str:
    """Digest of the code that turns a slide into features. OpenVINO's version counts where it computes.

    Parameters
    ----------
    beside : str
        Modules or packages of this program that count too, as paths below its folder.
    """
    root = Path(napari_mmlnb.__file__).parent
    files = sorted(file for part in (*_CODE, *beside) for file in _sources(root / part))
    own = {file.relative_to(root).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    facts = {"own": own, "libraries": {name: version(name) for name in _LIBRARIES}}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _sources(path: Path) -> list[Path]:
    return [path] if path.suffix == ".py" else list(path.rglob("*.py"))
