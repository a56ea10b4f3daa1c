"""Features in place of pixels: the same loss, and only where the model lets us."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import torch

from napari_mmlnb.training.describing.frozen_images import FrozenImages, reusable, stock_model
from napari_mmlnb.training.describing.lessons import Lessons
from napari_mmlnb.training.describing.loop import answer_losses
from tests.training.describing.bench import Bench


def _why_not(bench: Bench) -> str:
    return reusable(bench.model, [bench.pixels.exchange(0)], bench.conversation.padding_id)


def test_the_loss_is_the_same_with_features_as_with_pixels(model: Path, folder: Path, tmp_path: Path) -> None:
    bench = Bench(model, folder)
    assert _why_not(bench) == ""
    with FrozenImages(bench.model, bench.conversation.padding_id, tmp_path / "f", len(bench.cases)) as frozen:
        kept = Lessons(bench.cases, bench.conversation, frozen)
        rows = [3, 0, 8]
        expected = answer_losses(bench.model, bench.pixels.batch(rows))
        torch.testing.assert_close(answer_losses(bench.model, kept.batch(rows)), expected, rtol=1e-5, atol=1e-5)
        expected.sum().backward()
        gradients = [weight.grad.clone() for weight in bench.model.parameters() if weight.requires_grad]
        bench.model.zero_grad()
        # Another order, and some of them from the file.
        again = answer_losses(bench.model, kept.batch([0, 8, 3]))
        torch.testing.assert_close(again[[2, 0, 1]], expected, rtol=1e-5, atol=1e-5)
        again.sum().backward()
        mine = [weight.grad for weight in bench.model.parameters() if weight.requires_grad]
        torch.testing.assert_close(mine, gradients, rtol=1e-3, atol=1e-5)
    assert not (tmp_path / "f").exists()


def test_an_image_goes_through_its_tower_once(model: Path, folder: Path, tmp_path: Path) -> None:
    bench = Bench(model, folder)
    stock = stock_model(bench.model).model
    seen: list[int] = []
    tower = next(part for name, part in stock.named_children() if name.startswith("vis"))
    tower.register_forward_hook(lambda *_: seen.append(1))
    with FrozenImages(bench.model, bench.conversation.padding_id, tmp_path / "f", len(bench.cases)) as frozen:
        kept = Lessons(bench.cases, bench.conversation, frozen)
        for rows in ([0, 1], [1, 2], [2, 0]):
            answer_losses(bench.model, kept.batch(rows))
    assert len(seen) == 2, "once for 0 and 1, once for 2"


def test_an_adapter_on_the_image_part_wants_pixels(qwen: Path, folder: Path) -> None:
    bench = Bench(qwen, folder, lora={"r": 4, "alpha": 8, "targets": "as_published"})
    assert "image part" in _why_not(bench)


def test_a_model_that_says_something_else_with_features_wants_pixels(
    qwen: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(qwen, folder)
    stock = type(stock_model(bench.model))
    forward = stock.forward

    def other(self, *args, mm_encoder_outputs=None, **inputs):
        said = forward(self, *args, mm_encoder_outputs=mm_encoder_outputs, **inputs)
        said.logits = said.logits + (0 if mm_encoder_outputs is None else 1)
        return said

    other.__signature__ = inspect.signature(forward)
    monkeypatch.setattr(stock, "forward", other)
    assert "answers otherwise" in _why_not(bench)

    def pixels_only(self, input_ids=None, pixel_values=None, **inputs):
        return forward(self, input_ids=input_ids, pixel_values=pixel_values, **inputs)

    monkeypatch.setattr(stock, "forward", pixels_only)
    assert "pixels only" in _why_not(bench)
