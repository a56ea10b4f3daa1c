"""What features depend on, as one digest: the name of the folder in which they are kept.

The slide's content, where the tiles lie and at what scale, the encoder with its weights, and the code that computes
from one to the other. Not the tissue or a region of interest, which only choose among the tiles; nor the classifier.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch

import napari_mmlnb
from napari_mmlnb.models.encoders.base import PatchEncoder
from napari_mmlnb.slides.slide import Slide
from napari_mmlnb.slides.tile_grid import TileGrid

_CODE = ("geometry.py", "inference/encoding.py", "models/encoders", "slides")
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

_NO_MATTER = ("summary", "licence", "gated")


def feature_key(
    slide: Slide, tiles: TileGrid, encoder: PatchEncoder, device: torch.device, decoder_reduction: int
) -> str:
    """Name of the features of a slide's tiles.

    Parameters
    ----------
    slide : Slide
        The slide.
    tiles : TileGrid
        Its grid; which cells of it are wanted does not count.
    encoder : PatchEncoder
        What computes.
    device : torch.device
        Where; devices differ in the last digits.
    decoder_reduction : int
        By which factor the decoder reduces.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    return _digest(
        {
            "slide": slide.fingerprint,
            "backend": slide.backend,
            "mpp": slide.mpp.xy,
            "grid": [tiles.grid.spacing_um, tiles.grid.origin_um, tiles.tile_px, tiles.um_per_px],
            "decoder_reduction": decoder_reduction,
            "encoder": _facts(encoder),
            "weights": weights_digest(encoder),
            "device": device.type,
            "code": code_digest(),
        }
    )


@cache
def code_digest() -> str:
    """Digest of the code, ours and the libraries', that turns a slide into features."""
    root = Path(napari_mmlnb.__file__).parent
    files = sorted(file for part in _CODE for file in _sources(root / part))
    own = {file.relative_to(root).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    return _digest({"own": own, "libraries": {name: version(name) for name in _LIBRARIES}})


def _sources(path: Path) -> list[Path]:
    return [path] if path.suffix == ".py" else list(path.rglob("*.py"))


def weights_digest(encoder: PatchEncoder) -> str:
    """Digest of the very numbers that the encoder computes with, wherever they came from."""
    digest = hashlib.sha256()
    for name, tensor in sorted(encoder.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _facts(encoder: PatchEncoder) -> str:
    facts = {name: value for name, value in vars(encoder.facts).items() if name not in _NO_MATTER}
    return repr(facts)


def _digest(facts: object) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
