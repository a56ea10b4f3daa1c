"""What `classify` and `demo` tell a person when a run is over: short, and nothing that the result does not say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_mmlnb.describe.address import is_this_machine, recorded_address
from napari_mmlnb.describe.sending import sent_to
from napari_mmlnb.result import RESEARCH_USE, RunResult, TileState

if TYPE_CHECKING:
    from napari_mmlnb.inference.settings import RunSettings

# A slide that cannot be read at all would fill the screen otherwise; its count is always given.
_LISTED_TILES = 20


def summary_lines(result: RunResult, out: Path) -> Iterator[str]:
    """The outcome, the coverage and the files, line by line.

    An abstention names no class and shows no probability.

    Parameters
    ----------
    result : RunResult
        As `write_outputs` returned it.
    out : Path
        The folder in which its files are.
    """
    yield from _outcome(result)
    yield from _coverage(result)
    yield from _description(result)
    yield f"Scale: {result.slide.mpp[0]:g} x {result.slide.mpp[1]:g} um per pixel, {_source(result.slide.mpp_source)}"
    yield f"Model: {result.model.name} {result.model.version} ({result.model.licence})"
    if result.model.notice:
        yield f"       {result.model.notice}"
    yield f"Files in {out}: {', '.join(('result.json', *result.outputs))}"
    yield RESEARCH_USE


def unreadable_lines(result: RunResult) -> Iterator[str]:
    """Name the tiles that could not be read, one a line, by their place on the slide in micrometres."""
    count = result.coverage.tiles_unreadable
    if not count:
        return
    yield f"{count} of {result.coverage.tiles_total} tiles could not be read:"
    if result.maps is None:
        return
    cells = np.argwhere(result.maps.state == TileState.UNREADABLE)
    for row, column in cells[:_LISTED_TILES]:
        y, x = result.maps.grid.to_um((row, column))
        yield f"  tile in row {row}, column {column} of the tile grid, at y {y:.0f} um, x {x:.0f} um"
    if len(cells) > _LISTED_TILES:
        yield f"  and {len(cells) - _LISTED_TILES} more"


def sending_lines(settings: RunSettings) -> Iterator[str]:
    """Before a run: that tiles will leave this machine, and whether they can be read on their way."""
    if settings.server and not is_this_machine(settings.server):
        yield f"The evidence tiles of this slide will be sent to {sent_to(recorded_address(settings.server))}."


def _outcome(result: RunResult) -> Iterator[str]:
    if result.decision == "abstain" or result.prediction is None:
        yield "Decision: abstain. No class is named, because"
        for reason in result.abstain_reasons:
            yield f"  {reason.text} ({reason.code})"
        return
    label = result.class_record(result.prediction).label
    yield f"Decision: {label} ({result.prediction})"
    if result.probabilities is not None:
        for branch, title in (("image", "image alone"), ("text", "text alone"), ("fused", "image and text fused")):
            probabilities: dict[str, float] | None = getattr(result.probabilities, branch)
            if probabilities is not None:
                shown = ", ".join(f"{name} {p:.2f}" for name, p in probabilities.items())
                yield f"  probability, {title}: {shown}"


def _description(result: RunResult) -> Iterator[str]:
    """What a model says it sees, sentence by sentence, with what was measured against it."""
    said = result.generated
    if said is None:
        return
    if said.fallback:
        yield f"Description: {said.fallback}"
        return
    where = f"; tiles were sent to {sent_to(said.sends_to)}" if said.sends_to else ""
    how = f"; {said.computed}" if said.computed else ""
    tiles = {rank for sentence in said.tiles for rank in sentence.evidence}
    yield f"Description by {said.speaker} ({said.licence or 'licence unknown'}{how}{where}), {len(tiles)} tiles:"
    if result.words_caution:
        yield f"  {result.words_caution}"
    for sentence in said.sentences:
        against = f" [contradicted, {sentence.contradicted_by}]" if sentence.contradicted_by else ""
        yield f"  {sentence.text}{_tiles(sentence.evidence)}{against}"
    if said.contradicted:
        yield f"  A measurement contradicts {said.contradicted} of {len(said.tiles)} sentences of the tiles."
    for rank, faults in sorted(said.faults.items()):
        yield f"  Tile {rank}, left out: {'; '.join(faults)}"


def _tiles(ranks: Sequence[int]) -> str:
    """The tiles that a sentence speaks of, in brackets behind it: neighbours as "1-3"."""
    spans: list[list[int]] = []
    for rank in sorted(set(ranks)):
        if spans and rank == spans[-1][-1] + 1:
            spans[-1].append(rank)
        else:
            spans.append([rank])
    if not spans:
        return ""
    told = ", ".join(f"{span[0]}-{span[-1]}" if len(span) > 1 else str(span[0]) for span in spans)
    return f" [{'tiles' if len(set(ranks)) > 1 else 'tile'} {told}]"


def _source(mpp_source: str) -> str:
    """Where the scale came from: a tag of the file, or the person."""
    return mpp_source if " " in mpp_source else f"from {mpp_source}"


def _coverage(result: RunResult) -> Iterator[str]:
    seen = result.coverage
    tiles = f"{seen.tiles_used} of {seen.tiles_total} tiles used, {seen.tiles_unreadable} unreadable"
    yield f"Coverage: {seen.tissue_mm2:.2f} mm2 of tissue; {tiles}"
    if result.early_end:
        yield f"  {result.early_end}"
