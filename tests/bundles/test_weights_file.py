"""Weights are whole or not there, and as readable as the folder that they lie in."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_mmlnb.bundles.weights_file import share_as_folder, write_weights

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize(("folder", "file"), [(0o755, 0o644), (0o750, 0o640), (0o700, 0o600), (0o775, 0o664)])
def test_a_colleague_who_may_enter_the_folder_may_read_the_weights(tmp_path: Path, folder: int, file: int) -> None:
    tmp_path.chmod(folder)
    write_weights({"a": torch.arange(6).view(2, 3).T}, tmp_path / "weights.safetensors")
    assert _mode(tmp_path / "weights.safetensors") == file
    torch.testing.assert_close(load_file(tmp_path / "weights.safetensors")["a"], torch.arange(6).view(2, 3).T)


def test_what_another_library_wrote_is_shared_likewise(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    (tmp_path / "private.txt").touch(0o600)
    share_as_folder(tmp_path)
    assert _mode(tmp_path / "model.safetensors") == 0o644
    assert _mode(tmp_path / "private.txt") == 0o600


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    write_weights({"a": torch.ones(1)}, path)
    shared = torch.zeros(4)
    with pytest.raises(Exception, match=r"(?i)share"):
        write_weights({"a": shared, "b": shared}, path)
    assert load_file(path)["a"] == 1
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
