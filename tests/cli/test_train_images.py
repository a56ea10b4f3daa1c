"""`mmlnb train` at image level."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.image_level.made import configuration, image_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return image_folder(tmp_path / "data")


def test_the_command_trains_images_too(mmlnb, folder: Path, tmp_path: Path) -> None:
    config = configuration(folder)
    ended = mmlnb("train", config, "--out", tmp_path / "out")
    assert ended.returncode == 0, ended.stderr
    assert str(tmp_path / "out" / "small") in ended.stdout.replace("\n", "")
    assert mmlnb("train", config, "--out", tmp_path / "out", "--calibrate-only", "nb-phantom").returncode == 2
    config.write_text(config.read_text().replace("level: image", "level: cell"))
    ended = mmlnb("train", config, "--out", tmp_path / "out")
    assert ended.returncode == 2
    assert "cell" in ended.stderr
