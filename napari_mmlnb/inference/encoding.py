"""Tiles to features: the reader decodes in its own threads while the encoder computes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from napari_mmlnb.models.encoders.base import PatchEncoder
from napari_mmlnb.slides.buffers import Allocate
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


def page_locked(device: torch.device) -> Allocate | None:
    """What makes the arrays for tiles that go to a device: page-locked memory for CUDA, nothing special elsewhere.

    A GPU copies from page-locked memory on its own, while the processor goes on.
    """
    if device.type != "cuda":
        return None
    return lambda shape: torch.empty(shape, dtype=torch.uint8, pin_memory=True).numpy()


def encode_tiles(reader: TileReader, encoder: PatchEncoder, device: torch.device) -> Iterator[EncodedBatch]:
    """Encode what a reader gives, batch by batch.

    Raises
    ------
    FloatingPointError
        If the encoder gives a value that is not finite: such a model must not answer.
    """
    encoder = encoder.to(device)
    for batch in reader:
        # Only where a tile is unreadable are the others copied; else they go to the device from where they were read.
        pixels = torch.from_numpy(batch.pixels if batch.readable.all() else batch.pixels[batch.readable])
        with torch.inference_mode():
            on_device = pixels.to(device, non_blocking=device.type == "cuda")
            features = encoder(on_device).cpu().numpy() if len(pixels) else np.zeros((0, encoder.dimension))
        if not np.isfinite(features).all():
            raise FloatingPointError(f"the encoder {encoder.facts.name} gave values that are not finite")
        yield EncodedBatch(batch.indices[batch.readable], features.astype(np.float32), batch.indices[~batch.readable])
