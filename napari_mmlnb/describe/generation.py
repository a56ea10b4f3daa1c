"""Words out of a vision-language model, token by token, for several tiles at once; stopped, timed and repeated at will.

transformers' `generate` runs in a thread of its own and hands each step's tokens over. What is drawn is drawn here,
with a random source a tile, so that a tile's words do not depend on the tiles beside it, and the process' own random
numbers stay as they are.
"""

from __future__ import annotations

import copy
import queue
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from napari_mmlnb.describe.prompt import Generation


@dataclass(frozen=True)
class Step:
    """One token a tile.

    Parameters
    ----------
    tokens : tuple of int
        In the order of the tiles.
    """

    tokens: tuple[int, ...]


class SeededDraw(LogitsProcessor):
    """Draws each row's token with a random source of its own, and leaves that token as the only one possible.

    Parameters
    ----------
    seeds : sequence of int
        One a row.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self._sources = [torch.Generator().manual_seed(seed % 2**63) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        """Scores, (rows, vocabulary), of which one a row is not minus infinity."""
        shares = torch.softmax(scores.detach().double().cpu(), dim=-1).cumsum(dim=-1)
        drawn = torch.stack([torch.rand(1, generator=source, dtype=torch.float64) for source in self._sources])
        # The upper end is what the sum comes to, so that rounding never points behind the last token.
        chosen = torch.searchsorted(shares, drawn * shares[:, -1:], right=True).clamp(max=scores.shape[-1] - 1)
        only = torch.full_like(scores, float("-inf"))
        return only.scatter(1, chosen.to(scores.device), 0.0)


class _Told(StoppingCriteria):
    """Hands over each step's tokens, and ends all rows when it is told to or the time is over."""

    def __init__(self, steps: queue.SimpleQueue[Any], stop: threading.Event, deadline: float) -> None:
        self._steps = steps
        self._stop = stop
        self._deadline = deadline

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:  # noqa: ARG002
        self._steps.put(Step(tuple(input_ids[:, -1].tolist())))
        over = self._stop.is_set() or time.monotonic() >= self._deadline
        return torch.full((input_ids.shape[0],), over, device=input_ids.device, dtype=torch.bool)


def generate_steps(
    model: Any, inputs: dict[str, Any], generation: Generation, seeds: Sequence[int], deadline: float
) -> Generator[Step]:
    """Let a model answer, and give its tokens as they come.

    Closing the iterator ends the model's work before its next token.

    Parameters
    ----------
    model
        Of transformers, able to `generate`.
    inputs : dict
        What its processor made, on its device.
    generation : Generation
        How it may answer.
    seeds : sequence of int
        One a row.
    deadline : float
        Of `time.monotonic`; the first token after it is the last.

    Raises
    ------
    Exception
        Whatever the model raises, memory errors included.
    """
    steps: queue.SimpleQueue[Any] = queue.SimpleQueue()
    stop = threading.Event()
    told = StoppingCriteriaList([_Told(steps, stop, deadline)])

    def work() -> None:
        try:
            with torch.inference_mode(), _autocast(model):
                model.generate(
                    **inputs,
                    generation_config=_config(model, generation),
                    logits_processor=_draw(generation, seeds),
                    stopping_criteria=told,
                )
            steps.put(None)
        except BaseException as error:
            steps.put(error)

    worker = threading.Thread(target=work, name="describe", daemon=True)
    worker.start()
    try:
        while (step := steps.get()) is not None:
            if isinstance(step, BaseException):
                raise step
            yield step
    finally:
        stop.set()
        worker.join()


def end_tokens(model: Any) -> frozenset[int]:
    """Tokens after which a model has said all."""
    ends = model.generation_config.eos_token_id
    return frozenset(ends if isinstance(ends, (list, tuple)) else () if ends is None else (ends,))


def _config(model: Any, generation: Generation) -> GenerationConfig:
    """The model's own tokens of beginning and end, and nothing else of what it brings: settings are the bundle's."""
    own = model.generation_config
    return GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=generation.max_new_tokens,
        do_sample=False,
        num_beams=1,
        repetition_penalty=generation.repetition_penalty,
        bos_token_id=copy.copy(own.bos_token_id),
        eos_token_id=copy.copy(own.eos_token_id),
        pad_token_id=own.pad_token_id if own.pad_token_id is not None else min(end_tokens(model), default=0),
    )


def _draw(generation: Generation, seeds: Sequence[int]) -> LogitsProcessorList:
    if generation.temperature == 0:
        return LogitsProcessorList()
    return LogitsProcessorList(
        [
            TemperatureLogitsWarper(generation.temperature),
            TopKLogitsWarper(generation.top_k),
            TopPLogitsWarper(generation.top_p),
            SeededDraw(seeds),
        ]
    )


def _autocast(model: Any) -> AbstractContextManager[Any]:
    if model.device.type == "cpu":
        return nullcontext()
    return torch.autocast(model.device.type, dtype=model.dtype)
