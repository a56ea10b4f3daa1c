"""Tiles to features: the reader decodes in its own threads while the encoder computes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from napari_mmlnb.models.encoders.base import PatchEncoder
from napari_mmlnb.slides.tile_grid import TileGrid
from napari_mmlnb.slides.tile_reader import TileReader

FeatureArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class EncodedBatch:
    """Features of a batch of tiles.

    Parameters
    ----------
    indices : ndarray
        (b,) int64 into the tile grid, the readable tiles only.
    features : ndarray
        (b, F) float32.
    unreadable : ndarray
        (u,) int64, tiles that could not be decoded; they never reach the encoder.
    """

    indices: npt.NDArray[np.int64]
    features: FeatureArray
    unreadable: npt.NDArray[np.int64]


def fair_order(tiles: TileGrid, seed: int = 0) -> npt.NDArray[np.int64]:
    """An order in which every prefix is a fair sample of the tissue; always the same for the same grid."""
    return np.random.default_rng(seed).permutation(len(tiles)).astype(np.int64)


def encode_tiles(reader: TileReader, encoder: PatchEncoder, device: torch.device) -> Iterator[EncodedBatch]:
    """Encode what a reader gives, batch by batch.

    Raises
    ------
    FloatingPointError
        If the encoder gives a value that is not finite: such a model must not answer.
    """
    encoder = encoder.to(device)
    for batch in reader:
        pixels = torch.from_numpy(batch.pixels[batch.readable])
        with torch.inference_mode():
            features = encoder(pixels.to(device)).cpu().numpy() if len(pixels) else np.zeros((0, encoder.dimension))
        if not np.isfinite(features).all():
            raise FloatingPointError(f"the encoder {encoder.facts.name} gave values that are not finite")
        yield EncodedBatch(batch.indices[batch.readable], features.astype(np.float32), batch.indices[~batch.readable])
