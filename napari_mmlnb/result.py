"""The one record of a run: overlay, evidence list, GeoJSON, JSON and PDF all show this and compute nothing again.

`RunResult` is what `result.json` holds, field by field. The rasters and pictures that belong to it are `RunMaps`; they
ride along in memory and are written as `attention.ome.tif` and `thumbnail.png`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PrivateAttr, model_validator

from napari_mmlnb.geometry import Mpp, PixelGrid, Region, scanned_grid

SCHEMA_VERSION = "1.0"
RESEARCH_USE = "Research use only. Not for diagnosis; no part of a patient's record."

Probability = Annotated[float, Field(ge=0, le=1)]
Decision = Literal["predict", "abstain"]
AbstainCode = Literal[
    "out_of_distribution", "no_tissue", "unreadable_tiles", "poor_quality", "low_confidence", "no_description"
]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class IccRecord(_Record):
    """The slide's colour profile. It serves the eye only: analysis works on the pixels as stored.

    `problem` says why it cannot be used; empty where it can.
    """

    size_bytes: Annotated[int, Field(ge=0)]
    description: str = ""
    problem: str = ""


class SlideRecord(_Record):
    """Which pixels the run saw. `mpp` and `size_px` are [x, y].

    `bounds_px` is [y, x, height, width], in level-0 pixels, of the part of the canvas that was scanned; None where that
    is all of it, or where the file does not say. `notes` tells what is wrong with the file, or missing from it.
    """

    path: str
    fingerprint: str
    size_px: tuple[int, int]
    mpp: tuple[float, float]
    mpp_source: str
    backend: str
    levels: int
    bounds_px: tuple[int, int, int, int] | None = None
    icc: IccRecord | None = None
    notes: tuple[str, ...] = ()

    @property
    def scanned_grid(self) -> PixelGrid:
        """Level 0 without what was never scanned: the pixels as QuPath counts them."""
        return scanned_grid(self.size_px[::-1], Mpp(*self.mpp), self.bounds_px)


class ModelRecord(_Record):
    """Which bundle answered."""

    name: str
    version: str
    weights_sha256: str
    licence: str
    system: str
    notice: str = ""


class ClassRecord(_Record):
    """A class as the bundle names and colours it."""

    id: str
    label: str
    colour: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


class AbstainReason(_Record):
    """Why no class is named."""

    code: AbstainCode
    text: str


class Probabilities(_Record):
    """Calibrated probabilities {class id: p} of the image branch, the text branch, and both fused."""

    image: dict[str, Probability]
    text: dict[str, Probability] | None = None
    fused: dict[str, Probability] | None = None


class TextTrust(_Record):
    """How far the gate of the fusion trusted the generated text (PRMF's c)."""

    gate: Probability


class Coverage(_Record):
    """How much tissue there is, and how much of it was really seen."""

    tissue_mm2: Annotated[float, Field(ge=0)]
    tiles_total: Annotated[int, Field(ge=0)]
    tiles_used: Annotated[int, Field(ge=0)]
    tiles_unreadable: Annotated[int, Field(ge=0)]

    @property
    def tiles_unread(self) -> int:
        """Tiles that nobody looked at, since the run was asked to end early."""
        return self.tiles_total - self.tiles_used - self.tiles_unreadable


class Measurement(_Record):
    """A number that was measured on a tile, never guessed."""

    name: str
    value: FiniteFloat
    unit: str


class GeneratedSentence(_Record):
    """What a model said: the ranks of the tiles that it speaks of, and the measurement that contradicts it, in words.

    `contradicted_by` is empty where no measurement does; that is no proof of the sentence.
    """

    text: str
    evidence: tuple[int, ...]
    contradicted_by: str = ""


class GeneratedDescription(_Record):
    """What a describing model said of the evidence tiles, beside what was measured on them.

    Nothing is decided by it but where `fused` says so. `sentences` are of the slide, made from those of its `tiles`.
    `model` is which of a server's models spoke, where one did.
    `device` and `precision` are where a model in the program's own process computed, and what its weights were held in:
    another precision gives other words. `weights_sha256` is the digest of these weights, `revision` the commit of a
    model from the hub. All four are empty where they are not known, as in records of earlier versions.
    `faults` are {rank of a tile: why words were left out}; `fallback` says why there are none at all, and what is shown
    instead; empty where the model spoke.
    """

    describer: str
    licence: str
    sends_to: str = ""
    model: str = ""
    device: str = ""
    precision: str = ""
    weights_sha256: str = ""
    revision: str = ""
    sentences: tuple[GeneratedSentence, ...] = ()
    tiles: tuple[GeneratedSentence, ...] = ()
    faults: dict[int, tuple[str, ...]] = Field(default_factory=dict)
    fallback: str = ""
    fused: bool = False
    seconds: Annotated[float, Field(ge=0)] = 0.0

    @property
    def speaker(self) -> str:
        """The describer by name, with the model that it asked."""
        return f"{self.describer} ({self.model})" if self.model else self.describer

    @property
    def computed(self) -> str:
        """In which precision it spoke, and where, for example "bfloat16 on cuda"; empty where that is not known."""
        return f"{self.precision} on {self.device}" if self.precision and self.device else ""

    @property
    def contradicted(self) -> int:
        """How many of the tiles' sentences a measurement contradicts."""
        return sum(bool(sentence.contradicted_by) for sentence in self.tiles)

    @property
    def disagreement(self) -> str:
        """In how many sentences a measurement says otherwise; empty where none does, for that proves nothing."""
        if not self.contradicted:
            return ""
        verb = "is" if self.contradicted == 1 else "are"
        return f"{self.contradicted} of {len(self.tiles)} sentences of the tiles {verb} contradicted by a measurement."

    def of_tile(self, rank: int) -> tuple[GeneratedSentence, ...]:
        """What was said of one tile."""
        return tuple(sentence for sentence in self.tiles if sentence.evidence == (rank,))


class Evidence(_Record):
    """One of the tiles that carried the answer.

    `region_um` is [y, x, height, width]; `attention` is in units of the slide's mean (1 is average); `contribution` is
    the tile's signed share of each class's logit of the image branch.
    """

    rank: Annotated[int, Field(ge=1)]
    region_um: tuple[float, float, float, float]
    attention: FiniteFloat
    contribution: dict[str, FiniteFloat]
    sentences: tuple[str, ...] = ()
    measurements: tuple[Measurement, ...] = ()

    @property
    def region(self) -> Region:
        """`region_um` as an object."""
        return Region(*self.region_um)


class Sentence(_Record):
    """A sentence and the ranks of the evidence tiles that it speaks of."""

    text: str
    evidence: tuple[int, ...]


class Description(_Record):
    """What a describer said of the evidence tiles."""

    text: str
    describer: str
    sentences: tuple[Sentence, ...]


class SlideShift(_Record):
    """How far the slide as a whole lies from the training slides, and the limit for as many tiles as were seen."""

    score: FiniteFloat
    limit: FiniteFloat


class ForeignTiles(_Record):
    """Tiles that each lie farther from the training tiles than `tile_limit`, and the limit of their share."""

    count: Annotated[int, Field(ge=0)]
    share: Probability
    limit: Probability
    tile_limit: FiniteFloat
    beyond: bool


class Shift(_Record):
    """How far the slide lies from what the bundle has seen: its median tile, all of it, and its strangest tiles."""

    score: FiniteFloat
    limit: FiniteFloat
    slide: SlideShift | None = None
    foreign_tiles: ForeignTiles | None = None

    @property
    def beyond(self) -> bool:
        """Whether any limit is passed."""
        return (
            self.score > self.limit
            or (self.slide is not None and self.slide.score > self.slide.limit)
            or (self.foreign_tiles is not None and self.foreign_tiles.beyond)
        )


QualityKind = Literal["tissue", "unreadable", "blur", "pen", "folds"]


class QualityFinding(_Record):
    """How much there is of one fault of the picture.

    `value` is a share, 0 to 1, or square millimetres for "tissue". `limit` is None where it is told only, and never a
    reason to abstain.
    """

    kind: QualityKind
    value: FiniteFloat
    limit: FiniteFloat | None
    passed: bool
    text: str


class Quality(_Record):
    """How good the picture is: seen from afar, and on a fair sample of the tiles.

    `tiles_judged` is how many of the sampled tiles have structure enough to judge focus by; `median_sharpness` is
    theirs, None where there is none (1 is the limit of blur).
    """

    tiles_sampled: Annotated[int, Field(ge=0)]
    tiles_judged: Annotated[int, Field(ge=0)]
    median_sharpness: FiniteFloat | None
    findings: tuple[QualityFinding, ...]


class RunResult(_Record):
    """What a run found, or why it abstained. Serialises to `result.json`."""

    # "schema" is what the file says; the attribute cannot bear that name, since pydantic's base class does.
    schema_: Literal["1.0"] = Field(default="1.0", alias="schema")
    run_id: str
    created: datetime
    slide: SlideRecord
    model: ModelRecord
    decision: Decision
    abstain_reasons: tuple[AbstainReason, ...] = ()
    classes: tuple[ClassRecord, ...]
    probabilities: Probabilities | None
    prediction: str | None
    prediction_set: tuple[str, ...] = ()
    text_trust: TextTrust | None = None
    shift: Shift | None = None
    quality: Quality | None = None
    coverage: Coverage
    evidence: tuple[Evidence, ...] = ()
    description: Description | None = None
    generated: GeneratedDescription | None = None
    clinical: dict[str, Any] = Field(default_factory=dict)
    inpc: dict[str, Any] | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    timings: dict[str, float] = Field(default_factory=dict)
    outputs: dict[str, str] = Field(default_factory=dict)
    software: dict[str, str] = Field(default_factory=dict)

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    _maps: RunMaps | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _decided(self) -> RunResult:
        if (self.decision == "predict") != (self.prediction is not None) or (
            (self.decision == "abstain") != bool(self.abstain_reasons)
        ):
            raise ValueError("a run names a class and no reason to abstain, or reasons and no class")
        return self

    @property
    def words_caution(self) -> str:
        """That a describing model speaks of a slide unlike any that the bundle knows; empty where it does not."""
        if self.generated is None or self.generated.fallback:
            return ""
        if not any(reason.code == "out_of_distribution" for reason in self.abstain_reasons):
            return ""
        return f"{self.model.name} does not know slides like this one: a model's words on it may mean nothing."

    @property
    def early_end(self) -> str:
        """That the run ended before all tiles were read, and why, in words; empty where it did not."""
        unread, level = self.coverage.tiles_unread, self.settings.get("stop_when_stable")
        if not unread:
            return ""
        if self.settings.get("stopped_after_tiles") is not None:
            why = f"the class was stable to the level of {level:g} that was asked for"
        else:
            why = "the time that was given was over"
        return f"{unread:,} of {self.coverage.tiles_total:,} tiles were not looked at: {why}."

    @property
    def maps(self) -> RunMaps | None:
        """The rasters of the run; None when the record was read from a file alone."""
        return self._maps

    def with_maps(self, maps: RunMaps | None) -> RunResult:
        """The same record with its rasters beside it."""
        other = self.model_copy()
        other._maps = maps
        return other

    def with_outputs(self, outputs: dict[str, str]) -> RunResult:
        """The same record, knowing the digests of the files that were written from it."""
        return self.model_copy(update={"outputs": outputs}).with_maps(self._maps)

    def class_record(self, class_id: str) -> ClassRecord:
        """Label and colour of a class id.

        Raises
        ------
        KeyError
            If the bundle has no such class.
        """
        for record in self.classes:
            if record.id == class_id:
                return record
        raise KeyError(class_id)

    def to_json(self) -> str:
        """The text of `result.json`: indented, keys in the order of the schema."""
        return (
            json.dumps(self.model_dump(mode="json", by_alias=True), indent=2, ensure_ascii=False, allow_nan=False)
            + "\n"
        )

    @classmethod
    def from_file(cls, path: Path | str) -> RunResult:
        """Read `result.json` (without its rasters)."""
        return cls.model_validate_json(Path(path).read_text(encoding="utf-8"))


class Review(_Record):
    """What a person decided; `review.json`. Never mixed into the model's own record.

    `colours` are those in which the slide was shown: as stored, or in sRGB; empty where nobody noted it.
    """

    reader: str = ""
    decision: str = ""
    reason: str = ""
    marks: tuple[dict[str, Any], ...] = ()
    colours: Literal["raw", "srgb", ""] = ""
    run_id: str = ""
    created: datetime | None = None


class TileState(IntEnum):
    """What became of a place of the tile grid."""

    NO_TISSUE = 0
    USED = 1
    UNREADABLE = 2
    PENDING = 3


@dataclass(frozen=True)
class RunMaps:
    """Rasters that belong to a `RunResult`.

    Parameters
    ----------
    grid : PixelGrid
        One pixel a tile.
    attention : ndarray
        (rows, columns) float32, in units of the slide's mean (1 is average); NaN where there is no tile.
    contribution : dict of str to ndarray
        Per class id, (rows, columns) float32, share of the image branch's logit; NaN where there is no tile.
    state : ndarray
        (rows, columns) uint8 of `TileState`.
    attention_limits : tuple of float
        The fixed scale of the colour map for this model, never stretched to the slide at hand.
    tissue, tissue_grid
        The tissue mask, (h, w) bool, and where it lies.
    thumbnail, thumbnail_grid
        (h, w, 3) uint8 RGB, and where it lies.
    evidence_tiles : tuple of ndarray
        (h, w, 3) uint8 RGB, in the order of `RunResult.evidence`.
    distance : ndarray, optional
        (rows, columns) float32, how far each tile lies from the training tiles (1 is usual); NaN where there is none.
    """

    grid: PixelGrid
    attention: npt.NDArray[np.float32]
    contribution: dict[str, npt.NDArray[np.float32]]
    state: npt.NDArray[np.uint8]
    attention_limits: tuple[float, float]
    tissue: npt.NDArray[np.bool_]
    tissue_grid: PixelGrid
    thumbnail: npt.NDArray[np.uint8]
    thumbnail_grid: PixelGrid
    evidence_tiles: tuple[npt.NDArray[np.uint8], ...] = ()
    distance: npt.NDArray[np.float32] | None = None


RunResult.model_rebuild()


def result_schema() -> dict[str, Any]:
    """JSON schema of `result.json`."""
    return RunResult.model_json_schema(by_alias=True, mode="serialization")
