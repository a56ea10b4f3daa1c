from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_mmlnb.bundles.statistics import read_statistics, write_statistics
from napari_mmlnb.errors import BundleError
from napari_mmlnb.models.familiarity import SlideFamiliarity

FILE = "statistics.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = SlideFamiliarity(12, rank=3)
    model.fit(torch.randn(9, 12, generator=torch.Generator().manual_seed(0)))
    write_statistics(tmp_path, model)
    return tmp_path


@pytest.mark.parametrize("name", ["mean", "components", "variance", "noise"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_statistics_that_are_no_numbers_are_refused(folder: Path, name: str, value: float) -> None:
    tensors = load_file(folder / FILE)
    tensors[f"slides.{name}"] = torch.full_like(tensors[f"slides.{name}"], value)
    save_file(tensors, folder / FILE)
    with pytest.raises(BundleError, match=f"not finite.*{name}"):
        read_statistics(folder, 12)


def test_statistics_of_other_features_are_refused(folder: Path) -> None:
    with pytest.raises(BundleError, match="does not fit"):
        read_statistics(folder, 13)


def test_a_missing_tensor_and_a_missing_file_say_what_to_do(folder: Path) -> None:
    tensors = load_file(folder / FILE)
    del tensors["slides.components"]
    save_file(tensors, folder / FILE)
    with pytest.raises(BundleError, match="does not fit") as caught:
        read_statistics(folder, 12)
    assert "--calibrate-only" in str(caught.value.remedy)
    (folder / FILE).unlink()
    with pytest.raises(BundleError, match="missing"):
        read_statistics(folder, 12)
