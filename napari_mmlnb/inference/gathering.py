"""The features of a slide's tiles: what is known from before, then what is read and encoded, in the fair order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch

from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.errors import RunCancelledError
from napari_mmlnb.inference.answer import SlideAnswer, answer_image, rate_tiles
from napari_mmlnb.inference.bag import Bag
from napari_mmlnb.inference.device import DeviceChoice
from napari_mmlnb.inference.encoding import encode_tiles
from napari_mmlnb.inference.feature_cache import FeatureCache, cache_folder
from napari_mmlnb.inference.feature_key import feature_key
from napari_mmlnb.inference.known_tiles import KnownTiles
from napari_mmlnb.inference.live_answer import LiveAnswer
from napari_mmlnb.inference.rasters import Rasters
from napari_mmlnb.inference.runtimes.base import EncoderRuntime
from napari_mmlnb.inference.settings import RunSettings, RunUpdate
from napari_mmlnb.models.pooling.base import RatedTiles
from napari_mmlnb.result import TileState
from napari_mmlnb.slides.slide import Slide
from napari_mmlnb.slides.tile_grid import TileGrid
from napari_mmlnb.slides.tile_order import fair_order, tile_blocks
from napari_mmlnb.slides.tile_reader import TileReader, plan_tiles

KNOWN_TILES = "tiles"
"""Under what the tiles of an open slide are kept in memory."""
ENCODING = "Reading and encoding tiles"


class Gathering:
    """Fills a bag with the features of a slide's tiles, and says meanwhile what they add up to.

    Parameters
    ----------
    slide : Slide
        Where the tiles are read from.
    tiles : TileGrid
        Which tiles.
    bundle : Bundle
        What answers.
    runtime : EncoderRuntime
        What computes the features.
    settings : RunSettings
        How to run.
    device : DeviceChoice
        Where the answer is computed, and what is to be said of it.
    rasters : Rasters
        Draws the maps.
    cancelled : callable
        Asked between batches and while one is waited for.
    answers : bool
        Whether a class can be named at all; if not, none is on the way either.

    Attributes
    ----------
    bag : Bag
        What has been gathered.
    decoder_reduction : int
        By which factor the decoder reduces stored tiles; 1 for not at all.
    stopped_after : int or None
        After how many tiles of the fair order the class was stable and the run ended early; None where it did not.
    from_cache : int
        How many of the tiles in the bag were known before.
    """

    def __init__(
        self,
        slide: Slide,
        tiles: TileGrid,
        bundle: Bundle,
        runtime: EncoderRuntime,
        settings: RunSettings,
        device: DeviceChoice,
        rasters: Rasters,
        cancelled: Callable[[], bool],
        *,
        answers: bool = True,
    ) -> None:
        self.bag = Bag(len(tiles), bundle.encoder.dimension)
        self.decoder_reduction = plan_tiles(slide, tiles, in_decoder=settings.reduce_in_decoder).decoder_reduction
        self.stopped_after: int | None = None
        self.from_cache = 0
        self._slide = slide
        self._tiles = tiles
        self._bundle = bundle
        self._runtime = runtime
        self._settings = settings
        self._device = device
        self._rasters = rasters
        self._cancelled = cancelled
        stored_um = slide.stored_tile_um(tiles.um_per_px)
        self._order = fair_order(tiles, stored_um)
        self._live = LiveAnswer(
            bundle,
            self.bag,
            self._order,
            tile_blocks(tiles, stored_um),
            rasters,
            device.device,
            answers=answers,
            stop_level=settings.stop_when_stable,
        )
        self._cache = self._open_cache()
        self._known: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._ratings: RatedTiles | None = None
        self._started = time.perf_counter()

    def updates(self) -> Iterator[RunUpdate]:
        """Gather, and give news."""
        yield RunUpdate("encode", self._message(), 0, len(self._tiles), self._rasters.draw(self.bag, None))
        self._take_known()
        if len(self._known):
            yield self._live.draw(self._message())
        stable = self._live.stable_after()
        if stable is not None:
            self._end_early(stable)
            return
        yield from self._read()

    def answer(self) -> SlideAnswer:
        """What the image branch says of the bag; kept in memory while the slide is open."""
        ratings = self._ratings
        if ratings is None or len(ratings.scores) != len(self.bag.used):
            ratings = rate_tiles(self._bundle, self.bag.features, self._device.device)
        answer = answer_image(self._bundle, ratings)
        key = self._known_key()
        if key is not None:
            before: KnownTiles | None = self._slide.findings.get(KNOWN_TILES, key)
            known = KnownTiles.of(self._tiles, self.bag, answer)
            # A part of the slide does not take the place of more of it.
            if known is not None and (before is None or len(known.keys) > len(before.keys)):
                self._slide.findings.put(KNOWN_TILES, key, known)
        return answer

    def _read(self) -> Iterator[RunUpdate]:
        """Read and encode what is not known yet."""
        left = self._order[self.bag.state[self._order] == TileState.PENDING]
        if self._cache is not None:
            self._cache.begin(len(left), self._settings.cache_bytes)
        reader = self._reader(left)
        try:
            for batch in encode_tiles(reader, self._runtime):
                self._check_cancelled()
                self._live.add(batch)
                if self._cache is not None:
                    self._cache.add(self._tiles.cells[batch.indices], batch.features)
                stable = self._live.stable_after()
                yield self._live.update(self._message())
                if stable is not None:
                    self._end_early(stable)
                    break
                if self._out_of_time():
                    self._keep_fair(self._live.reached)
                    break
            self._check_cancelled()
        finally:
            reader.close()
            if self._cache is not None:
                self._cache.close()

    def _reader(self, order: npt.NDArray[np.int64]) -> TileReader:
        return TileReader(
            self._slide,
            self._tiles,
            order=order,
            batch=self._settings.batch or self._runtime.batch,
            threads=self._settings.threads,
            reduce_in_decoder=self._settings.reduce_in_decoder,
            allocate=self._runtime.allocate,
            stopped=self._cancelled,
        )

    def _open_cache(self) -> FeatureCache | None:
        if not self._settings.cache_bytes or not len(self._tiles):
            return None
        key = feature_key(self._slide, self._tiles, self._runtime, self.decoder_reduction)
        return FeatureCache(cache_folder(), key, self._bundle.encoder.dimension)

    def _known_key(self) -> tuple[str, str] | None:
        return None if self._cache is None else (self._cache.key, self._bundle.weights_sha256)

    def _take_known(self) -> None:
        """Take in what earlier runs have left: of this open slide in memory, or else on the disk."""
        if self._cache is None:
            return
        known: KnownTiles | None = self._slide.findings.get(KNOWN_TILES, self._known_key())
        rows = known.rows(self._tiles) if known is not None else None
        if known is not None and rows is not None:
            self.bag.adopt(known.features, rows)
            ratings = known.ratings.of(torch.from_numpy(rows))
        else:
            for batch in self._cache.load(self._tiles):
                self._check_cancelled()
                self.bag.add(batch)
            if not len(self.bag.used):
                return
            ratings = rate_tiles(self._bundle, self.bag.features, self._device.device)
        self._known = self.bag.used
        self.from_cache = len(self._known)
        self._live.take(self._known, ratings)
        self._ratings = ratings if len(self._known) == len(self._tiles) else None

    def _end_early(self, count: int) -> None:
        self.stopped_after = count
        self._keep_fair(count)

    def _keep_fair(self, count: int) -> None:
        """Of a run that stops early, only so many tiles of the fair order; how many of them were known counts anew.

        Features kept from another run may be those of one region; beside a sample of the tissue they would weigh too
        much.
        """
        sample = self._order[:count]
        self.bag.keep(sample)
        self.from_cache = int(np.isin(sample, self._known).sum())

    def _out_of_time(self) -> bool:
        seconds = self._settings.seconds
        return seconds is not None and time.perf_counter() - self._started >= seconds

    def _message(self) -> str:
        """What is said while tiles are encoded; also that they cannot be kept, or that a card stays idle."""
        cache, warning = self._cache, self._device.warning
        parts = [f"they are not kept for the next run: {cache.problem}"] if cache is not None and cache.problem else []
        parts += [warning] if warning else []
        return f"{ENCODING} ({'; '.join(parts)})" if parts else ENCODING

    def _check_cancelled(self) -> None:
        if self._cancelled():
            raise RunCancelledError
