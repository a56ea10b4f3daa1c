"""Runs made up for the docks: real records and rasters over a real slide, and a runner whose pace a test can set."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from napari_mmlnb.bundles.registry import BundleFacts
from napari_mmlnb.errors import RunCancelledError
from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.inference.estimate import RunEstimate
from napari_mmlnb.inference.settings import RunUpdate
from napari_mmlnb.result import (
    AbstainReason,
    ClassRecord,
    Coverage,
    Description,
    Evidence,
    GeneratedDescription,
    GeneratedSentence,
    Measurement,
    ModelRecord,
    Probabilities,
    RunMaps,
    RunResult,
    Sentence,
    Shift,
    SlideRecord,
    TextTrust,
    TileState,
)
from napari_mmlnb.slides.slide import Slide
from napari_mmlnb.viewer.describer_choice import DescriberChoice
from napari_mmlnb.viewer.engine import BY_ITSELF

TILE_UM = 112.0
HOT = (2, 3)
LIMITS = (0.0, 4.0)
REASON = "The slide looks unlike anything the model was trained on."
CLASSES = (
    ClassRecord(id="ud", label="Undifferentiated", colour="#7b3294"),
    ClassRecord(id="pd", label="Poorly differentiated", colour="#2c7fb8"),
    ClassRecord(id="d", label="Differentiating", colour="#31a354"),
)
BUNDLE = BundleFacts(
    "made-up", "1.0", "A model for tests.", "Knows made-up slides only.", "mmlnb", "BSD-3-Clause", Path("made-up")
)


def make_maps(slide: Slide, unreadable: tuple[tuple[int, int], ...] = ()) -> RunMaps:
    """Attention 0.5 everywhere but at `HOT`, where it is 3.5; the last column has no tile."""
    region = slide.grids[0].region
    shape = (math.ceil(region.height / TILE_UM), math.ceil(region.width / TILE_UM))
    attention = np.full(shape, 0.5, np.float32)
    attention[HOT] = 3.5
    attention[:, -1] = np.nan
    state = np.full(shape, TileState.USED, np.uint8)
    state[:, -1] = TileState.NO_TISSUE
    for cell in unreadable:
        state[cell], attention[cell] = TileState.UNREADABLE, np.nan
    contribution = {c.id: (attention - 1) * sign for c, sign in zip(CLASSES, (-0.5, 1.0, 0.2), strict=True)}
    thumbnail, thumbnail_grid = slide.thumbnail(256)
    tiles = tuple(slide.read_region(e.region, 0.5) for e in make_evidence())
    return RunMaps(
        PixelGrid(shape, (TILE_UM, TILE_UM)), attention, contribution, state, LIMITS,
        np.ones(thumbnail_grid.shape, bool), thumbnail_grid, thumbnail, thumbnail_grid, tiles,
    )  # fmt: skip


def make_evidence() -> tuple[Evidence, ...]:
    """Three tiles, the hottest first."""
    cells = (HOT, (1, 1), (3, 4))
    return tuple(
        Evidence(
            rank=i + 1,
            region_um=(row * TILE_UM, column * TILE_UM, TILE_UM, TILE_UM),
            attention=3.5 - i,
            contribution={"ud": -0.4, "pd": 0.8 - 0.1 * i, "d": 0.1},
            sentences=(f"Nuclei stand {'close' if i == 0 else 'apart'}.", "Neuropil is sparse."),
            measurements=(
                Measurement(name="nuclear density", value=5432.1 + i, unit="/mm²"),
                Measurement(name="neuropil-like fraction", value=0.1234, unit=""),
            ),
        )
        for i, (row, column) in enumerate(cells)
    )


def make_result(slide: Slide, *, abstain: bool = False, unreadable: tuple[tuple[int, int], ...] = ()) -> RunResult:
    """A finished run on a slide."""
    image = {"ud": 0.1, "pd": 0.71, "d": 0.19}
    text = {"ud": 0.1, "pd": 0.62, "d": 0.28}
    fused = {"ud": 0.05, "pd": 0.83, "d": 0.12}
    height, width = slide.grids[0].shape
    maps = make_maps(slide, unreadable)
    used = int((maps.state == TileState.USED).sum())
    return RunResult(
        run_id="run-1",
        created=datetime(2026, 11, 21, tzinfo=UTC),
        slide=SlideRecord(
            path=str(slide.path), fingerprint="0" * 64, size_px=(width, height), mpp=slide.mpp.xy,
            mpp_source=slide.mpp_source, backend=slide.backend, levels=len(slide.grids),
        ),
        model=ModelRecord(
            name="made-up", version="1.0", weights_sha256="0" * 64, licence="BSD-3-Clause", system="mmlnb",
            notice=BUNDLE.notice,
        ),
        decision="abstain" if abstain else "predict",
        abstain_reasons=(AbstainReason(code="out_of_distribution", text=REASON),) if abstain else (),
        classes=CLASSES,
        probabilities=Probabilities(image=image, text=text, fused=fused),
        prediction=None if abstain else "pd",
        prediction_set=() if abstain else ("pd", "d"),
        text_trust=TextTrust(gate=0.37),
        shift=Shift(score=9.0 if abstain else 1.0, limit=3.0),
        coverage=Coverage(
            tissue_mm2=0.42, tiles_total=used + len(unreadable), tiles_used=used, tiles_unreadable=len(unreadable)
        ),
        evidence=make_evidence(),
        description=Description(
            text="Nuclei stand close. Neuropil is sparse.",
            describer="measured",
            sentences=(
                Sentence(text="Nuclei stand close.", evidence=(1,)),
                Sentence(text="Neuropil is <b>sparse</b> & pale.", evidence=(1, 2, 3)),
            ),
        ),
    ).with_maps(maps)  # fmt: skip


AWAITED = "made-up-vlm has not described the tiles yet."
AGAINST = "measured: blood-like area 0 % of tissue"


def make_generated(**changes: object) -> GeneratedDescription:
    """What a model said of the three tiles: of the second something that a measurement contradicts."""
    tiles = tuple(
        GeneratedSentence(text=text, evidence=(rank,), contradicted_by=AGAINST if rank == 2 and "blood" in text else "")
        for rank in (1, 2, 3)
        for text in ("Small round cells in <i>sheets</i>.", "Much blood lies between them.")
    )
    said = GeneratedDescription(
        describer="made-up-vlm",
        licence="Apache-2.0",
        sentences=(
            GeneratedSentence(text="Small round cells in <i>sheets</i>.", evidence=(1, 2, 3)),
            GeneratedSentence(
                text="Much blood lies between them.",
                evidence=(1, 2, 3),
                contradicted_by="measured on tile 2: blood-like area 0 % of tissue",
            ),
        ),
        tiles=tiles,
        seconds=1.2,
    )
    return said.model_copy(update=changes)


def make_estimate(seen: int = 37, total: int = 100) -> RunEstimate:
    """Poorly differentiated so far, by and large."""
    return RunEstimate(
        classes=CLASSES,
        probabilities={"ud": 0.11, "pd": 0.66, "d": 0.23},
        intervals={"ud": (0.02, 0.31), "pd": (0.41, 0.88), "d": (0.07, 0.47)},
        level=0.9,
        tiles_seen=seen,
        tiles_total=total,
        stability=0.93,
    )


class MadeUpRunner:
    """A `classify_stream` that yields partial maps and ends as it is told.

    Parameters
    ----------
    steps : int
        Batches.
    pause_s : float
        A batch; between batches it asks whether it was cancelled, as the runner does.
    abstain : bool
        How it ends.
    error : Exception, optional
        Raised after the first batch.
    estimates : bool
        Whether it says of the class so far.
    said : tuple of GeneratedSentence
        What a describing model says on the way, one a batch time.
    generated : GeneratedDescription, optional
        What the result holds of it.
    answers : bool
        Whether the answer is told before the words.
    """

    def __init__(
        self,
        steps: int = 3,
        pause_s: float = 0.02,
        *,
        abstain: bool = False,
        error: BaseException | None = None,
        estimates: bool = True,
        said: tuple[GeneratedSentence, ...] = (),
        generated: GeneratedDescription | None = None,
        answers: bool = False,
    ) -> None:
        self.steps, self.pause_s, self.abstain, self.error = steps, pause_s, abstain, error
        self.estimates = estimates
        self.said, self.generated, self.answers = said, generated, answers
        self.asked: list[DescriberChoice] = []
        self.threads: list[threading.Thread] = []
        self.ended = threading.Event()
        self.cancelled_after = -1

    def __call__(
        self, slide: Slide, model: str, cancelled: Callable[[], bool], describing: DescriberChoice = BY_ITSELF
    ) -> Iterator[RunUpdate]:
        """Run."""
        self.asked.append(describing)
        self.threads.append(threading.current_thread())
        try:
            yield RunUpdate("load", "Loading the model")
            maps = make_maps(slide)
            for step in range(self.steps):
                time.sleep(self.pause_s)
                if cancelled():
                    self.cancelled_after = step
                    raise RunCancelledError
                if self.error is not None:
                    raise self.error
                estimate = make_estimate(step + 1, self.steps) if self.estimates else None
                yield RunUpdate("encode", "Looking at tiles", step + 1, self.steps, maps=maps, estimate=estimate)
            if self.answers:
                answer = make_result(slide, abstain=self.abstain)
                awaited = GeneratedDescription(describer="made-up-vlm", licence="", fallback=AWAITED)
                told = answer.model_copy(update={"generated": awaited}).with_maps(answer.maps)
                yield RunUpdate("describe", "Describing", answer=told)
            for sentence in self.said:
                time.sleep(self.pause_s)
                if cancelled():
                    raise RunCancelledError
                yield RunUpdate("describe", "Describing", said=sentence)
            result = make_result(slide, abstain=self.abstain)
            generated = result.model_copy(update={"generated": self.generated}).with_maps(result.maps)
            yield RunUpdate("done", "Done", result=generated)
        finally:
            self.ended.set()
