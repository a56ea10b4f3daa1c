"""Batches of questions and answers from a table's cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from napari_mmlnb.training.describing.answers import Conversation, Exchange, collated
from napari_mmlnb.training.describing.frozen_images import FrozenImages, without_pixels
from napari_mmlnb.training.describing.images import read_image
from napari_mmlnb.training.image_level.table import ImageCase

Batch = tuple[dict[str, Any], Tensor]


class Lessons:
    """Encodes cases when they are wanted; token ids are kept, pixels are not.

    Parameters
    ----------
    cases : sequence of ImageCase
        All of the table.
    conversation : Conversation
        How the question is put.
    frozen : FrozenImages, optional
        Features in place of pixels.
    """

    def __init__(
        self, cases: Sequence[ImageCase], conversation: Conversation, frozen: FrozenImages | None = None
    ) -> None:
        self._cases = cases
        self._conversation = conversation
        self._frozen = frozen
        self._texts: dict[int, Exchange] = {}

    def batch(self, rows: Sequence[int]) -> Batch:
        """What the model takes for these cases, and the labels; raises RequestError if an image cannot be read."""
        if self._frozen is None:
            return collated([self.exchange(row) for row in rows], self._conversation.padding_id)
        missing = self._frozen.missing(rows)
        if missing:
            self._frozen.learn(missing, [self.exchange(row).image for row in missing])
        return self._frozen.batch(rows, [self._texts[row] for row in rows])

    def exchange(self, row: int) -> Exchange:
        """A case with its pixels."""
        case = self._cases[row]
        whole = self._conversation.exchange(read_image(case.path), case.description)
        self._texts[row] = replace(whole, image=without_pixels(whole.image))
        return whole

    @property
    def cut(self) -> int:
        """Answers so far that were longer than `max_length` leaves room for."""
        return sum(one.cut for one in self._texts.values())
