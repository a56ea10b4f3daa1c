"""Tiles to features: reading, encoding and what is done with the features overlap, and none waits for another."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_mmlnb.errors import FeatureError
from napari_mmlnb.inference.runtimes.base import EncoderRuntime, FeatureArray
from napari_mmlnb.slides.tile_reader import TileBatch

__all__ = ["EncodedBatch", "FeatureArray", "encode_tiles"]

_BATCHES_AHEAD = 2
"""Batches that the encoder has beside the one whose features are waited for, so that it never runs dry."""


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


def encode_tiles(reader: Iterable[TileBatch], runtime: EncoderRuntime) -> Iterator[EncodedBatch]:
    """Encode what a reader gives, batch by batch, in its order.

    The reader's threads decode, the runtime's streams encode, and the caller works with the features, all at a time.

    Parameters
    ----------
    reader : iterable of TileBatch
        What to encode.
    runtime : EncoderRuntime
        What encodes.

    Raises
    ------
    FeatureError
        If the encoder gives a value that is not finite: such a model must not answer.
    """
    pool = ThreadPoolExecutor(runtime.streams, thread_name_prefix="encode")
    try:
        under_way: deque[_Encoding] = deque()
        for batch in reader:
            under_way.append(_start(pool, runtime, batch))
            # One at least is left to the encoder while the caller works with the features of another.
            while len(under_way) > _BATCHES_AHEAD or (len(under_way) > 1 and under_way[0].done):
                yield under_way.popleft().result(runtime)
        while under_way:
            yield under_way.popleft().result(runtime)
    finally:
        # Whoever stops early does not wait for what has not begun.
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class _Encoding:
    batch: TileBatch
    pieces: list[Future[FeatureArray]]

    @property
    def done(self) -> bool:
        return all(piece.done() for piece in self.pieces)

    def result(self, runtime: EncoderRuntime) -> EncodedBatch:
        parts = [piece.result() for piece in self.pieces]
        features = np.concatenate(parts) if parts else np.zeros((0, runtime.encoder.dimension), np.float32)
        if not np.isfinite(features).all():
            raise FeatureError(runtime.encoder.facts.name, runtime.facts.name)
        readable = self.batch.readable
        return EncodedBatch(self.batch.indices[readable], features, self.batch.indices[~readable])


def _start(pool: ThreadPoolExecutor, runtime: EncoderRuntime, batch: TileBatch) -> _Encoding:
    # Only where a tile is unreadable are the others copied; else they are encoded from where they were read.
    pixels = batch.pixels if batch.readable.all() else batch.pixels[batch.readable]
    step = runtime.piece or max(1, len(pixels))
    return _Encoding(batch, [pool.submit(runtime.encode, pixels[at : at + step]) for at in range(0, len(pixels), step)])
