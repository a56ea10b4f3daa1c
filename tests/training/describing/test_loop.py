"""A step is the same step however many images fit into memory at a time."""

from __future__ import annotations

import inspect
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Qwen2_5_VLForConditionalGeneration as Stock

from napari_mmlnb.errors import RequestError
from napari_mmlnb.training.describing.adapter import learning_weights, teach
from napari_mmlnb.training.describing.loop import Steps, answer_losses, learning_rate, measure_answers, order
from tests.training.describing.bench import Bench

ROWS = [0, 3, 4, 7, 9, 12, 20]


def _steps(model: Path, folder: Path, batch: int) -> tuple[Bench, Steps]:
    bench = Bench(model, folder, lora={"r": 4, "alpha": 8, "dropout": 0.0})
    optimiser = torch.optim.AdamW(learning_weights(bench.model).values(), lr=1e-2, weight_decay=0)
    teach(bench.model)
    return bench, Steps(bench.model, optimiser, bench.pixels, batch)


@pytest.fixture
def small_card(monkeypatch: pytest.MonkeyPatch):
    """A card that holds so many images at a time."""
    forward = Stock.forward

    def hold(images: int) -> None:
        def small(self, input_ids=None, **inputs):
            if len(input_ids) > images:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return forward(self, input_ids=input_ids, **inputs)

        small.__signature__ = inspect.signature(forward)
        monkeypatch.setattr(Stock, "forward", small)

    return hold


def test_memory_that_runs_out_halves_the_batch_and_nothing_else(qwen: Path, folder: Path, small_card) -> None:
    roomy, steps = _steps(qwen, folder, 8)
    expected = [steps.learn(ROWS, 1e-2, seed) for seed in (1, 2)]
    assert steps.batch == 8
    small_card(2)
    tight, steps = _steps(qwen, folder, 8)
    said = [steps.learn(ROWS, 1e-2, seed) for seed in (1, 2)]
    assert steps.batch == 1, "of 7 images 3, then 1"
    np.testing.assert_allclose(said, expected, rtol=1e-4)
    mine, theirs = learning_weights(tight.model), learning_weights(roomy.model)
    # Where a gradient is nearly nothing, AdamW follows its sign: rounding may turn it.
    far = torch.cat([(mine[name] - theirs[name]).abs().flatten() for name in mine])
    assert (far > 1e-4).float().mean() < 0.02
    measured = measure_answers(tight.model, tight.pixels, np.array(ROWS), 4)
    assert measured.tokens.sum() == said[0][1]
    small_card(0)
    with pytest.raises(RequestError, match="does not hold a single image"):
        steps.learn(ROWS, 1e-2, 3)


def test_the_loss_is_that_of_transformers(model: Path, folder: Path) -> None:
    bench = Bench(model, folder)
    inputs, labels = bench.pixels.batch([0, 5, 3])
    with torch.no_grad():
        mine = answer_losses(bench.model, (inputs, labels))
        stock = bench.model(**inputs, labels=labels).loss
    assert len(mine) == 3
    tokens = int((labels != -100).sum())
    assert float(mine.sum()) / tokens == pytest.approx(float(stock), rel=1e-5)


def test_the_learning_rate_falls_to_nothing_in_a_line() -> None:
    rates = [learning_rate(step, 4, 1e-4) for step in range(4)]
    assert rates == pytest.approx([1e-4, 0.75e-4, 0.5e-4, 0.25e-4])


def test_with_a_warm_up_the_learning_rate_first_rises() -> None:
    rates = [learning_rate(step, 100, 1e-3, 0.1) for step in range(101)]
    assert rates.index(max(rates)) == 10
    assert max(rates) == pytest.approx(1e-3)
    assert all(a < b for a, b in pairwise(rates[:11]))
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert rates[0] > 0
    assert rates[100] == 0


def test_each_epoch_has_an_order_of_its_own() -> None:
    rows = np.arange(50)
    first = order(rows, 1, 0)
    assert sorted(first) == rows.tolist()
    assert first.tolist() == order(rows, 1, 0).tolist()
    assert first.tolist() != order(rows, 1, 1).tolist()
