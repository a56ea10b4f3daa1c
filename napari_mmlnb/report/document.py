"""What the PDF says, as plain data: every number formatted, every text ready; the template only sets it.

Made from `shareable` records alone, so that neither path nor file name can reach the page, and a class cannot where
the run abstained.
"""

from __future__ import annotations

import math
import re
import statistics
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from napari_mmlnb.describe.sending import sent_to
from napari_mmlnb.geometry import Region
from napari_mmlnb.report.sharing import shareable
from napari_mmlnb.result import (
    RESEARCH_USE,
    Evidence,
    GeneratedDescription,
    GeneratedSentence,
    Review,
    RunMaps,
    RunResult,
    TileState,
)

NOT_PROVIDED = "not provided"
NOT_RECORDED = "not recorded"
ABSTAINED = "No class: the program abstains"
_UNREADABLE_LISTED = 40
_BREAK = "\u200b"  # zero-width space: a place where a line may end
_LONGEST_WORD = 40
_LONGEST_WORD_OF_LABEL = 24
_DIGEST = r"(?:[\w-]+:)?[0-9a-f]{32,64}"
_BRANCHES = (("image", "Image"), ("text", "Text"), ("fused", "Fused"))


def document_data(result: RunResult, maps: RunMaps, review: Review | None = None) -> dict[str, Any]:
    """Everything the template prints.

    Parameters
    ----------
    result : RunResult
        The run.
    maps : RunMaps
        Its rasters: where things lie on the thumbnail. No raster is written here.
    review : Review or None
        What a person decided.

    Returns
    -------
    dict
        JSON-ready; texts cleared of control characters.
    """
    record = shareable(result)
    abstained = record.decision == "abstain"
    data = {
        "title": "Whole-slide classification report",
        "banner": RESEARCH_USE,
        "notice": record.model.notice,
        "subtitle": f"{record.model.name} {record.model.version} · {_moment(record.created)}",
        "footer": f"run {short(record.run_id)} · slide {short(record.slide.fingerprint)}",
        "abstained": abstained,
        "decision": _abstention(record) if abstained else _prediction(record),
        "coverage": _coverage(record),
        "unreadable": _unreadable(maps),
        "pictures": _pictures(record, maps),
        "evidence": [_tile(record, evidence) for evidence in record.evidence],
        "generated": _generated(record),
        "description": _description(record),
        "measured": _measured(record.evidence),
        "clinical": _pairs(record.clinical),
        "inpc": _pairs(record.inpc or {}),
        "review": _review(review, {c.id: c.label for c in result.classes}),
        "provenance": _provenance(record),
    }
    cleared: dict[str, Any] = _printable(data)
    return cleared


_FAULTS = {"blur": "Tiles out of focus", "pen": "Tiles under a pen", "folds": "Tissue that looks folded"}


def short(identifier: str) -> str:
    """The head of an identifier or digest, without the name of its kind: enough to compare by eye."""
    return identifier.rsplit(":", 1)[-1][:12]


def number(value: float, digits: int = 3, most_places: int = 6) -> str:
    """A number to so many significant digits, but not more decimals; thousands apart, a dash where there is none."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    places = min(max(0, digits - 1 - math.floor(math.log10(abs(value)))), most_places)
    return f"{value:,.{places}f}".replace(",", "\u202f").replace("-", "\u2212")


def _percent(probability: float) -> str:
    return f"{100 * probability:.1f}\u202f%"


def _prediction(record: RunResult) -> dict[str, Any]:
    probabilities = record.probabilities
    branches = [
        (title, values)
        for name, title in _BRANCHES
        if probabilities is not None and (values := getattr(probabilities, name)) is not None
    ]
    final = branches[-1][1] if branches else {}
    predicted = record.class_record(record.prediction) if record.prediction else None
    return {
        "label": predicted.label if predicted else "no class",
        "colour": predicted.colour if predicted else "#444444",
        "probability": _percent(final[predicted.id]) if predicted and predicted.id in final else "",
        "set": [record.class_record(name).label for name in record.prediction_set],
        "branches": [title for title, _ in branches],
        "rows": [
            {
                "label": _breakable(found.label, _LONGEST_WORD_OF_LABEL),
                "colour": found.colour,
                "predicted": found.id == record.prediction,
                "values": [
                    {"part": values.get(found.id, 0.0), "text": _percent(values.get(found.id, 0.0))}
                    for _, values in branches
                ],
            }
            for found in record.classes
        ],
        "trust": f"{record.text_trust.gate:.2f}" if record.text_trust else "",
        "shift": _shift(record),
    }


def _abstention(record: RunResult) -> dict[str, Any]:
    return {
        "label": ABSTAINED,
        "reasons": [{"code": reason.code.replace("_", " "), "text": reason.text} for reason in record.abstain_reasons],
        "shift": _shift(record),
    }


def _shift(record: RunResult) -> str:
    if record.shift is None:
        return ""
    shift = record.shift
    where = "within" if shift.score <= shift.limit else "beyond"
    text = f"Distance from the training data {number(shift.score)}, {where} the model's limit of {number(shift.limit)}."
    if shift.slide is not None:
        where = "within" if shift.slide.score <= shift.slide.limit else "beyond"
        text += f" As a whole {number(shift.slide.score)}, {where} {number(shift.slide.limit)}."
    if shift.foreign_tiles is not None and shift.foreign_tiles.count:
        text += f" Foreign tiles: {shift.foreign_tiles.count} ({shift.foreign_tiles.share:.1%})."
    return text


def _coverage(record: RunResult) -> list[list[str]]:
    seen = record.coverage
    early = [["Ended early", record.early_end]] if record.early_end else []
    return [
        ["Tissue", f"{number(seen.tissue_mm2)} mm²"],
        ["Tiles", f"{seen.tiles_total}"],
        ["Tiles used", f"{seen.tiles_used}"],
        ["Tiles unreadable", f"{seen.tiles_unreadable}"],
        *early,
    ]


def _unreadable(maps: RunMaps) -> dict[str, Any]:
    places = [
        maps.grid.pixel_region(row, column)
        for row, column in zip(*(maps.state == TileState.UNREADABLE).nonzero(), strict=True)
    ]
    return {
        "listed": [_position(region) for region in places[:_UNREADABLE_LISTED]],
        "more": max(0, len(places) - _UNREADABLE_LISTED),
    }


def _position(region: Region) -> str:
    return f"{region.x:.0f}, {region.y:.0f}"


def _pictures(record: RunResult, maps: RunMaps) -> dict[str, Any]:
    whole = maps.thumbnail_grid.region
    width_mm = whole.width / 1000
    bar_mm = _round_length(width_mm / 4)
    low, high = maps.attention_limits
    ticks = sorted({low, 1.0, high}) if low < 1 < high else [low, high]
    return {
        "size": f"{number(width_mm)} × {number(whole.height / 1000)} mm",
        "aspect": whole.height / whole.width,
        "bar_part": bar_mm / width_mm,
        "bar_text": f"{bar_mm:g} mm" if bar_mm >= 0.1 else f"{bar_mm * 1000:g} µm",
        "ticks": [
            {"part": (tick - low) / (high - low), "text": f"{tick:.3g}" + (" = slide’s mean" if tick == 1 else "")}
            for tick in ticks
        ],
        "boxes": [
            {
                "rank": str(evidence.rank),
                "x": (evidence.region.x - whole.x) / whole.width,
                "y": (evidence.region.y - whole.y) / whole.height,
                "w": evidence.region.width / whole.width,
                "h": evidence.region.height / whole.height,
            }
            for evidence in record.evidence
        ],
    }


def _round_length(at_most: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is not longer."""
    power = 10.0 ** math.floor(math.log10(at_most))
    return max(step * power for step in (1, 2, 5) if step * power <= at_most * (1 + 1e-9))


def _tile(record: RunResult, evidence: Evidence) -> dict[str, Any]:
    facts = [["Position (x, y)", f"{_position(evidence.region)} µm"]]
    if record.decision == "predict":
        facts.append(["Attention", f"{number(evidence.attention)} × mean"])
        if record.prediction in evidence.contribution:
            share = evidence.contribution[record.prediction]
            sign = "+" if share > 0 else ""
            facts.append(["Contribution", f"{sign}{number(share, 2)}"])
    return {
        "rank": str(evidence.rank),
        "size": f"{number(evidence.region.width)} µm",
        "facts": facts,
        "sentences": list(evidence.sentences),
        "said": [_said(one, "") for one in record.generated.of_tile(evidence.rank)] if record.generated else [],
    }


def _generated(record: RunResult) -> dict[str, Any]:
    """A model's words, with what a measurement has against them; empty where no model was asked."""
    said = record.generated
    if said is None:
        return {}
    return {
        "describer": said.describer,
        "fallback": said.fallback,
        "caution": record.words_caution,
        "disagreement": said.disagreement,
        "sentences": [_said(one, _tiles(one.evidence, len(record.evidence))) for one in said.sentences],
        "source": _source(said),
        "faults": [
            f"Tile {rank}: {'; '.join(reason.rstrip('.') for reason in reasons)}."
            for rank, reasons in sorted(said.faults.items())
        ],
    }


def _said(sentence: GeneratedSentence, tiles: str) -> dict[str, str]:
    return {"text": sentence.text, "tiles": tiles, "against": sentence.contradicted_by}


def _source(said: GeneratedDescription) -> str:
    """Who described under which licence, in which precision, where the tiles went, and what the words are worth."""
    told = "; ".join(part for part in (said.licence, said.computed) if part)
    parts = [f"Describer: {said.speaker}" + (f" ({told})." if told else ".")]
    if said.sends_to:
        parts.append(f"The tiles were sent to {sent_to(said.sends_to)}.")
    if not said.fallback:
        rests = "The class rests on them too." if said.fused else "The class does not rest on them."
        parts.append(f"A model’s words can be wrong. {rests}")
    return " ".join(parts)


def _description(record: RunResult) -> dict[str, Any]:
    found = record.description
    if found is None:
        return {"describer": "", "sentences": [], "text": ""}
    return {
        "describer": found.describer,
        "text": "" if found.sentences else found.text,
        "sentences": [
            {"text": sentence.text, "tiles": _tiles(sentence.evidence, len(record.evidence))}
            for sentence in found.sentences
        ],
    }


def _tiles(ranks: tuple[int, ...], of: int) -> str:
    """The tiles that a sentence speaks of, in brackets behind it."""
    if not ranks:
        return ""
    if len(ranks) == of > 1:
        return "all tiles"
    return ("tile " if len(ranks) == 1 else "tiles ") + ", ".join(str(rank) for rank in ranks)


def _measured(evidence: Iterable[Evidence]) -> dict[str, Any]:
    """A row a measurement, a column a tile, and the median of the tiles that have it."""
    tiles = list(evidence)
    names = list(dict.fromkeys((m.name, m.unit) for tile in tiles for m in tile.measurements))
    by_tile = [{(m.name, m.unit): m.value for m in tile.measurements} for tile in tiles]
    rows = []
    for name, unit in names:
        values = [column.get((name, unit), math.nan) for column in by_tile]
        finite = [value for value in values if math.isfinite(value)]
        rows.append(
            {
                "name": _spoken(name),
                "unit": re.sub(r"\bum\b", "µm", unit).replace("mm2", "mm²"),
                "values": [number(value, most_places=3) for value in values],
                "median": number(statistics.median_low(finite), most_places=3) if finite else "–",
            }
        )
    return {"ranks": [str(tile.rank) for tile in tiles], "rows": rows}


def _review(review: Review | None, labels: Mapping[str, str]) -> list[list[str]]:
    """The reader's decision; a class by its label, whether or not the model named one."""
    if review is None:
        return []
    pairs = [
        ["Reader", review.reader],
        ["Decision", labels.get(review.decision, review.decision)],
        ["Reason", review.reason],
        ["Marks on the slide", str(len(review.marks)) if review.marks else ""],
        ["Recorded", _moment(review.created) if review.created else ""],
    ]
    return [[name, value or NOT_RECORDED] for name, value in pairs]


def _pairs(values: Mapping[str, Any], prefix: str = "", missing: str = NOT_PROVIDED) -> list[list[str]]:
    """Nested facts as name and text."""
    pairs: list[list[str]] = []
    for key, value in values.items():
        name = f"{prefix}{_spoken(str(key))}"
        if isinstance(value, Mapping):
            pairs.extend(_pairs(value, f"{name}: ", missing))
        elif isinstance(value, list | tuple):
            pairs.append([name, ", ".join(_plain(item, missing) for item in value) or missing])
        else:
            pairs.append([name, _plain(value, missing)])
    return pairs


def _plain(value: Any, missing: str) -> str:
    if value is None or value == "":
        return missing
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _provenance(record: RunResult) -> list[dict[str, Any]]:
    slide, model = record.slide, record.model
    # Digests are long: they stand with the run, where a line has the width of the page.
    digests = {name: value for name, value in record.settings.items() if name.endswith("_sha256")}
    settings = {name: value for name, value in record.settings.items() if name not in digests}
    levels = "1 level" if slide.levels == 1 else f"{slide.levels} levels"
    return [
        {
            "title": "Slide",
            "pairs": [
                ["Fingerprint", slide.fingerprint],
                ["Size", f"{slide.size_px[0]} × {slide.size_px[1]} px, {levels}"],
                ["Scale (x, y)", f"{slide.mpp[0]:g} × {slide.mpp[1]:g} µm/px, from {slide.mpp_source}"],
                ["Backend", slide.backend],
                *(["Note", note] for note in slide.notes),
            ],
        },
        {
            "title": "Model",
            "pairs": [
                ["Name, version", f"{model.name} {model.version}"],
                ["System", model.system],
                ["Weights, SHA-256", model.weights_sha256],
                ["Licence", model.licence],
            ],
        },
        {
            "title": "Run",
            "pairs": [
                ["Run", record.run_id],
                ["Created", record.created.isoformat()],
                *_pairs(digests, missing="not set"),
            ],
        },
        {"title": "Settings", "pairs": _pairs(settings, missing="not set")},
        {"title": "Timings", "pairs": [_timing(name, value) for name, value in record.timings.items()]},
        {"title": "Software", "pairs": _pairs(record.software)},
    ]


def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} {when.tzname() or ''}".strip()


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _timing(name: str, value: float) -> list[str]:
    spoken, unit = (name.removesuffix("_s"), " s") if name.endswith("_s") else (name, "")
    return [_spoken(spoken), f"{value:g}{unit}"]


def _breakable(text: str, longest: int) -> str:
    """Let words longer than a column break; digests and ordinary words stay whole, and copy as they are."""
    return re.sub(rf"(?<!\S)(?!{_DIGEST}(?!\S))\S{{{longest + 1},}}", lambda word: _broken(word.group(), longest), text)


def _broken(word: str, longest: int) -> str:
    pieces = [piece[i : i + longest] for piece in word.split(_BREAK) for i in range(0, len(piece), longest)]
    return _BREAK.join(pieces)


def _printable(value: Any) -> Any:
    """Drop what no font shows (control, private and unassigned characters) and let overlong words break."""
    if isinstance(value, str):
        shown = "".join(" " if unicodedata.category(c)[0] == "C" and c != _BREAK else c for c in value)
        return _breakable(shown, _LONGEST_WORD)
    if isinstance(value, dict):
        return {key: _printable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_printable(item) for item in value]
    return value
