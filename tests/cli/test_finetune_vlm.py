"""`mmlnb finetune-vlm`."""

from __future__ import annotations

from pathlib import Path

from tests.training.describing.tiny import configuration, image_table, tiny_fast_vlm


def test_the_command_says_where_everything_is(mmlnb, tmp_path: Path) -> None:
    folder = image_table(tmp_path / "data")
    model = tiny_fast_vlm(folder / "model")
    config = configuration(folder, Path("model"), epochs=1, report_texts=2)
    ended = mmlnb("finetune-vlm", config, "--out", tmp_path / "out")
    assert ended.returncode == 0, ended.stderr
    assert str(tmp_path / "out" / "small") in ended.stdout.replace("\n", "")
    assert (tmp_path / "out" / "small" / "adapter" / "adapter_model.safetensors").is_file()
    assert model.is_dir()


def test_a_wrong_configuration_is_one_line(mmlnb, tmp_path: Path) -> None:
    folder = image_table(tmp_path / "data")
    ended = mmlnb("finetune-vlm", configuration(folder, Path("x"), epoch=1), "--out", tmp_path / "out")
    assert ended.returncode == 2
    assert "epoch" in ended.stderr
    assert ended.stderr.count("\n") == 1
    ended = mmlnb("finetune-vlm", configuration(folder, Path("nobody/knows")), "--out", tmp_path / "out")
    assert ended.returncode == 2
    assert "nobody/knows" in ended.stderr
