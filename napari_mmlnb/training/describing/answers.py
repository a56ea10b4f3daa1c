"""A question with its image, and the answer, as token ids; and which of them are learned.

The question is put by the processor's own chat template, as it is at inference. Loss falls on the answer and on the
token that ends the turn, and on nothing else: question, image and padding are labelled `IGNORED`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from napari_mmlnb.errors import RequestError

IGNORED = -100
"""The label that cross-entropy leaves out."""

_COUNTED = ("input_ids", "attention_mask", "mm_token_type_ids", "token_type_ids")
"""What a processor gives a number a token; all else of what it gives belongs to the image."""


@dataclass(frozen=True)
class Exchange:
    """A question and its answer.

    Parameters
    ----------
    question : mapping of str to Tensor
        (1, T) each: `input_ids`, `attention_mask`, and which tokens are the image's, where the model wants to know.
    image : mapping of str to Tensor
        What the processor made of the image: `pixel_values` and what goes with it; empty where it was not asked for.
    answer : Tensor
        (A,) int64, with the token that ends the turn, unless it was cut.
    cut : bool
        Whether the answer was longer than there is room for.
    """

    question: Mapping[str, Tensor]
    image: Mapping[str, Tensor]
    answer: Tensor
    cut: bool = False


class Conversation:
    """Puts one question about images, in the way of a model's processor.

    Parameters
    ----------
    processor : ProcessorMixin
        Of transformers, with a chat template.
    prompt : str
        The question.
    image_px : int
        Side that images are resized to, unless the processor has a fixed size of its own.
    max_length : int
        Of question and answer, in tokens.

    Raises
    ------
    RequestError
        If the tokenizer cannot end a text.
    """

    def __init__(self, processor: Any, prompt: str, image_px: int, max_length: int) -> None:
        self.processor = processor
        self.tokenizer = processor.tokenizer
        if self.tokenizer.eos_token is None:
            raise RequestError("The model's tokenizer has no token that ends a text.", "Choose a model tuned to chat.")
        self.max_length = max_length
        self._asked = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}]
        self._question = processor.apply_chat_template(self._asked, add_generation_prompt=True, tokenize=False)
        added = self.tokenizer.added_tokens_decoder.values()
        self._specials = tuple(token.content for token in added if token.special and token.content.strip())
        self.image_px = None if self._has_fixed_size(image_px) else image_px

    def _has_fixed_size(self, image_px: int) -> bool:
        """Whether the processor makes pixels of one size of images of any: then resizing before would only blur."""
        sizes = ((image_px, image_px), (2 * image_px, 2 * image_px), (2 * image_px, image_px))
        shapes = {self._processed(Image.new("RGB", size))["pixel_values"].shape for size in sizes}
        return len(shapes) == 1

    @property
    def padding_id(self) -> int:
        """What fills short rows of a batch."""
        known = self.tokenizer.pad_token_id
        return int(known if known is not None else self.tokenizer.eos_token_id)

    @property
    def end_id(self) -> int:
        """The token that ends an answer."""
        return int(self.tokenizer(self._continuation("x"), add_special_tokens=False)["input_ids"][-1])

    def check_answers(self, answers: Sequence[str]) -> None:
        """Refuse answers that hold the tokenizer's special tokens: they would end the turn, or open another.

        Raises
        ------
        RequestError
            With how many there are.
        """
        wrong = [text for text in answers if any(token in text for token in self._specials)]
        if wrong:
            token = next(token for token in self._specials if token in wrong[0])
            raise RequestError(f"{len(wrong)} descriptions hold a special token of the model, such as {token}.")

    def exchange(self, image: Image.Image, answer: str) -> Exchange:
        """Encode one image with its description.

        Raises
        ------
        RequestError
            If the question alone is longer than `max_length`.
        """
        question, pixels = self.ask(image)
        room = self.max_length - question["input_ids"].shape[1]
        if room < 1:
            raise RequestError(
                f"The question and its image fill {question['input_ids'].shape[1]} tokens; max_length is "
                f"{self.max_length}.",
                "Raise max_length, or make image_px smaller.",
            )
        ids = self.tokenizer(self._continuation(answer), add_special_tokens=False)["input_ids"]
        return Exchange(question, pixels, torch.tensor(ids[:room], dtype=torch.int64), cut=len(ids) > room)

    def ask(self, image: Image.Image) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The question about an image: what counts tokens, and what the image part takes."""
        if self.image_px is not None:
            image = image.resize((self.image_px, self.image_px), Image.Resampling.BILINEAR)
        inputs = self._processed(image)
        shape = inputs["input_ids"].shape
        question = {name: tensor for name, tensor in inputs.items() if name in _COUNTED and tensor.shape == shape}
        return question, {name: tensor for name, tensor in inputs.items() if name not in question}

    def _processed(self, image: Image.Image) -> dict[str, Tensor]:
        inputs = self.processor(text=[self._question], images=[image], return_tensors="pt")
        return {name: tensor for name, tensor in inputs.items() if isinstance(tensor, Tensor)}

    def _continuation(self, answer: str) -> str:
        """What the model is to write after the question: the answer, and the end of its turn."""
        told = [*self._asked, {"role": "assistant", "content": [{"type": "text", "text": answer}]}]
        whole = self.processor.apply_chat_template(told, tokenize=False)
        if not whole.startswith(self._question) or answer not in whole[len(self._question) :]:
            return f"{answer}{self.tokenizer.eos_token}"
        before, _, after = whole[len(self._question) :].partition(answer)
        after = after.lstrip()
        end = next((token for token in self._specials if after.startswith(token)), self.tokenizer.eos_token)
        return f"{before}{answer}{end}"


def labels_of(exchange: Exchange) -> Tensor:
    """What is learned of question and answer together, (T + A,): the answer; all else is `IGNORED`."""
    ignored = torch.full((exchange.question["input_ids"].shape[1],), IGNORED, dtype=torch.int64)
    return torch.cat([ignored, exchange.answer])


def collated(exchanges: Sequence[Exchange], padding_id: int) -> tuple[dict[str, Tensor], Tensor]:
    """A batch, padded on the right.

    Parameters
    ----------
    exchanges : sequence of Exchange
        Their images are of one size.
    padding_id : int
        Token that fills.

    Returns
    -------
    dict of str to Tensor
        What the model takes; (B, T) each, and the images' own.
    Tensor
        (B, T) int64 labels.
    """
    labels = [labels_of(one) for one in exchanges]
    length = max(len(one) for one in labels)
    inputs = {}
    for name in exchanges[0].question:
        rows = [torch.cat([one.question[name][0], _of_answer(name, one.answer)]) for one in exchanges]
        fill = padding_id if name == "input_ids" else 0
        inputs[name] = torch.stack([_padded(row, length, fill) for row in rows])
    for name in exchanges[0].image:
        inputs[name] = torch.cat([one.image[name] for one in exchanges])
    return inputs, torch.stack([_padded(row, length, IGNORED) for row in labels])


def _of_answer(name: str, answer: Tensor) -> Tensor:
    """What stands for an answer's tokens: themselves, that they are to be looked at, that they are text."""
    if name == "input_ids":
        return answer
    return torch.full_like(answer, 1 if name == "attention_mask" else 0)


def _padded(row: Tensor, length: int, fill: int) -> Tensor:
    return torch.nn.functional.pad(row, (0, length - len(row)), value=fill)
