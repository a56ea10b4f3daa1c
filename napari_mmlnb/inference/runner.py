"""Slide and bundle to `RunResult`: the one way of the data, and no way back."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal, overload

import numpy as np

from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.bundles.kept import kept_bundle
from napari_mmlnb.bundles.registry import DEFAULT_BUNDLE
from napari_mmlnb.describe.base import EvidenceTile
from napari_mmlnb.describe.measured import MeasuredDescriber
from napari_mmlnb.errors import RequestError, RunCancelledError
from napari_mmlnb.inference.abstention import (
    answer_reasons,
    coverage_reasons,
    quality_reasons,
    scale_reasons,
    undescribed_reason,
)
from napari_mmlnb.inference.answer import SlideAnswer, answer_fused
from napari_mmlnb.inference.bundle_runtime import bundle_runtime
from napari_mmlnb.inference.device import DeviceChoice, choose_device
from napari_mmlnb.inference.evidence import describe_evidence
from napari_mmlnb.inference.gathering import Gathering
from napari_mmlnb.inference.generated import (
    Generated,
    Shown,
    awaited_description,
    generate_description,
    shown_describer,
)
from napari_mmlnb.inference.inspection import inspect_slide
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
from napari_mmlnb.inference.runtimes.choice import ChosenRuntime, is_measured
from napari_mmlnb.inference.runtimes.registry import AUTO
from napari_mmlnb.inference.settings import RunSettings, RunUpdate
from napari_mmlnb.inference.shift import measure_shift, tile_distances
from napari_mmlnb.inference.slide_view import view_slide
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
)
from napari_mmlnb.slides.roi import read_roi
from napari_mmlnb.slides.slide import Slide, open_slide
from napari_mmlnb.slides.tile_grid import TileGrid, build_tile_grid
from napari_mmlnb.slides.tissue import TissueMask

MEASURING = "Loading the model; measuring what computes it fastest here, this first time only"


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
        if settings.runtime == AUTO and not is_measured(bundle.encoder, device.device, bundle.spec.encoder.input_px):
            yield RunUpdate("load", MEASURING, warning=device.warning)
        chosen = bundle_runtime(bundle, device.device, settings.runtime)
        shown = shown_describer(bundle, settings, device.device.type)
        run = _Run(opened, bundle, shown, settings, device, chosen, cancelled)
        run.timings["load_s"] = time.perf_counter() - started
        yield from run.updates()


@dataclass(frozen=True)
class _Found:
    """All of a result but for a describing model's words; what is None or empty was not found, for want of tissue."""

    run_id: str
    created: datetime
    coverage: Coverage
    quality: Quality
    reasons: tuple[AbstainReason, ...]
    settings: dict[str, str | float | int | bool | None]
    answer: SlideAnswer | None = None
    evidence: tuple[Evidence, ...] = ()
    description: Description | None = None
    shift: Shift | None = None


class _Run:
    """One run over one slide: the steps in their order, and the times that they took."""

    def __init__(
        self,
        slide: Slide,
        bundle: Bundle,
        shown: Shown | None,
        settings: RunSettings,
        device: DeviceChoice,
        chosen: ChosenRuntime,
        cancelled: Callable[[], bool],
    ) -> None:
        self.slide = slide
        self.bundle = bundle
        self.shown = shown
        self.settings = settings
        self.device = device
        self.chosen = chosen
        self.runtime = chosen.runtime
        self.cancelled = cancelled
        self.timings: dict[str, float] = {"tiles_from_cache": 0} | rates_when_chosen(chosen)

    def updates(self) -> Iterator[RunUpdate]:
        started = time.perf_counter()
        _ = self.slide.fingerprint  # of the file that is read now, should it be changed or removed during the run
        yield RunUpdate("tissue", "Looking for tissue")
        tissue, tiles = self._find_tiles()
        self.timings["tissue_s"] = time.perf_counter() - started
        rasters = Rasters(self.slide, tissue, tiles, self.bundle)
        answers = not self._is_refused_beforehand(tissue, tiles)
        begun = time.perf_counter()
        gathering = Gathering(
            self.slide,
            tiles,
            self.bundle,
            self.runtime,
            self.settings,
            self.device,
            rasters,
            self.cancelled,
            answers=answers,
        )
        yield from gathering.updates()
        self.timings |= {"tiles_from_cache": gathering.from_cache, "encode_s": time.perf_counter() - begun}
        yield RunUpdate("describe", "Describing the evidence")
        result = yield from self._conclude(tissue, tiles, gathering, rasters, started)
        yield RunUpdate("done", "Done", gathering.bag.seen, len(tiles), result.maps, result)

    def _find_tiles(self) -> tuple[TissueMask, TileGrid]:
        spec = self.bundle.spec
        roi = read_roi(self.settings.roi, self.slide.scanned_grid) if self.settings.roi else None
        tissue = view_slide(self.slide, spec.tissue_um_per_px, keep=bool(self.settings.cache_bytes)).tissue
        tissue = tissue if roi is None else tissue.restrict(roi)
        if roi is not None and not tissue.mask.any() and not roi.rasterise(tissue.grid).any():
            raise RequestError("The regions of --roi lie outside the slide.", "Were they drawn on another slide?")
        self._check_cancelled()
        tiles = build_tile_grid(tissue, spec.encoder.input_px, spec.encoder.um_per_px, spec.min_tissue)
        return tissue, tiles

    def _is_refused_beforehand(self, tissue: TissueMask, tiles: TileGrid) -> bool:
        """Whether scale or picture already rule an answer out: then no class is shown on the way either."""
        unread = Coverage(tissue_mm2=tissue.area_mm2, tiles_total=len(tiles), tiles_used=0, tiles_unreadable=0)
        spec = self.bundle.spec
        return any(scale_reasons(self.slide.mpp, spec)) or any(quality_reasons(self._inspect(tissue, tiles, unread)))

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
        self.timings["quality_s"] = self.timings.get("quality_s", 0.0) + time.perf_counter() - begun
        return quality

    def _conclude(
        self, tissue: TissueMask, tiles: TileGrid, gathering: Gathering, rasters: Rasters, started: float
    ) -> Generator[RunUpdate, None, RunResult]:
        spec, bag = self.bundle.spec, gathering.bag
        coverage = Coverage(
            tissue_mm2=tissue.area_mm2,
            tiles_total=len(tiles),
            tiles_used=len(bag.used),
            tiles_unreadable=len(bag.unreadable),
        )
        quality = self._inspect(tissue, tiles, coverage)
        reasons = (
            *coverage_reasons(coverage, spec),
            *scale_reasons(self.slide.mpp, spec),
            *quality_reasons(quality),
        )
        used = settings_record(
            self.bundle, self.settings, self.device, self.chosen, self.shown, gathering.decoder_reduction
        ) | stop_record(self.settings, gathering.stopped_after)
        found = _Found(new_run_id(), now(), coverage, quality, reasons, used)
        if not len(bag.used):
            none = np.zeros(0, np.float32)
            return self._result(found, None, started).with_maps(rasters.draw(bag, None, (), none))
        answer = gathering.answer()
        begun = time.perf_counter()
        evidence, pictures, description = describe_evidence(
            self.slide, tiles, bag, answer, self.bundle.spec, MeasuredDescriber(), self._check_cancelled
        )
        self.timings["describe_s"] = time.perf_counter() - begun
        features = bag.features
        distances = tile_distances(self.bundle, features)
        shift = measure_shift(self.bundle, features, distances)
        found = replace(found, answer=answer, evidence=evidence, description=description, shift=shift)
        maps = rasters.draw(bag, answer, tuple(p.rgb for p in pictures), distances)
        if self.shown is not None and not self.shown.fused:
            # The class does not rest on the words that are to come, which may take minutes: nobody waits for them.
            awaited = self._result(found, awaited_description(self.shown), started).with_maps(maps)
            yield RunUpdate("describe", f"{self.shown.facts.name} describes the evidence", answer=awaited)
        generated = yield from self._generate(pictures, evidence)
        return self._result(found, generated, started).with_maps(maps)

    def _result(self, found: _Found, generated: Generated | None, started: float) -> RunResult:
        """The record of what was found, with these words of a describing model."""
        spec = self.bundle.spec
        reasons = list(found.reasons)
        probabilities: Probabilities | None = None
        trust: TextTrust | None = None
        if found.answer is not None and found.description is not None and found.shift is not None:
            probabilities, trust = self._fuse(found.answer, found.description, generated)
            reasons += answer_reasons(found.shift, probabilities, spec)
            if probabilities.fused is None:
                reasons.append(undescribed_reason(spec))
        self.timings["total_s"] = time.perf_counter() - started
        fused = probabilities.fused if probabilities is not None else None
        prediction, prediction_set = self._decide(reasons, fused)
        return RunResult(
            run_id=found.run_id,
            created=found.created,
            slide=slide_record(self.slide),
            model=model_record(self.bundle),
            decision="abstain" if reasons else "predict",
            abstain_reasons=tuple(reasons),
            classes=spec.classes,
            probabilities=probabilities,
            prediction=prediction,
            prediction_set=prediction_set,
            text_trust=trust,
            shift=found.shift,
            quality=found.quality,
            coverage=found.coverage,
            evidence=found.evidence,
            description=found.description,
            generated=generated.record if generated is not None else None,
            settings=found.settings,
            timings={name: round(value, 3) for name, value in self.timings.items()},
            software=software_record(self.runtime),
        )

    def _generate(
        self, pictures: tuple[EvidenceTile, ...], evidence: tuple[Evidence, ...]
    ) -> Generator[RunUpdate, None, Generated | None]:
        """What a model says of the evidence, where one is to."""
        if self.shown is None:
            return None
        said = yield from generate_description(
            self.shown, pictures, evidence, self.settings.describer_seconds, self.cancelled
        )
        self.timings["generate_s"] = said.record.seconds
        return said

    def _fuse(
        self, answer: SlideAnswer, description: Description, generated: Generated | None
    ) -> tuple[Probabilities, TextTrust | None]:
        """Image and text: what was measured, or the words of the model that the bundle was trained with.

        Where that model has said nothing there is no text, and the image alone is told: the class needs both.
        """
        text = description.text
        if self.shown is not None and self.shown.fused:
            text = generated.text if generated is not None else ""
        if text:
            return answer_fused(self.bundle, answer, text, self.device.device)
        p = self.bundle.calibration.probabilities("image", answer.logits)
        return Probabilities(image=dict(zip(self.bundle.spec.class_ids, map(float, p), strict=True))), None

    def _decide(
        self, reasons: list[AbstainReason], fused: dict[str, float] | None
    ) -> tuple[str | None, tuple[str, ...]]:
        """The class and the set of classes that cannot be excluded; nothing when abstaining."""
        if reasons or fused is None:
            return None, ()
        p = np.array(list(fused.values()))
        chosen = tuple(self.bundle.spec.class_ids[i] for i in self.bundle.calibration.prediction_set(p))
        return max(fused, key=lambda class_id: fused[class_id]), chosen

    def _check_cancelled(self) -> None:
        if self.cancelled():
            raise RunCancelledError
