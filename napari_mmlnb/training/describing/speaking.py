"""What a describing model writes about images, while it is being judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from napari_mmlnb.describe.prompt import Generation
from napari_mmlnb.training.describing.answers import Conversation
from napari_mmlnb.training.describing.images import read_image
from napari_mmlnb.training.describing.memory import in_batches
from napari_mmlnb.training.image_level.table import ImageCase


@dataclass(frozen=True)
class Said:
    """A text, and whether it ended by itself."""

    text: str
    finished: bool


def end_tokens(model: Any, conversation: Conversation) -> list[int]:
    """Tokens that end an answer: the model's own, and the one that the answers are taught to end with."""
    told = model.generation_config.eos_token_id
    known = {told} if isinstance(told, int) else set(told or ())
    return sorted(known | {conversation.end_id})


def describe(
    model: Any, conversation: Conversation, cases: Sequence[ImageCase], generation: Generation, batch: int
) -> list[Said]:
    """Describe images, some at a time.

    Parameters
    ----------
    model : Module
        Of transformers, or peft's around it; put into eval mode.
    conversation : Conversation
        The question.
    cases : sequence of ImageCase
        Their images are described; nothing else of them is looked at.
    generation : Generation
        The same seed gives the same words on the same machine.
    batch : int
        Images at a time.
    """
    model.eval()
    torch.manual_seed(generation.seed)
    drawn: dict[str, Any] = {"do_sample": False}
    if generation.temperature > 0:
        names = ("temperature", "top_p", "top_k")
        drawn = {"do_sample": True, **{name: getattr(generation, name) for name in names}}
    settings = {
        **drawn,
        "max_new_tokens": generation.max_new_tokens,
        "repetition_penalty": generation.repetition_penalty,
        "eos_token_id": end_tokens(model, conversation),
        "pad_token_id": conversation.padding_id,
    }
    return in_batches(cases, batch, lambda part: _described(model, conversation, part, settings))


def _described(
    model: Any, conversation: Conversation, cases: Sequence[ImageCase], settings: Mapping[str, Any]
) -> list[Said]:
    asked = [conversation.ask(read_image(case.path)) for case in cases]
    both = [{**question, **image} for question, image in asked]
    device = next(model.parameters()).device
    # The images are of one size, so the questions are of one length.
    inputs = {name: torch.cat([one[name] for one in both]).to(device) for name in both[0]}
    with torch.no_grad():
        ids = model.generate(**inputs, **settings)
    answers = ids[:, inputs["input_ids"].shape[1] :].tolist()
    ends = set(settings["eos_token_id"])
    texts = [conversation.tokenizer.decode(answer, skip_special_tokens=True).strip() for answer in answers]
    return [Said(text, not ends.isdisjoint(answer)) for text, answer in zip(texts, answers, strict=True)]
