"""What features depend on, as one digest: the name of the folder in which they are kept.

The slide's content, where the tiles lie and at what scale, the encoder with its weights, what computes it (library,
version, precision, machine), and the code that computes from one to the other. Not the tissue or a region of interest,
which only choose among the tiles; nor the classifier.
"""

from __future__ import annotations

from napari_mmlnb.inference.code_version import code_digest
from napari_mmlnb.inference.kept import key_of
from napari_mmlnb.inference.runtimes.base import EncoderRuntime
from napari_mmlnb.inference.runtimes.weights import facts_text, weights_digest
from napari_mmlnb.slides.slide import Slide
from napari_mmlnb.slides.tile_grid import TileGrid


def feature_key(slide: Slide, tiles: TileGrid, runtime: EncoderRuntime, decoder_reduction: int) -> str:
    """Name of the features of a slide's tiles.

    Parameters
    ----------
    slide : Slide
        The slide.
    tiles : TileGrid
        Its grid; which cells of it are wanted does not count.
    runtime : EncoderRuntime
        What computes: runtimes differ in the last digits, and their features are never mixed.
    decoder_reduction : int
        By which factor the decoder reduces.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    return key_of(
        {
            "slide": slide.fingerprint,
            "backend": slide.backend,
            "mpp": slide.mpp.xy,
            "grid": [tiles.grid.spacing_um, tiles.grid.origin_um, tiles.tile_px, tiles.um_per_px],
            "decoder_reduction": decoder_reduction,
            "encoder": facts_text(runtime.encoder),
            "weights": weights_digest(runtime.encoder),
            "runtime": dict(runtime.identity),
            "code": code_digest(),
        }
    )
