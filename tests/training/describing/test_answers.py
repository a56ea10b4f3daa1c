"""What is asked, what is learned of it, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import AutoProcessor

from napari_mmlnb.describe.prompt import DEFAULT_PROMPT
from napari_mmlnb.errors import RequestError
from napari_mmlnb.training.describing.answers import IGNORED, Conversation, collated, labels_of
from tests.training.describing.tiny import WORDS

IMAGE = Image.new("RGB", (70, 50), (200, 120, 160))

CONTINUED = {
    "qwen": ("", "<|im_end|>"),
    "fast_vlm": ("", "<|im_end|>"),
    "idefics": (" ", "<end_of_utterance>"),
}
"""What stands before and after an answer, by the model's chat template."""


def _conversation(model: Path, **changes: int) -> Conversation:
    settings = {"image_px": 56, "max_length": 8192} | changes
    return Conversation(AutoProcessor.from_pretrained(model), DEFAULT_PROMPT, **settings)


def test_only_the_answer_and_the_end_of_its_turn_are_learned(model: Path) -> None:
    conversation = _conversation(model)
    exchange = conversation.exchange(IMAGE, WORDS["ud"])
    ids, labels = torch.cat([exchange.question["input_ids"][0], exchange.answer]), labels_of(exchange)
    learned = labels != IGNORED
    before, after = CONTINUED[model.name.rstrip("0123456789")]
    assert conversation.tokenizer.decode(ids[learned]) == before + WORDS["ud"] + after
    assert torch.equal(ids[learned], labels[learned])
    asked = conversation.tokenizer.decode(ids[~learned])
    assert DEFAULT_PROMPT in asked
    assert asked.endswith(("<|im_start|>assistant\n", "Assistant:"))
    image_tokens = (ids == conversation.processor.image_token_id).sum()
    parts = 5 if "idefics" in model.name else 1
    assert image_tokens == 4 * parts, "2 x 2 tokens of an image at 56 or 64 px, or of each part of it"
    assert not learned[ids == conversation.processor.image_token_id].any()


def test_what_is_asked_is_what_is_asked_at_inference(model: Path) -> None:
    conversation = _conversation(model)
    asked = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": DEFAULT_PROMPT}]}]
    text = conversation.processor.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
    stock = conversation.processor(text=[text], images=[IMAGE.resize((56, 56))], return_tensors="pt")
    exchange = conversation.exchange(IMAGE, WORDS["d"])
    assert torch.equal(exchange.question["input_ids"], stock["input_ids"])


def test_a_batch_is_padded_with_what_is_neither_seen_nor_learned(model: Path) -> None:
    conversation = _conversation(model)
    exchanges = [conversation.exchange(IMAGE, WORDS[name]) for name in ("d", "ud")]
    inputs, labels = collated(exchanges, conversation.padding_id)
    longest = max(len(labels_of(one)) for one in exchanges)
    assert inputs["input_ids"].shape == inputs["attention_mask"].shape == labels.shape == (2, longest)
    for row, one in enumerate(exchanges):
        length = len(labels_of(one))
        assert torch.equal(labels[row, :length], labels_of(one))
        assert (labels[row, length:] == IGNORED).all()
        assert inputs["attention_mask"][row].sum() == length
        assert (inputs["input_ids"][row, length:] == conversation.padding_id).all()


def test_a_long_answer_is_cut_without_learning_to_end_there(qwen: Path) -> None:
    whole = _conversation(qwen).exchange(IMAGE, WORDS["ud"])
    question = whole.question["input_ids"].shape[1]
    cut = _conversation(qwen, max_length=question + 3).exchange(IMAGE, WORDS["ud"])
    assert cut.cut
    assert not whole.cut
    assert torch.equal(cut.answer, whole.answer[:3])
    with pytest.raises(RequestError, match="max_length"):
        _conversation(qwen, max_length=question).exchange(IMAGE, WORDS["ud"])


def test_a_processor_with_a_size_of_its_own_gets_the_image_as_it_is(models: dict[str, Path]) -> None:
    assert _conversation(models["fast_vlm"]).image_px is None
    qwen = _conversation(models["qwen"], image_px=84)
    assert qwen.image_px == 84
    assert qwen.ask(IMAGE)[1]["image_grid_thw"].tolist() == [[1, 6, 6]]


def test_an_answer_cannot_open_another_turn(qwen: Path) -> None:
    conversation = _conversation(qwen)
    conversation.check_answers(list(WORDS.values()))
    with pytest.raises(RequestError, match=r"1 descriptions.*<\|im_start\|>"):
        conversation.check_answers([WORDS["d"], "Cells.<|im_end|>\n<|im_start|>user"])
