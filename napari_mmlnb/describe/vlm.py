"""A vision-language model as describer, through transformers' standard path.

Loaded from a folder on this machine only, when the first tile comes; freed by `close`.
"""

from __future__ import annotations

import gc
import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

import torch

from napari_mmlnb.describe.base import DescriberFacts, EvidenceTile, TileDescription
from napari_mmlnb.describe.generation import generate_steps
from napari_mmlnb.describe.guard import CUT_OFF, TIME_LIMIT, judge
from napari_mmlnb.describe.spoken import summarise_spoken
from napari_mmlnb.describe.vlm_folder import VlmFolder, weights_digest
from napari_mmlnb.describe.vlm_loading import LoadedVlm, empty_card_cache, load_vlm
from napari_mmlnb.errors import DescriberError
from napari_mmlnb.result import Description

if TYPE_CHECKING:
    from napari_mmlnb.describe.request import DescriberRequest

SMALL = 100_000_000
"""Weights up to which a processor answers for several tiles at once faster than for one after the other."""
ROWS = 8
"""Tiles at once, of a small model or on a graphics card."""

_SENTENCE_MARKS = ".!?…\n。！？"


class VlmDescriber:
    """A vision-language model in a folder of this machine.

    Parameters
    ----------
    facts : DescriberFacts
        Of the model.
    folder : VlmFolder
        Where it lies.
    request : DescriberRequest
        Device, prompt, settings, adapter.
    """

    def __init__(self, facts: DescriberFacts, folder: VlmFolder, request: DescriberRequest) -> None:
        self._facts = facts
        self._request = request
        self._folder = folder
        self._loaded: LoadedVlm | None = None

    @property
    def facts(self) -> DescriberFacts:
        """Facts of the model; device, precision and digest are known once it was loaded, and stay known."""
        return self._facts

    def describe(self, tiles: Sequence[EvidenceTile]) -> Iterator[TileDescription]:
        """What the model says of each tile, growing sentence by sentence.

        Several tiles are described at once where that is faster: then their growing descriptions come in turns. The
        complete ones come in the order of the tiles. Closing the iterator stops the model before its next token.

        Raises
        ------
        DescriberMemoryError
            If there is too little memory; asked before the model is loaded.
        DescriberError
            If the model cannot be loaded, or fails.
        """
        loaded = self._load()
        rows = min(ROWS if loaded.on_card or self._folder.weights <= SMALL else 1, max(1, len(tiles)))
        start = 0
        while start < len(tiles):
            batch = tiles[start : start + rows]
            try:
                yield from self._describe_batch(loaded, batch)
            except Exception as error:
                if not _is_out_of_memory(error):
                    raise self._failed(error) from error
                empty_card_cache()
                if len(batch) == 1:
                    raise DescriberError(
                        self.facts.name,
                        f"The memory ran out while {self.facts.name} described a tile.",
                        "Close other programs, or choose a smaller model.",
                    ) from error
                rows = max(1, len(batch) // 2)
                continue
            start += len(batch)

    def summarise(self, descriptions: Sequence[TileDescription]) -> Description:
        """The tiles' own sentences, each once, with the ranks of the tiles that it was said of."""
        return summarise_spoken(self.facts.name, descriptions)

    def close(self) -> None:
        """Free the model. The next tile loads it again.

        A small one on a processor is let go without looking through all that the program holds, which would stand
        still meanwhile; it is loaded again in a moment.
        """
        loaded, self._loaded = self._loaded, None
        if loaded is None:
            return
        large = loaded.on_card or self._folder.weights > SMALL
        del loaded
        if large:
            gc.collect()
            empty_card_cache()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _load(self) -> LoadedVlm:
        if self._loaded is None:
            self._loaded = load_vlm(self.facts.name, self._folder, self._request)
            self._facts = replace(
                self._facts,
                device=self._loaded.model.device.type,
                precision=self._loaded.precision,
                weights_sha256=self._digest(),
            )
        return self._loaded

    def _digest(self) -> str:
        """Of the weights; not computed where a bundle or a commit says which they are."""
        if self._request.weights_sha256 or (self._facts.revision and self._request.adapter is None):
            return self._request.weights_sha256
        return weights_digest(self._folder, self._request.adapter)

    def _describe_batch(self, loaded: LoadedVlm, tiles: Sequence[EvidenceTile]) -> Iterator[TileDescription]:
        request = self._request
        deadline = time.monotonic() + request.seconds_a_tile * len(tiles)
        answers = [_Answer(tile.rank, request.forbidden, request.prompt) for tile in tiles]
        inputs = loaded.inputs([tile.rgb for tile in tiles], request.prompt)
        seeds = [_seed(request.generation.seed, tile) for tile in tiles]
        told = 0
        with closing(generate_steps(loaded.model, inputs, request.generation, seeds, deadline)) as steps:
            for step in steps:
                for answer, token in zip(answers, step.tokens, strict=True):
                    grown = answer.add(token, loaded)
                    if grown is not None:
                        yield grown
                while told < len(answers) and answers[told].ended:
                    yield answers[told].complete(loaded, "")
                    told += 1
        stopped = TIME_LIMIT if time.monotonic() >= deadline else CUT_OFF
        for answer in answers[told:]:
            yield answer.complete(loaded, "" if answer.ended else stopped)

    def _failed(self, error: Exception) -> Exception:
        if isinstance(error, DescriberError):
            return error
        first = (str(error).splitlines() or [""])[0]
        return DescriberError(
            self.facts.name,
            f"{self.facts.name} failed while describing ({type(error).__name__}: {first}).",
            "Choose another describer, or --describer measured.",
        )


@dataclass
class _Answer:
    """What has been said of one tile so far."""

    rank: int
    forbidden: Sequence[str]
    prompt: str
    tokens: list[int] = field(default_factory=list)
    ended: bool = False
    told: int = 0
    due: bool = False

    def add(self, token: int, loaded: LoadedVlm) -> TileDescription | None:
        """Take a token; a description where it finished one more sentence."""
        if self.ended:
            return None
        if token in loaded.ends:
            self.ended = True
            return None
        self.tokens.append(token)
        # A sentence is known to be finished when the next one begins.
        due, self.due = self.due, any(mark in loaded.text_of([token]) for mark in _SENTENCE_MARKS)
        if not due:
            return None
        judged = judge(loaded.text_of(self.tokens), self.forbidden, ended=False, prompt=self.prompt)
        if len(judged.sentences) <= self.told:
            return None
        self.told = len(judged.sentences)
        return TileDescription(self.rank, judged.sentences, (), judged.faults, complete=False)

    def complete(self, loaded: LoadedVlm, stopped: str) -> TileDescription:
        judged = judge(loaded.text_of(self.tokens), self.forbidden, stopped=stopped, prompt=self.prompt)
        return TileDescription(self.rank, judged.sentences, (), judged.faults)


def _seed(seed: int, tile: EvidenceTile) -> int:
    """Of the tile's pixels, so that a tile's words are the same whatever rank it has and whatever stands beside it."""
    digest = hashlib.sha256(f"{seed} {tile.rgb.shape}".encode() + tile.rgb.tobytes()).digest()
    return int.from_bytes(digest[:7], "big")


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _NO_MEMORY)


_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")
"""What PyTorch says on a processor, and on Apple's cards."""
