"""What a run shows while it reads: the map and the class so far, each with what it rests on."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import torch

from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.inference.abstention import unreadable_reasons
from napari_mmlnb.inference.bag import Bag
from napari_mmlnb.inference.early_stop import EarlyStop
from napari_mmlnb.inference.encoding import EncodedBatch
from napari_mmlnb.inference.estimate import RunEstimate
from napari_mmlnb.inference.rasters import Rasters
from napari_mmlnb.inference.running_answer import RunningAnswer
from napari_mmlnb.inference.settings import RunUpdate
from napari_mmlnb.inference.shift import looks_familiar
from napari_mmlnb.models.pooling.base import RatedTiles
from napari_mmlnb.result import TileState

SECONDS_BETWEEN_MAPS = 0.7
_COSTS_AT_MOST = 0.05
_MOST_JUDGED = 1024
"""Tiles, evenly spaced over those seen, on which it is judged whether they look familiar."""

Rows = npt.NDArray[np.int64]


class LiveAnswer:
    """Takes in batches and says what they add up to.

    Nothing of it names a class while the tiles seen look like nothing the bundle knows, while too many of them cannot
    be read, while no class is probable enough to be named, or where `answers` is false; nor is attention shown while
    the tiles look like nothing known, or where `answers` is false.

    Parameters
    ----------
    bundle : Bundle
        What answers.
    bag : Bag
        Where the features are collected.
    order : ndarray
        (N,) int64, the tiles in the fair order.
    blocks : ndarray
        (N,) int64, the block of neighbouring tiles in which each tile lies.
    rasters : Rasters
        Draws the maps.
    device : torch.device
        Where to compute.
    answers : bool
        Whether a class can be named at all.
    stop_level : float, optional
        How stable the class must be for an early end; never by default.
    """

    def __init__(
        self,
        bundle: Bundle,
        bag: Bag,
        order: Rows,
        blocks: Rows,
        rasters: Rasters,
        device: torch.device,
        *,
        answers: bool = True,
        stop_level: float | None = None,
    ) -> None:
        self._bundle = bundle
        self._bag = bag
        self._order = order
        self._rasters = rasters
        self._running = RunningAnswer(bundle, blocks, device)
        self._answers = answers
        self._stop = None if stop_level is None else EarlyStop(stop_level, len(order))
        self._next_s = time.perf_counter() + SECONDS_BETWEEN_MAPS
        self._begun = False
        self._judged: tuple[Rows, bool] = (np.zeros(0, np.int64), False)

    def add(self, batch: EncodedBatch) -> None:
        """Take in a batch."""
        self._bag.add(batch)
        self._running.add(batch)

    def take(self, indices: Rows, ratings: RatedTiles) -> None:
        """Take over the ratings of tiles that are in the bag already."""
        self._running.take(indices, ratings)

    @property
    def reached(self) -> int:
        """How many tiles of the fair order are known without a gap: these are the fair sample."""
        pending = self._bag.state[self._order] == TileState.PENDING
        return int(pending.argmax()) if pending.any() else len(pending)

    def update(self, message: str) -> RunUpdate:
        """News after a batch; with map and estimate at first, and then not more often than anybody could look."""
        now = time.perf_counter()
        if (self._begun and now < self._next_s) or not len(self._bag.used):
            return RunUpdate("encode", message, self._bag.seen, len(self._order))
        return self.draw(message)

    def draw(self, message: str) -> RunUpdate:
        """News with the map as it is now, and the class so far."""
        started = time.perf_counter()
        used = self._bag.used
        shown = self._answers and len(used) and self._familiar(used)
        maps = self._rasters.draw(self._bag, self._running.answer(used) if shown else None)
        news = RunUpdate(
            "encode", message, self._bag.seen, len(self._order), maps, estimate=self.estimate(self.reached)
        )
        now = time.perf_counter()
        self._begun = True
        # Where drawing itself takes long it comes less often, so that the run is not slowed down by it.
        self._next_s = now + max(SECONDS_BETWEEN_MAPS, (now - started) / _COSTS_AT_MOST)
        return news

    def estimate(self, count: int) -> RunEstimate | None:
        """What the first so many tiles of the fair order say; None where no class may be named."""
        tiles = self._order[:count]
        sample = np.sort(tiles[self._bag.state[tiles] == TileState.USED])
        unreadable = count - len(sample)
        limits = self._bundle.spec.limits
        if not self._answers or len(sample) < limits.min_tiles or not self._familiar(sample):
            return None
        if any(unreadable_reasons(unreadable, count, limits)):
            return None
        seen = self._running.estimate(sample, len(self._order) - unreadable)
        return seen if max(seen.probabilities.values()) >= limits.min_probability else None

    def _familiar(self, seen: Rows) -> bool:
        """Whether these tiles do; the last answer is kept, for the map and the class often rest on the same tiles."""
        if not np.array_equal(seen, self._judged[0]):
            some = seen[np.linspace(0, len(seen) - 1, min(len(seen), _MOST_JUDGED)).astype(np.int64)]
            self._judged = (seen, looks_familiar(self._bundle, self._bag.features_of(some)))
        return self._judged[1]

    def stable_after(self) -> int | None:
        """After how many tiles of the fair order the class was stable; None while it is not, or nobody asked."""
        stop = self._stop
        if stop is None:
            return None
        reached = self.reached
        while stop.due(reached):
            count = stop.next_look
            if stop.look(self.estimate(count)):
                return count
        return None
