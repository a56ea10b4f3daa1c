"""What a describing model writes about images, while it is being judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from napari_mmlnb.describe.prompt import Generation
from napari_mmlnb.training.describing.answers import Conversation
from napari_mmlnb.training.describing.images import read_image
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
) -> Iterator[Said]:
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
    device = next(model.parameters()).device
    ends = end_tokens(model, conversation)
    drawn: dict[str, Any] = {"do_sample": False}
    if generation.temperature > 0:
        names = ("temperature", "top_p", "top_k")
        drawn = {"do_sample": True, **{name: getattr(generation, name) for name in names}}
    for at in range(0, len(cases), batch):
        asked = [conversation.ask(read_image(case.path)) for case in cases[at : at + batch]]
        # The images are of one size, so the questions are of one length.
        inputs = {
            name: torch.cat([{**question, **image}[name] for question, image in asked]).to(device)
            for name in (*asked[0][0], *asked[0][1])
        }
        with torch.no_grad():
            ids = model.generate(
                **inputs,
                **drawn,
                max_new_tokens=generation.max_new_tokens,
                repetition_penalty=generation.repetition_penalty,
                eos_token_id=ends,
                pad_token_id=conversation.padding_id,
            )
        for row in ids[:, inputs["input_ids"].shape[1] :].tolist():
            finished = any(token in ends for token in row)
            yield Said(conversation.tokenizer.decode(row, skip_special_tokens=True).strip(), finished)
