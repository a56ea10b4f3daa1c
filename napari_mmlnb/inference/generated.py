"""What a describing model says of the evidence, beside what was measured on it, and held against it.

Nothing that goes wrong here ends a run: what is missing is named, and the measured findings stand.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.bundles.spec import DESCRIBER_FOLDER, BundleSpec
from napari_mmlnb.describe.base import Describer, DescriberFacts, EvidenceTile, TileDescription
from napari_mmlnb.describe.claims import read_claims
from napari_mmlnb.describe.contradiction import contradiction
from napari_mmlnb.describe.describing_facts import FACTS_FILE
from napari_mmlnb.describe.measured import FACTS as MEASURED
from napari_mmlnb.describe.registry import OWN, create_describer, describers, settled_request
from napari_mmlnb.describe.request import DescriberRequest
from napari_mmlnb.describe.sentences import Values, values_of
from napari_mmlnb.describe.vlm_folder import WEIGHTS_FILE
from napari_mmlnb.errors import MmlnbError, RequestError, RunCancelledError, UnknownNameError
from napari_mmlnb.inference.describer_feed import follow_describer
from napari_mmlnb.inference.settings import SERVER, RunSettings, RunUpdate
from napari_mmlnb.result import Evidence, GeneratedDescription, GeneratedSentence, Sentence

_LOG = logging.getLogger(__name__)
INSTEAD = "The measured findings are shown instead."


@dataclass(frozen=True)
class Shown:
    """What is to describe in its own words.

    Parameters
    ----------
    facts : DescriberFacts
        Of it, also where it could not be made.
    request : DescriberRequest
        What it was made for.
    describer : Describer or None
        None where it could not be made.
    problem : str
        Why it could not; empty where it could.
    fused : bool
        Whether the class rests on its words: where the bundle was trained with them.
    """

    facts: DescriberFacts
    request: DescriberRequest
    describer: Describer | None = None
    problem: str = ""
    fused: bool = False


def shown_describer(bundle: Bundle, settings: RunSettings, device: str) -> Shown | None:
    """What describes the evidence in its own words; None where nothing is to.

    The one that was asked for; else the server, where one was given; else the bundle's own.

    Parameters
    ----------
    bundle : Bundle
        What answers.
    settings : RunSettings
        What was asked for.
    device : str
        Where a model in this process computes.

    Raises
    ------
    UnknownNameError
        If there is no describer of that name.
    RequestError
        If it cannot be asked for like this: a server without an address, a bundle's own where there is none, or
        another one where the class rests on what the bundle's describer says.
    """
    spec = bundle.spec
    trained_with = spec.describer
    asked = settings.describer or (SERVER if settings.server else _by_itself(spec))
    if trained_with not in {MEASURED.name, asked}:
        raise RequestError(
            f"The class of {spec.name} rests on what {trained_with} says; {asked} cannot describe in its place.",
            f"Leave out --describer and --server, or ask for {trained_with}.",
        )
    if asked == MEASURED.name:
        return None
    if asked == OWN and spec.describing is None:
        raise RequestError(f"The bundle {spec.name} has no describing model of its own.", "Choose another describer.")
    request = _request(bundle, settings, device, asked)
    try:
        request = settled_request(asked, request)
        describer = create_describer(asked, request)
    except (UnknownNameError, RequestError):
        raise
    except Exception as error:  # the run goes on without it
        return Shown(_facts_of(asked, spec), request, None, _in_words(error), asked == trained_with)
    facts = describer.facts
    if asked == OWN and spec.describing is not None:
        facts = replace(facts, name=spec.describing.name)
    return Shown(facts, request, describer, fused=asked == trained_with)


def _by_itself(spec: BundleSpec) -> str:
    """What describes where nobody asked: the describer that the class rests on, or else the bundle's own model."""
    return OWN if spec.describer == MEASURED.name and spec.describing is not None else spec.describer


def _request(bundle: Bundle, settings: RunSettings, device: str, asked: str) -> DescriberRequest:
    """Prompt and settings of the bundle, where it has any; but a model with its own beside it is asked these."""
    spec = bundle.spec
    request = DescriberRequest(
        device=device,
        forbidden=tuple(word for c in spec.classes for word in (c.id, c.label)),
        base=settings.describer_base,
        server=settings.server,
        server_model=settings.server_model,
        may_send=settings.may_send,
        seconds_a_tile=settings.describer_seconds,
    )
    own = spec.describing
    if own is None or (asked != OWN and (Path(asked) / FACTS_FILE).is_file()):
        return request
    request = replace(request, prompt=own.prompt, generation=own.generation)
    if asked == OWN:
        weights = own.files.get(WEIGHTS_FILE, "")
        folder = bundle.folder / DESCRIBER_FOLDER
        request = replace(request, folder=folder, licence=own.licence, weights_sha256=weights)
    return request


def _facts_of(name: str, spec: BundleSpec) -> DescriberFacts:
    """What is known of a describer that could not be made."""
    if name == OWN and spec.describing is not None:
        return DescriberFacts(spec.describing.name, "", spec.describing.licence, generates=True)
    return next((facts for facts in describers() if facts.name == name), DescriberFacts(name, "", "", generates=True))


@dataclass(frozen=True)
class Generated:
    """What came of it.

    Parameters
    ----------
    record : GeneratedDescription
        For the result.
    text : str
        Of the slide, as fusion reads it; empty where there is none.
    """

    record: GeneratedDescription
    text: str = ""


def awaited_description(shown: Shown) -> Generated:
    """What stands in a record whose words are still to come: true of it, should they never come."""
    facts = shown.facts
    waiting = f"{facts.name} has not described the tiles yet."
    record = GeneratedDescription(
        describer=facts.name, licence=facts.licence, sends_to=facts.sends_to, model=facts.model, fallback=waiting
    )
    return Generated(record)


def generate_description(
    shown: Shown,
    pictures: Sequence[EvidenceTile],
    evidence: Sequence[Evidence],
    seconds: float,
    cancelled: Callable[[], bool],
) -> Generator[RunUpdate, None, Generated]:
    """Have the evidence described, sentence by sentence.

    Parameters
    ----------
    shown : Shown
        What describes.
    pictures : sequence of EvidenceTile
        The evidence.
    evidence : sequence of Evidence
        The same with its measurements.
    seconds : float
        A tile.
    cancelled : callable
        Whether to end the run.

    Yields
    ------
    RunUpdate
        Of the stage "describe", each with the sentence that was said.

    Returns
    -------
    Generated
        Whatever went wrong is told in it. The describer is closed by then, but where it was given up while it hangs:
        then as soon as it says something.

    Raises
    ------
    RunCancelledError
        When `cancelled` says so.
    """
    begun = time.perf_counter()
    measured = {e.rank: values_of(e.measurements) for e in evidence}
    session = _Session(shown, pictures, measured)
    problem = shown.problem
    if shown.describer is not None:
        try:
            yield from session.follow(shown.describer, seconds, cancelled)
        except RunCancelledError:
            raise
        except Exception as error:  # the run goes on without it
            _LOG.warning("%s failed", shown.facts.name, exc_info=error)
            problem = _in_words(error)
    return session.conclude(problem, time.perf_counter() - begun)


class _Session:
    """What was said so far of each tile."""

    def __init__(self, shown: Shown, pictures: Sequence[EvidenceTile], measured: Mapping[int, Values]) -> None:
        self._shown = shown
        self._pictures = pictures
        self._measured = measured
        self._said: dict[int, TileDescription] = {}

    def follow(
        self, describer: Describer, seconds: float, cancelled: Callable[[], bool]
    ) -> Generator[RunUpdate, None, None]:
        message = f"{self._shown.facts.name} describes the evidence"
        total = len(self._pictures)
        done = 0
        yield RunUpdate("describe", message, done, total)
        for tile in follow_describer(describer, self._pictures, seconds, cancelled):
            if tile.rank not in self._measured:
                continue
            before = self._said.get(tile.rank)
            known = len(before.sentences) if before is not None else 0
            self._said[tile.rank] = tile
            for text in tile.sentences[known:]:
                yield RunUpdate("describe", message, done, total, said=self._held_against(text, (tile.rank,)))
            if tile.complete:
                done += 1
                yield RunUpdate("describe", message, done, total)

    def conclude(self, problem: str, seconds: float) -> Generated:
        """The record; `problem` is why the describer ended early."""
        whole = [self._said[p.rank] for p in self._pictures if p.rank in self._said and self._said[p.rank].complete]
        spoken = [tile for tile in whole if tile.sentences]
        faults = {tile.rank: tile.faults for tile in whole if tile.faults}
        facts = self._facts()
        text = ""
        summary: tuple[Sentence, ...] = ()
        if spoken and self._shown.describer is not None:
            try:
                description = self._shown.describer.summarise(spoken)
            except Exception as error:  # the tiles' own sentences stand
                _LOG.warning("%s cannot put its sentences together", facts.name, exc_info=error)
                problem = problem or _in_words(error)
            else:
                summary = tuple(s for s in description.sentences if is_backed(s, spoken))
                text = description.text
        if spoken:
            why = problem or "it was not described"
            faults |= {p.rank: (why,) for p in self._pictures if p.rank not in {tile.rank for tile in whole}}
        record = GeneratedDescription(
            describer=facts.name,
            licence=facts.licence,
            sends_to=facts.sends_to,
            model=facts.model,
            device=facts.device,
            precision=facts.precision,
            weights_sha256=facts.weights_sha256,
            revision=facts.revision,
            sentences=tuple(self._held_against(s.text, s.evidence) for s in summary),
            tiles=tuple(self._held_against(text, (tile.rank,)) for tile in spoken for text in tile.sentences),
            faults=faults,
            fallback="" if spoken else self._fallback(problem, faults),
            fused=self._shown.fused and bool(spoken),
            seconds=round(seconds, 3),
        )
        return Generated(record, text)

    def _facts(self) -> DescriberFacts:
        """With what is known only once it has spoken: which model, in which precision; named as it is shown."""
        shown, describer = self._shown.facts, self._shown.describer
        if describer is None:
            return shown
        return replace(describer.facts, name=shown.name, licence=shown.licence, sends_to=shown.sends_to)

    def _held_against(self, text: str, ranks: tuple[int, ...]) -> GeneratedSentence:
        found = contradiction(text, {rank: self._measured[rank] for rank in ranks if rank in self._measured})
        return GeneratedSentence(text=text, evidence=ranks, contradicted_by=found)

    def _fallback(self, problem: str, faults: Mapping[int, tuple[str, ...]]) -> str:
        name = self._shown.facts.name
        if problem:
            return f"{name} did not describe the tiles: {problem} {INSTEAD}"
        if faults:
            reasons = "; ".join(dict.fromkeys(fault for tile in faults.values() for fault in tile))
            return f"Nothing that {name} said can be shown: {reasons}. {INSTEAD}"
        return f"{name} said nothing of the tiles. {INSTEAD}"


def is_backed(sentence: Sentence, tiles: Sequence[TileDescription]) -> bool:
    """Whether a sentence of the slide says no more than the tiles that it names.

    It must name described tiles and no others; of each finding that it speaks of, all of these must speak, and each
    amount must be one of theirs.

    Parameters
    ----------
    sentence : Sentence
        Of the slide.
    tiles : sequence of TileDescription
        The described tiles.
    """
    by_rank = {tile.rank: tile for tile in tiles}
    if not sentence.evidence or not set(sentence.evidence) <= set(by_rank):
        return False
    theirs = {
        rank: [claim for text in by_rank[rank].sentences for claim in read_claims(text)] for rank in sentence.evidence
    }
    for claim in read_claims(sentence.text):
        same = {rank: [c for c in claims if c.finding is claim.finding] for rank, claims in theirs.items()}
        amounts = {amount for claims in same.values() for c in claims for amount in c.amounts}
        if not all(same.values()) or not set(claim.amounts) <= amounts:
            return False
    return True


def _in_words(error: Exception) -> str:
    """What went wrong, for a person, as a sentence or more."""
    if isinstance(error, MmlnbError):
        return str(error)
    lines = str(error).strip().splitlines()
    words = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return words if words.endswith(".") else f"{words}."
