"""A course of epochs: what it learns, which epoch it keeps, when it ends, and that a stopped one goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from napari_mmlnb.models.mmlnb import Mmlnb
from napari_mmlnb.training.curriculum import Phase
from napari_mmlnb.training.slide_level.checkpoint import EpochRecord
from napari_mmlnb.training.slide_level.config import TrainConfig
from napari_mmlnb.training.slide_level.course import Course, Learned, Told
from napari_mmlnb.training.slide_level.loop import answer_bag, attention_of, set_feature_statistics
from tests.training.slide_level.told_slides import NO_SLIDES, SHAPE, TINY, make_bags, told

CONFIG = {
    **TINY,
    "optimiser": {"learning_rate": 3e-3},
    "curriculum": {"image_first": 5, "joint": 10, "consolidate": 5},
}


LONG = {"image_first": 20, "joint": 20, "consolidate": 10}


def _course(
    folder: Path, selection: Told = NO_SLIDES, log: Any = None, slides: int = 18, **changes: object
) -> tuple[Course, Mmlnb]:
    torch.manual_seed(0)
    config = TrainConfig.model_validate({**CONFIG, **changes})
    train = make_bags(slides, 0)
    model = Mmlnb(SHAPE)
    set_feature_statistics(model, train)
    return Course(config, model, told(train), selection, folder, "digest", log or (lambda _: None)), model


def test_it_learns_the_classes_and_where_to_look(tmp_path: Path) -> None:
    lines: list[str] = []
    course, model = _course(tmp_path, log=lines.append, slides=45, curriculum=LONG)
    learned = course.run()
    held = make_bags(30, 1)
    ids = told(held).ids(model)
    with torch.inference_mode():
        said = [model.fuse(answer_bag(model, b).embedding, ids[i][None]).fused_logits for i, b in enumerate(held)]
    assert sum(int(z.argmax()) == b.slide.label for z, b in zip(said, held, strict=True)) >= 27
    attention = attention_of(model, held)
    assert np.mean([a[:8].mean() for a in attention]) > 2 * np.mean([a[8:].mean() for a in attention])
    assert len(lines) == 5
    assert learned.kept == len(learned.records) == 50, "without slides to select on, the last epoch is kept"


def _run(folder: Path, stop_after: int | None = None) -> tuple[Learned | None, dict[str, torch.Tensor]]:
    course, model = _course(folder, told(make_bags(12, 7, strength=2)))
    if stop_after is not None:
        whole = course._epoch

        def stopped(epoch: int, *rest: Any) -> None:
            if epoch == stop_after:
                raise KeyboardInterrupt
            whole(epoch, *rest)

        course._epoch = stopped  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            course.run()
        return None, {}
    learned = course.run()
    return learned, {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_a_stopped_course_goes_on_to_the_same_end_bit_for_bit(tmp_path: Path) -> None:
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
    whole, weights = _run(tmp_path / "whole")
    for at in (7, 13):
        _run(tmp_path / "stopped", stop_after=at)
    again, same = _run(tmp_path / "stopped")
    assert whole is not None
    assert again is not None
    assert again.records == whole.records
    assert again.kept == whole.kept
    assert all(torch.equal(tensor, same[name]) for name, tensor in weights.items())
    board = EventAccumulator(str(tmp_path / "stopped" / "tensorboard"))
    board.Reload()
    assert [event.step for event in board.Scalars("selection_f1")] == list(range(1, 21)), "each epoch once"


def test_a_damaged_or_foreign_checkpoint_is_not_gone_on_from(tmp_path: Path) -> None:
    _run(tmp_path, stop_after=7)
    whole = (tmp_path / "checkpoint.pt").read_bytes()
    (tmp_path / "checkpoint.pt").write_bytes(whole[: len(whole) // 2])
    lines: list[str] = []
    course, _ = _course(tmp_path, told(make_bags(12, 7)), log=lines.append)
    course.run()
    assert not any("going on" in line for line in lines)


def test_the_best_epoch_by_f1_then_loss_is_kept_and_none_of_the_first_phase(tmp_path: Path) -> None:
    selection = told(make_bags(12, 7, strength=1.5))
    course, model = _course(tmp_path, selection)
    learned = course.run()
    kept = learned.records[learned.kept - 1]
    able = [r for r in learned.records if r.phase != "image first"]
    assert kept in able
    assert kept.selection_f1 == max(r.selection_f1 for r in able)
    assert kept.selection_loss == min(r.selection_loss for r in able if r.selection_f1 == kept.selection_f1)
    again = course._record(0, _phase_of(kept), 0.0, 0.0)
    assert again.selection_loss == kept.selection_loss, "the network holds that epoch's weights"
    assert not model.training


def _phase_of(record: EpochRecord) -> Phase:
    return Phase(record.phase, record.alpha, record.text_learns, record.image_learns)


def test_patience_ends_the_last_phase_only(tmp_path: Path) -> None:
    lines: list[str] = []
    course, _ = _course(
        tmp_path,
        told(make_bags(12, 7, strength=1.5)),
        log=lines.append,
        patience=3,
        cohort=CONFIG["cohort"] | {"selection_per_class": 4},  # type: ignore[operator]
        curriculum={"image_first": 5, "joint": 10, "consolidate": 100},
    )
    learned = course.run()
    phases = [record.phase for record in learned.records]
    assert phases.count("image first") == 5
    assert phases.count("joint") == 10
    assert 3 < phases.count("consolidate") < 100
    assert "no better F1 for 3 epochs: ends here" in lines
