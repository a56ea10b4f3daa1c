"""How a record is put into words and rows for the docks. No Qt here, so that it can be tested without a screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_mmlnb.describe.sending import sent_to
from napari_mmlnb.geometry import Region
from napari_mmlnb.result import (
    ClassRecord,
    Evidence,
    GeneratedDescription,
    GeneratedSentence,
    Measurement,
    RunResult,
)

if TYPE_CHECKING:
    from napari_mmlnb.inference.estimate import RunEstimate
    from napari_mmlnb.slides.damage import DamagedTile
    from napari_mmlnb.slides.slide import Slide

ABSTAINED = "No classification: the model abstained"
SAME_PIXELS = (
    "The text was generated from the same pixels as the image branch saw: it explains the image, "
    "it is not a second, independent finding."
)
CONTRADICTED = "Contradicted –"
BRANCH_LABELS = {"image": "Image", "text": "Text", "fused": "Fused"}


@dataclass(frozen=True)
class ProbabilityRow:
    """One class with its probability in each branch.

    Parameters
    ----------
    record : ClassRecord
        Id, label, colour.
    values : mapping
        Branch ("image", "text", "fused") to probability; only the branches that the run has.
    predicted : bool
        Whether this class is the answer.
    """

    record: ClassRecord
    values: Mapping[str, float]
    predicted: bool


def headline(result: RunResult) -> str:
    """The answer in one line: the predicted class, or that there is none."""
    if result.decision == "abstain" or result.prediction is None:
        return ABSTAINED
    return result.class_record(result.prediction).label


def probability_rows(result: RunResult) -> tuple[ProbabilityRow, ...]:
    """One row a class; empty where the model abstained."""
    if result.decision == "abstain" or result.probabilities is None:
        return ()
    branches = {name: getattr(result.probabilities, name) for name in BRANCH_LABELS}
    return tuple(
        ProbabilityRow(
            record,
            {name: values[record.id] for name, values in branches.items() if values and record.id in values},
            record.id == result.prediction,
        )
        for record in result.classes
    )


def prediction_set_line(result: RunResult) -> str:
    """Which classes the calibrated model cannot exclude."""
    if result.decision == "abstain" or not result.prediction_set:
        return ""
    labels = ", ".join(result.class_record(c).label for c in result.prediction_set)
    return f"Prediction set (classes that cannot be excluded): {labels}"


def text_trust_line(result: RunResult) -> str:
    """How far the fusion relied on the generated text."""
    if result.decision == "abstain" or result.text_trust is None:
        return ""
    return f"Trust in the text: {result.text_trust.gate:.2f} (0 = image alone, 1 = text alone). {SAME_PIXELS}"


def coverage_line(result: RunResult) -> str:
    """How much was seen."""
    c = result.coverage
    line = f"Seen: {c.tiles_used:,} of {c.tiles_total:,} tiles, {c.tissue_mm2:.2f} mm² of tissue."
    line = f"{line} {c.tiles_unreadable:,} unreadable." if c.tiles_unreadable else line
    return f"{line} {result.early_end}".rstrip()


def shift_line(result: RunResult) -> str:
    """How far the slide lies from what the bundle knows."""
    if result.shift is None:
        return ""
    shift = result.shift
    side = "beyond" if shift.score > shift.limit else "within"
    parts = [f"Distance from known slides: {shift.score:.2f} ({side} the limit of {shift.limit:.2f})."]
    if shift.slide is not None:
        side = "beyond" if shift.slide.score > shift.slide.limit else "within"
        parts.append(f"As a whole: {shift.slide.score:.2f} ({side} {shift.slide.limit:.2f}).")
    if shift.foreign_tiles is not None and shift.foreign_tiles.count:
        parts.append(f"Foreign tiles: {shift.foreign_tiles.count:,} ({shift.foreign_tiles.share:.1%}).")
    return " ".join(parts)


def quality_line(result: RunResult) -> str:
    """How good the picture is, fault by fault; how much tissue and what is unreadable stand with the coverage."""
    if result.quality is None:
        return ""
    told = [one.text for one in result.quality.findings if one.kind not in ("tissue", "unreadable")]
    return f"Picture (a sample of {result.quality.tiles_sampled:,} tiles): {' '.join(told)}"


def provisional_headline(estimate: RunEstimate) -> str:
    """How far the run has come, and that this is not its answer."""
    return f"So far, {_percent(estimate.share_seen)} of the tiles: can still change"


def provisional_value(estimate: RunEstimate, class_id: str) -> str:
    """A class's probability so far with its interval."""
    low, high = estimate.intervals[class_id]
    return f"{estimate.probabilities[class_id]:.2f} ({low:.2f} to {high:.2f})"


def provisional_note(estimate: RunEstimate) -> str:
    """What the numbers are, and what they are not."""
    return (
        f"Not the model's answer. Image branch only; the text joins at the end. The bars span where its final "
        f"probability is expected with {estimate.level:.0%} confidence, from the tiles seen."
    )


def _percent(share: float) -> str:
    # All but one tile must not read as all.
    return f"{min(int(share * 100), 99 if share < 1 else 100)} %"


def size_words(slide: Slide) -> str:
    """Pixels and millimetres, across and down, and of the scanned part where that is less."""
    height, width = slide.grids[0].shape
    words = f"{width:,} × {height:,} px, {_millimetres(slide.grids[0].region)}"
    return words if slide.bounds is None else f"{words}; scanned: {_millimetres(slide.bounds)}"


def scale_words(slide: Slide) -> str:
    """Micrometres per pixel, across and down where they differ, and where they come from."""
    mpp = slide.mpp
    scale = f"{mpp.x:.4g}" if abs(mpp.x - mpp.y) < 1e-6 else f"{mpp.x:.4g} × {mpp.y:.4g}"
    return f"{scale} µm/px ({slide.mpp_source})"


def reader_words(slide: Slide) -> str:
    """Backend, codec and the size of the file's tiles."""
    height, width = slide.metadata.tile_px
    tiles = f", tiles of {width} × {height} px" if height and width else ""
    codec = f", {slide.metadata.codec}" if slide.metadata.codec else ""
    return f"{slide.backend}{codec}{tiles}"


def cache_words(used: int, limit: int) -> str:
    """How much of the memory for decoded tiles is in use."""
    return f"{used / 2**20:.0f} of {limit / 2**20:.0f} MB"


def tissue_words(area_mm2: float, fraction: float) -> str:
    """How much tissue there is, by area and by share of the slide."""
    if area_mm2 == 0:
        return "No tissue was found."
    return f"{area_mm2:,.2f} mm² of tissue, {fraction:.1%} of the slide"


def magnification_words(um_per_px: float, times: float) -> str:
    """What a screen pixel shows, and the magnification that this is like."""
    return f"{um_per_px:.3g} µm per screen pixel, like {times:.3g}×"


def damage_words(count: int) -> str:
    """How many stored tiles cannot be decoded."""
    if count == 1:
        return "One stored tile cannot be decoded; it is drawn as stripes."
    return f"{count:,} stored tiles met so far cannot be decoded; they are drawn as stripes."


def damaged_tile_words(number: int, tile: DamagedTile, region: Region) -> str:
    """A damaged tile as a list shows it."""
    y, x = region.centre
    return f"{number}: level {tile.level}, x {x / 1000:.2f} mm, y {y / 1000:.2f} mm"


def _millimetres(region: Region) -> str:
    return f"{region.width / 1000:.2f} × {region.height / 1000:.2f} mm"


def attention_words(evidence: Evidence) -> str:
    """Attention of a tile in units of the slide's mean."""
    return f"attention {evidence.attention:.1f} × mean"


def contribution_words(evidence: Evidence, result: RunResult) -> str:
    """Signed contribution to the predicted class; empty where no class is named."""
    if result.decision == "abstain" or result.prediction not in evidence.contribution:
        return ""
    label = result.class_record(result.prediction).label
    return f"{evidence.contribution[result.prediction]:+.3g} to {label}"


def measurement_words(measurement: Measurement) -> str:
    """A number with its unit, without false digits."""
    value = measurement.value
    number = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{number} {measurement.unit}".strip()


def rank_spans(ranks: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Ranks as spans of neighbours, (first, last), so that "1, 2, 3, 4" can be said as "1 to 4"."""
    spans: list[tuple[int, int]] = []
    for rank in sorted(set(ranks)):
        if spans and rank == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], rank)
        else:
            spans.append((rank, rank))
    return tuple(spans)


def tiles_words(ranks: tuple[int, ...]) -> str:
    """Names the tiles that a sentence speaks of."""
    if not ranks:
        return ""
    spans = ", ".join(span_words(span) for span in rank_spans(ranks))
    return f"tile {spans}" if len(ranks) == 1 else f"tiles {spans}"


def span_words(span: tuple[int, int]) -> str:
    """A span of ranks in words."""
    first, last = span
    return str(first) if first == last else f"{first}–{last}"


def says_title(said: GeneratedDescription) -> str:
    """Whose words follow."""
    return "" if said.fallback else f"What {said.speaker} says it sees"


def faults_line(said: GeneratedDescription) -> str:
    """What was left out, and why; the reason once for all tiles that share it."""
    by_reason: dict[str, list[int]] = {}
    for rank, reasons in sorted(said.faults.items()):
        for reason in reasons:
            by_reason.setdefault(reason, []).append(rank)
    if said.fallback or not by_reason:
        return ""
    told = "; ".join(f"{tiles_words(tuple(ranks))}: {reason.rstrip('.')}" for reason, ranks in by_reason.items())
    return f"Left out, {told}."


def generated_source(said: GeneratedDescription) -> str:
    """Licence, precision, where the tiles went, and what such words are."""
    licence = f"Licence: {said.licence}. " if said.licence else ""
    computed = f"Computed in {said.computed}. " if said.computed else ""
    sent = f"Tiles were sent to {sent_to(said.sends_to)}. " if said.sends_to else ""
    if said.fallback:
        return sent.strip()
    rests = "The class rests on them too." if said.fused else "The class does not rest on them."
    return f"{licence}{computed}{sent}A model's words can be wrong. {rests}"


def said_line(sentence: GeneratedSentence) -> str:
    """A generated sentence with its tile, and what was measured against it."""
    where = tiles_words(sentence.evidence)
    line = f"{where[:1].upper()}{where[1:]}: {sentence.text}" if where else sentence.text
    return f"{line}\n{CONTRADICTED} {sentence.contradicted_by}" if sentence.contradicted_by else line


@dataclass(frozen=True)
class Line:
    """A line of a tile's text; `marked` where it says what contradicts the line before it."""

    text: str
    marked: bool = False


def tile_lines(evidence: Evidence, said: GeneratedDescription | None) -> tuple[Line, ...]:
    """What is told of a tile: a model's words first, with what contradicts them, then what was measured."""
    lines: list[Line] = []
    for sentence in said.of_tile(evidence.rank) if said is not None else ():
        lines.append(Line(sentence.text))
        if sentence.contradicted_by:
            lines.append(Line(f"{CONTRADICTED} {sentence.contradicted_by}", marked=True))
    head = "Measured: " if lines else ""
    lines += [Line(f"{head if i == 0 else ''}{text}") for i, text in enumerate(evidence.sentences)]
    return tuple(lines)


def brief_lines(lines: tuple[Line, ...], count: int = 2) -> tuple[Line, ...]:
    """The first lines of a tile, and a sign that there are more; a mark stays with its sentence."""
    if len(lines) <= count:
        return lines
    cut = count + 1 if lines[count].marked else count
    if len(lines) <= cut:
        return lines
    last = lines[cut - 1]
    return (*lines[: cut - 1], Line(f"{last.text} …", last.marked))
