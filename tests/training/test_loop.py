from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from napari_mmlnb.models.mmlnb import Mmlnb, MmlnbShape
from napari_mmlnb.training.bags import SlideBag
from napari_mmlnb.training.cohort import CohortSlide
from napari_mmlnb.training.config import CurriculumConfig, OptimiserConfig
from napari_mmlnb.training.loop import attention_of, set_feature_statistics, train_mmlnb

FEATURES = 16
SHAPE = MmlnbShape(features=FEATURES, classes=3, vocabulary=8, image=32, text=16, text_layers=1, max_tokens=4)


def _cohort(slides: int, seed: int) -> tuple[SlideBag, ...]:
    """Bags in which a fifth of the tiles carry a class-dependent sign, as weakly labelled slides do."""
    rng = np.random.default_rng(seed)
    bags = []
    for i in range(slides):
        label = i % 3
        features = rng.normal(size=(40, FEATURES)).astype(np.float32)
        features[:8, label] += 6
        cells = np.stack([np.arange(40), np.zeros(40)], axis=1).astype(np.int32)
        bags.append(SlideBag(CohortSlide(Path(f"{i}.tiff"), label, "train", i), features, cells))
    return tuple(bags)


def _text_of(bags: tuple[SlideBag, ...]):
    return lambda attention: torch.tensor([[2 + b.slide.label, 5] for b in bags])


def _train(curriculum: CurriculumConfig) -> tuple[Mmlnb, list[str]]:
    torch.manual_seed(0)
    bags = _cohort(45, 0)
    model, lines = Mmlnb(SHAPE), []
    set_feature_statistics(model, bags)
    train_mmlnb(model, bags, _text_of(bags), OptimiserConfig(learning_rate=3e-3), curriculum, seed=0, log=lines.append)
    return model, lines


def test_it_learns_the_classes_and_where_to_look() -> None:
    model, lines = _train(CurriculumConfig(image_first=20, joint=20, consolidate=10))
    held = _cohort(30, 1)
    hits = 0
    for bag, ids in zip(held, _text_of(held)(None), strict=True):
        features = torch.from_numpy(bag.features)[None]
        with torch.inference_mode():
            image = model.answer_image(features, torch.ones(1, 40, dtype=torch.bool))
            hits += int(model.answer_fused(image, ids[None]).fused_logits.argmax()) == bag.slide.label
    assert hits >= 27
    attention: list[npt.NDArray[np.float32]] = attention_of(model, held)
    assert np.mean([a[:8].mean() for a in attention]) > 2 * np.mean([a[8:].mean() for a in attention])
    assert len(lines) == 5


def test_frozen_parts_stay_as_they_are() -> None:
    torch.manual_seed(0)
    model = Mmlnb(SHAPE)
    text_before = [p.clone() for p in model.text.parameters()]
    image_before = [p.clone() for p in model.pooling.parameters()]
    bags = _cohort(12, 0)
    set_feature_statistics(model, bags)
    image_first_only = CurriculumConfig(image_first=3, joint=1, consolidate=1)
    seen: list[bool] = []

    def text_of(attention: list[npt.NDArray[np.float32]]) -> torch.Tensor:
        return _text_of(bags)(attention)

    def watch(model: Mmlnb) -> None:
        seen.append(all(torch.equal(a, b) for a, b in zip(text_before, model.text.parameters(), strict=True)))

    hook = model.image_head.register_forward_hook(lambda *_: watch(model))
    train_mmlnb(model, bags, text_of, OptimiserConfig(), image_first_only, seed=0, log=lambda _: None)
    hook.remove()
    assert all(seen[:3]), "the text branch moved while it should have been frozen"
    assert not all(torch.equal(a, b) for a, b in zip(text_before, model.text.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(image_before, model.pooling.parameters(), strict=True))
