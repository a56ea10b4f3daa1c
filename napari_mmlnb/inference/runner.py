"""Slide and bundle to `RunResult`: the one way of the data, and no way back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, overload

import numpy as np
import numpy.typing as npt
import torch

from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.bundles.kept import kept_bundle
from napari_mmlnb.bundles.registry import DEFAULT_BUNDLE
from napari_mmlnb.describe.base import Describer, EvidenceTile, TileDescription
from napari_mmlnb.describe.registry import create_describer
from napari_mmlnb.errors import RequestError, RunCancelledError, TileReadError
from napari_mmlnb.inference.abstention import answer_reasons, coverage_reasons, quality_reasons, scale_reasons
from napari_mmlnb.inference.answer import SlideAnswer, answer_fused, answer_image, rate_tiles
from napari_mmlnb.inference.bag import Bag
from napari_mmlnb.inference.bundle_runtime import bundle_runtime
from napari_mmlnb.inference.device import DeviceChoice, choose_device
from napari_mmlnb.inference.encoding import encode_tiles
from napari_mmlnb.inference.evidence import select_evidence
from napari_mmlnb.inference.feature_cache import FeatureCache, cache_folder
from napari_mmlnb.inference.feature_key import feature_key
from napari_mmlnb.inference.inspection import inspect_slide
from napari_mmlnb.inference.known_tiles import KnownTiles
from napari_mmlnb.inference.live_answer import LiveAnswer
from napari_mmlnb.inference.rasters import Rasters
from napari_mmlnb.inference.record import (
    model_record,
    new_run_id,
    now,
    rates_when_chosen,
    settings_record,
    slide_record,
    software_record,
    stop_record,
)
from napari_mmlnb.inference.runtimes.choice import ChosenRuntime
from napari_mmlnb.inference.settings import RunSettings, RunUpdate
from napari_mmlnb.inference.shift import measure_shift, tile_distances
from napari_mmlnb.models.pooling.base import RatedTiles
from napari_mmlnb.result import (
    AbstainReason,
    Coverage,
    Description,
    Evidence,
    Probabilities,
    Quality,
    RunResult,
    Shift,
    TextTrust,
    TileState,
)
from napari_mmlnb.slides.roi import read_roi
from napari_mmlnb.slides.slide import Slide, open_slide
from napari_mmlnb.slides.tile_grid import TileGrid, build_tile_grid
from napari_mmlnb.slides.tile_order import fair_order, tile_blocks
from napari_mmlnb.slides.tile_reader import TileReader, plan_tiles
from napari_mmlnb.slides.tissue import TissueMask, find_tissue

KNOWN_TILES = "tiles"
"""Under what the tiles of an open slide are kept in memory."""
ENCODING = "Reading and encoding tiles"


@overload
def classify(
    slide: Slide | Path | str,
    model: Bundle | Path | str = ...,
    *,
    settings: RunSettings = ...,
    stream: Literal[False] = False,
    cancelled: Callable[[], bool] | None = None,
) -> RunResult: ...


@overload
def classify(
    slide: Slide | Path | str,
    model: Bundle | Path | str = ...,
    *,
    settings: RunSettings = ...,
    stream: Literal[True],
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[RunUpdate]: ...


def classify(
    slide: Slide | Path | str,
    model: Bundle | Path | str = DEFAULT_BUNDLE,
    *,
    settings: RunSettings = RunSettings(),  # noqa: B008 - frozen
    stream: bool = False,
    cancelled: Callable[[], bool] | None = None,
) -> RunResult | Iterator[RunUpdate]:
    """Classify a slide, or say why not.

    Parameters
    ----------
    slide : Slide, Path or str
        An open slide, which stays open, or a path.
    model : Bundle, Path or str
        A loaded bundle, the folder of one, or the name of a shipped one.
    settings : RunSettings
        How to run.
    stream : bool
        Give news while running: attention so far, and last an update with the result.
    cancelled : callable, optional
        Asked between batches; a true answer ends the run.

    Returns
    -------
    RunResult or iterator of RunUpdate
        With `maps` beside the record.

    Raises
    ------
    SlideError, BundleError, UnknownNameError, RequestError
        What is wrong with the input, before any work is done.
    RunCancelledError
        When `cancelled` says so.
    """
    updates = _updates(slide, model, settings, cancelled or (lambda: False))
    if stream:
        return updates
    for update in updates:
        if update.result is not None:
            return update.result
    raise RuntimeError("a run ended without a result")


@contextmanager
def _opened(slide: Slide | Path | str) -> Iterator[Slide]:
    if isinstance(slide, Slide):
        yield slide
        return
    with open_slide(slide) as opened:
        yield opened


def _updates(
    slide: Slide | Path | str, model: Bundle | Path | str, settings: RunSettings, cancelled: Callable[[], bool]
) -> Iterator[RunUpdate]:
    device = choose_device(settings.device)
    with _opened(slide) as opened:
        yield RunUpdate("load", "Loading the model", warning=device.warning)
        started = time.perf_counter()
        bundle = model if isinstance(model, Bundle) else kept_bundle(model)
        chosen = bundle_runtime(bundle, device.device, settings.runtime)
        describer = create_describer(settings.describer or bundle.spec.describer)
        run = _Run(opened, bundle, describer, settings, device, chosen, cancelled)
        run.timings["load_s"] = time.perf_counter() - started
        yield from run.updates()


class _Run:
    """One run over one slide: the steps in their order, and the times that they took."""

    def __init__(
        self,
        slide: Slide,
        bundle: Bundle,
        describer: Describer,
        settings: RunSettings,
        device: DeviceChoice,
        chosen: ChosenRuntime,
        cancelled: Callable[[], bool],
    ) -> None:
        self.slide = slide
        self.bundle = bundle
        self.describer = describer
        self.settings = settings
        self.device = device
        self.chosen = chosen
        self.runtime = chosen.runtime
        self.cancelled = cancelled
        self.timings: dict[str, float] = {"tiles_from_cache": 0} | rates_when_chosen(chosen)
        self.decoder_reduction = 1
        self.stopped_after: int | None = None
        self.ratings: RatedTiles | None = None
        self.known_key: tuple[str, str] | None = None

    def updates(self) -> Iterator[RunUpdate]:
        started = time.perf_counter()
        _ = self.slide.fingerprint  # of the file that is read now, should it be changed or removed during the run
        yield RunUpdate("tissue", "Looking for tissue")
        tissue, tiles = self._find_tiles()
        self.timings["tissue_s"] = time.perf_counter() - started
        rasters = Rasters(self.slide, tissue, tiles, self.bundle)
        bag = Bag(len(tiles), self.bundle.encoder.dimension)
        yield from self._encode(tiles, bag, rasters)
        yield RunUpdate("describe", "Describing the evidence")
        result = self._conclude(tissue, tiles, bag, rasters, started)
        yield RunUpdate("done", "Done", bag.seen, len(tiles), result.maps, result)

    def _find_tiles(self) -> tuple[TissueMask, TileGrid]:
        spec = self.bundle.spec
        roi = read_roi(self.settings.roi, self.slide.scanned_grid) if self.settings.roi else None
        scale = spec.tissue_um_per_px
        tissue = self.slide.findings.once("tissue", scale, lambda: find_tissue(self.slide, scale))
        tissue = tissue if roi is None else tissue.restrict(roi)
        if roi is not None and not roi.rasterise(tissue.grid).any():
            raise RequestError("The regions of --roi lie outside the slide.", "Were they drawn on another slide?")
        self._check_cancelled()
        tiles = build_tile_grid(tissue, spec.encoder.input_px, spec.encoder.um_per_px, spec.min_tissue)
        return tissue, tiles

    def _encode(self, tiles: TileGrid, bag: Bag, rasters: Rasters) -> Iterator[RunUpdate]:
        started = time.perf_counter()
        total = len(tiles)
        yield RunUpdate("encode", _encoding(None, self.device), 0, total, rasters.draw(bag, None))
        stored_um = self.slide.stored_tile_um(tiles.um_per_px)
        whole_order = order = fair_order(tiles, stored_um)
        live = LiveAnswer(
            self.bundle,
            bag,
            whole_order,
            tile_blocks(tiles, stored_um),
            rasters,
            self.device.device,
            answers=not any(scale_reasons(self.slide.mpp, self.bundle.spec)),
            stop_level=self.settings.stop_when_stable,
        )
        in_decoder = self.settings.reduce_in_decoder
        self.decoder_reduction = plan_tiles(self.slide, tiles, in_decoder=in_decoder).decoder_reduction
        cache = self._open_cache(tiles)
        self._load_known(tiles, bag, live, cache)
        cached = bag.used
        self.timings["tiles_from_cache"] = len(cached)
        if len(cached):
            yield live.draw(_encoding(None, self.device))
        order = order[bag.state[order] == TileState.PENDING]
        self.stopped_after = live.stable_after()
        if self.stopped_after is not None:
            self._keep_fair(bag, whole_order[: self.stopped_after], cached)
            self.timings["encode_s"] = time.perf_counter() - started
            return
        if cache is not None:
            cache.begin(len(order), self.settings.cache_bytes)
        reader = TileReader(
            self.slide,
            tiles,
            order=order,
            batch=self.settings.batch or self.runtime.batch,
            threads=self.settings.threads,
            reduce_in_decoder=in_decoder,
            allocate=self.runtime.allocate,
            stopped=self.cancelled,
        )
        try:
            for batch in encode_tiles(reader, self.runtime):
                self._check_cancelled()
                live.add(batch)
                if cache is not None:
                    cache.add(tiles.cells[batch.indices], batch.features)
                self.stopped_after = live.stable_after()
                yield live.update(_encoding(cache, self.device))
                if self.stopped_after is not None:
                    self._keep_fair(bag, whole_order[: self.stopped_after], cached)
                    break
                if self.settings.seconds is not None and time.perf_counter() - started >= self.settings.seconds:
                    self._keep_fair(bag, whole_order[: live.reached], cached)
                    break
            self._check_cancelled()
        finally:
            reader.close()
            if cache is not None:
                cache.close()
        self.timings["encode_s"] = time.perf_counter() - started

    def _load_known(self, tiles: TileGrid, bag: Bag, live: LiveAnswer, cache: FeatureCache | None) -> None:
        """Take in what earlier runs have left: of this open slide in memory, or else on the disk."""
        if cache is None:
            return
        self.known_key = (cache.key, self.bundle.weights_sha256)
        known: KnownTiles | None = self.slide.findings.get(KNOWN_TILES, self.known_key)
        rows = known.rows(tiles) if known is not None else None
        if known is not None and rows is not None:
            bag.adopt(known.features, rows)
            ratings = known.ratings.of(torch.from_numpy(rows))
        else:
            for batch in cache.load(tiles):
                self._check_cancelled()
                bag.add(batch)
            if not len(bag.used):
                return
            ratings = rate_tiles(self.bundle, bag.features, self.device.device)
        live.take(bag.used, ratings)
        self.ratings = ratings if len(bag.used) == len(tiles) else None

    def _open_cache(self, tiles: TileGrid) -> FeatureCache | None:
        if not self.settings.cache_bytes or not len(tiles):
            return None
        key = feature_key(self.slide, tiles, self.runtime, self.decoder_reduction)
        return FeatureCache(cache_folder(), key, self.bundle.encoder.dimension)

    def _keep_fair(self, bag: Bag, sample: npt.NDArray[np.int64], cached: npt.NDArray[np.int64]) -> None:
        """Of a run that stops early, only a prefix of the fair order; which tiles came from the cache is counted again.

        Features kept from another run may be those of one region; beside a sample of the tissue they would weigh too
        much.
        """
        bag.keep(sample)
        self.timings["tiles_from_cache"] = int(np.isin(sample, cached).sum())

    def _aggregate(self, tiles: TileGrid, bag: Bag) -> SlideAnswer:
        ratings = self.ratings
        if ratings is None or len(ratings.scores) != len(bag.used):
            ratings = rate_tiles(self.bundle, bag.features, self.device.device)
        answer = answer_image(self.bundle, ratings)
        if self.known_key is not None:
            before: KnownTiles | None = self.slide.findings.get(KNOWN_TILES, self.known_key)
            known = KnownTiles.of(tiles, bag, answer)
            # A part of the slide does not take the place of more of it.
            if known is not None and (before is None or len(known.keys) > len(before.keys)):
                self.slide.findings.put(KNOWN_TILES, self.known_key, known)
        return answer

    def _inspect(self, tissue: TissueMask, tiles: TileGrid, coverage: Coverage) -> Quality:
        begun = time.perf_counter()
        quality = inspect_slide(
            self.slide,
            tissue,
            tiles,
            coverage,
            self.bundle.spec.limits.unreadable_share,
            threads=self.settings.threads,
            reduce_in_decoder=self.settings.reduce_in_decoder,
        )
        self._check_cancelled()
        self.timings["quality_s"] = time.perf_counter() - begun
        return quality

    def _conclude(self, tissue: TissueMask, tiles: TileGrid, bag: Bag, rasters: Rasters, started: float) -> RunResult:
        spec = self.bundle.spec
        coverage = Coverage(
            tissue_mm2=tissue.area_mm2,
            tiles_total=len(tiles),
            tiles_used=len(bag.used),
            tiles_unreadable=len(bag.unreadable),
        )
        quality = self._inspect(tissue, tiles, coverage)
        reasons = [
            *coverage_reasons(coverage, spec),
            *scale_reasons(self.slide.mpp, spec),
            *quality_reasons(quality),
        ]
        answer: SlideAnswer | None = None
        evidence: tuple[Evidence, ...] = ()
        pictures: tuple[EvidenceTile, ...] = ()
        description: Description | None = None
        probabilities: Probabilities | None = None
        trust: TextTrust | None = None
        shift: Shift | None = None
        distances = np.zeros(0, np.float32)
        if len(bag.used):
            answer = self._aggregate(tiles, bag)
            begun = time.perf_counter()
            evidence, pictures, description = self._describe(tiles, bag, answer)
            self.timings["describe_s"] = time.perf_counter() - begun
            probabilities, trust = answer_fused(self.bundle, answer, description.text, self.device.device)
            features = bag.features
            distances = tile_distances(self.bundle, features)
            shift = measure_shift(self.bundle, features, distances)
            reasons += answer_reasons(shift, probabilities, spec)
        self.timings["total_s"] = time.perf_counter() - started
        fused = probabilities.fused if probabilities is not None else None
        prediction, prediction_set = self._decide(reasons, fused)
        result = RunResult(
            run_id=new_run_id(),
            created=now(),
            slide=slide_record(self.slide),
            model=model_record(self.bundle),
            decision="abstain" if reasons else "predict",
            abstain_reasons=tuple(reasons),
            classes=spec.classes,
            probabilities=probabilities,
            prediction=prediction,
            prediction_set=prediction_set,
            text_trust=trust,
            shift=shift,
            quality=quality,
            coverage=coverage,
            evidence=evidence,
            description=description,
            settings=settings_record(
                self.bundle,
                self.settings,
                self.device,
                self.chosen,
                self.describer.facts.name,
                self.decoder_reduction,
            )
            | stop_record(self.settings, self.stopped_after),
            timings={name: round(value, 3) for name, value in self.timings.items()},
            software=software_record(self.runtime),
        )
        return result.with_maps(rasters.draw(bag, answer, tuple(p.rgb for p in pictures), distances))

    def _decide(
        self, reasons: list[AbstainReason], fused: dict[str, float] | None
    ) -> tuple[str | None, tuple[str, ...]]:
        """The class and the set of classes that cannot be excluded; nothing when abstaining."""
        if reasons or fused is None:
            return None, ()
        p = np.array(list(fused.values()))
        chosen = tuple(self.bundle.spec.class_ids[i] for i in self.bundle.calibration.prediction_set(p))
        return max(fused, key=lambda class_id: fused[class_id]), chosen

    def _describe(
        self, tiles: TileGrid, bag: Bag, answer: SlideAnswer
    ) -> tuple[tuple[Evidence, ...], tuple[EvidenceTile, ...], Description]:
        """Choose the evidence, read its tiles once more, and have them described."""
        choice = self.bundle.spec.evidence
        used = bag.used
        picked = select_evidence(answer.attention, tiles.cells[used], choice.tiles, choice.apart)
        pictures = tuple(self._read(tiles, int(used[i]), rank) for rank, i in enumerate(picked, start=1))
        said: dict[int, TileDescription] = {}
        for tile in self.describer.describe(pictures):
            self._check_cancelled()
            said[tile.rank] = tile
        description = self.describer.summarise([said[p.rank] for p in pictures])
        evidence = tuple(
            Evidence(
                rank=picture.rank,
                region_um=picture.region.yxhw,
                attention=float(answer.attention[i]),
                contribution=dict(zip(self.bundle.spec.class_ids, map(float, answer.contribution[i]), strict=True)),
                sentences=said[picture.rank].sentences,
                measurements=said[picture.rank].measurements,
            )
            for picture, i in zip(pictures, picked, strict=True)
        )
        return evidence, pictures, description

    def _read(self, tiles: TileGrid, index: int, rank: int) -> EvidenceTile:
        try:
            pixels = self.slide.read_grid(tiles.pixels(index))
        except TileReadError as error:
            raise TileReadError(
                self.slide.path,
                "A tile that could be read before cannot be read any more.",
                "Is the slide still there?",
            ) from error
        return EvidenceTile(rank, pixels, tiles.um_per_px, tiles.region(index))

    def _check_cancelled(self) -> None:
        if self.cancelled():
            raise RunCancelledError


def _encoding(cache: FeatureCache | None, device: DeviceChoice) -> str:
    """What is said while tiles are encoded; also that their features cannot be kept, or that a card stays idle."""
    parts = [f"they are not kept for the next run: {cache.problem}"] if cache is not None and cache.problem else []
    parts += [device.warning] if device.warning else []
    return f"{ENCODING} ({'; '.join(parts)})" if parts else ENCODING
