"""What was written is read back before it counts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_mmlnb.errors import OutputError
from napari_mmlnb.training.describing import read_back
from napari_mmlnb.training.describing.adapter import learning_weights, save_adapter
from napari_mmlnb.training.describing.answers import collated
from napari_mmlnb.training.describing.read_back import Keeper, Probe, probe_of
from napari_mmlnb.training.describing.speaking import end_tokens
from tests.training.describing.bench import Bench


def _written(model: Path, folder: Path, **changes: object) -> tuple[Keeper, Path, Probe]:
    """A model that has learned something, its adapter on the disk."""
    bench = Bench(model, folder, **changes)
    with torch.no_grad():
        for weight in learning_weights(bench.model).values():
            weight.add_(torch.randn_like(weight) * 0.05)
    inputs, _ = collated([bench.pixels.exchange(row) for row in (0, 4)], bench.conversation.padding_id)
    probe = probe_of(bench.model, inputs)
    place = folder / "fresh" / "adapter"
    save_adapter(bench.model, place)
    ends = end_tokens(bench.model, bench.conversation)
    return Keeper(bench.config, bench.base, folder, torch.float32, torch.device("cpu"), ends), place, probe


def test_what_holds_takes_its_place(qwen: Path, folder: Path) -> None:
    (folder / "merged").mkdir()
    (folder / "merged" / "older.txt").write_text("of an earlier run")
    said = _keep(*_written(qwen, folder, keep="merged"))
    assert max(said.values()) < 1e-5
    assert (folder / "merged" / "model.safetensors").is_file()
    assert not (folder / "merged" / "older.txt").exists()
    assert not (folder / "adapter").exists()


def test_a_merged_model_that_is_not_the_trained_one_is_refused(
    qwen: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = read_back.save_merged

    def spoiled(model, processor, place: Path, *rest: object) -> None:
        save(model, processor, place, *rest)
        weights = load_file(place / "model.safetensors")
        weights["lm_head.weight"] = weights["lm_head.weight"].roll(1, 0)
        save_file(weights, place / "model.safetensors", {"format": "pt"})

    monkeypatch.setattr(read_back, "save_merged", spoiled)
    with pytest.raises(OutputError, match="merged model, read back, differs"):
        _keep(*_written(qwen, folder, keep="both"))
    assert not (folder / "merged").exists()
    assert not (folder / "adapter").exists()


def test_an_adapter_that_is_not_the_trained_one_is_refused(qwen: Path, folder: Path) -> None:
    keeper, place, probe = _written(qwen, folder)
    weights = load_file(place / "adapter_model.safetensors")
    name = next(name for name in weights if "down_proj.lora_B" in name)
    weights[name] = weights[name] * 3
    save_file(weights, place / "adapter_model.safetensors", {"format": "pt"})
    with pytest.raises(OutputError, match="adapter, read back, differs"):
        _keep(keeper, place, probe)
    assert not (folder / "adapter").exists()


def _keep(keeper: Keeper, place: Path, probe: Probe) -> dict[str, float]:
    return keeper.keep(place, probe)
