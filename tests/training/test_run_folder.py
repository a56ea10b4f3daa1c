"""What one training left is never mixed with another's, nor lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_mmlnb.errors import OutputError, RequestError
from napari_mmlnb.training.run_folder import RUN_FILE, claim

MADE_OF = {"version": "1", "configuration": {"learning_rate": 0.01, "epochs": 3}, "table": "a" * 64}
PRECIOUS = ("checkpoint.pt", "base/*")


def _claimed(*folders: Path, replace: bool = False, **changes: object) -> str:
    return claim(folders, {**MADE_OF, **changes}, precious=PRECIOUS, replace=replace)


def test_the_same_training_comes_back_to_its_folder(tmp_path: Path) -> None:
    first = _claimed(tmp_path / "run")
    (tmp_path / "run" / "checkpoint.pt").touch()
    assert _claimed(tmp_path / "run") == first
    assert _claimed(tmp_path / "other", configuration={"learning_rate": 0.02}) != first


def test_another_training_is_refused_and_told_what_differs(tmp_path: Path) -> None:
    _claimed(tmp_path / "run")
    kept = tmp_path / "run" / "checkpoint.pt"
    kept.write_text("hours of work")
    changed = {"configuration": {"learning_rate": 0.02, "epochs": 3}, "table": "b" * 64, "patience": None}
    with pytest.raises(RequestError) as told:
        _claimed(tmp_path / "run", **changed)
    assert "configuration.learning_rate was 0.01 and is 0.02 now" in str(told.value)
    assert "table is another" in str(told.value)
    assert "epochs" not in str(told.value), "which is the same"
    assert kept.read_text() == "hours of work"
    assert _claimed(tmp_path / "run") == _claimed(tmp_path / "elsewhere"), "what is there still goes on"


def test_replaced_work_is_moved_aside_with_all_its_folders(tmp_path: Path) -> None:
    run, bundle = tmp_path / "nb.run", tmp_path / "nb"
    for number in (1, 2):
        _claimed(run, bundle, version=str(number), replace=True)
        (run / "checkpoint.pt").write_text(f"training {number}")
        (bundle / "bundle.yaml").write_text(f"bundle {number}")
    _claimed(run, bundle, version="3", replace=True)
    assert [path.name for path in run.iterdir()] == [RUN_FILE]
    assert list(bundle.iterdir()) == []
    for number in (1, 2):
        assert (tmp_path / f"nb.run.before-{number}" / "checkpoint.pt").read_text() == f"training {number}"
        assert (tmp_path / f"nb.before-{number}" / "bundle.yaml").read_text() == f"bundle {number}"


def test_where_nothing_would_be_lost_nobody_is_asked(tmp_path: Path) -> None:
    _claimed(tmp_path / "run")
    (tmp_path / "run" / "train.log").write_text("a configuration that was wrong")
    _claimed(tmp_path / "run", version="2")


@pytest.mark.parametrize("precious", ["checkpoint.pt", "base/model.safetensors"])
def test_work_of_unknown_origin_is_not_gone_on_from(tmp_path: Path, precious: str) -> None:
    (tmp_path / "run" / precious).parent.mkdir(parents=True)
    (tmp_path / "run" / precious).touch()
    with pytest.raises(RequestError, match="earlier version"):
        _claimed(tmp_path / "run")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(OutputError):
        _claimed(tmp_path / "run")
