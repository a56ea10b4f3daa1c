"""Work in batches that fit into a device's memory: halved where they do not."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import torch

from napari_mmlnb.errors import RequestError
from napari_mmlnb.inference.runtimes.halving import is_out_of_memory

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def attempt(call: Callable[[], Answer]) -> Answer | None:
    """What a call gives; None where memory is used up. Nothing holds the tensors of the failed call any more then."""
    try:
        return call()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return None


def halved(batch: int) -> int:
    """The next smaller batch, after giving back what can be given back.

    Raises
    ------
    RequestError
        If there is none.
    """
    if batch == 1:
        raise RequestError(
            "The device's memory does not hold a single image with its answer.",
            "Set four_bit: true or gradient_checkpointing: true, make image_px smaller, or take a smaller model.",
        )
    let_go()
    return batch // 2


def let_go() -> None:
    """Give back memory that nothing holds any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def in_batches(items: Sequence[Item], batch: int, call: Callable[[Sequence[Item]], list[Answer]]) -> list[Answer]:
    """`call` on all items, in batches, its answers in order; raises as `halved`."""
    answers: list[Answer] = []
    while len(answers) < len(items):
        part = items[len(answers) : len(answers) + batch]
        given = attempt(partial(call, part))
        if given is None:
            batch = halved(min(batch, len(part)))
        else:
            answers += given
    return answers
