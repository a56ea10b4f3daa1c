"""The fine-tuning from end to end on tiny models: it learns, it keeps what it learned, and a stop costs nothing."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from napari_mmlnb.describe.base import EvidenceTile
from napari_mmlnb.describe.describing_facts import read_facts
from napari_mmlnb.describe.prompt import DEFAULT_PROMPT
from napari_mmlnb.describe.registry import create_describer
from napari_mmlnb.describe.request import DescriberRequest
from napari_mmlnb.errors import MissingExtraError, RequestError
from napari_mmlnb.geometry import Region
from napari_mmlnb.training.describing.recipe import finetune
from tests.training.describing.tiny import WORDS, configuration, image_table, read_table, write_table


def _finetune(folder: Path, model: Path, out: Path, **changes: object) -> tuple[Path, list[str]]:
    lines: list[str] = []
    return finetune(configuration(folder, model, **changes), out, log=lines.append), lines


def _losses(made: Path) -> list[float]:
    return [float(row["loss"]) for row in csv.DictReader((made / "steps.csv").open(encoding="utf-8"))]


def _logits(model, processor, image: Path) -> torch.Tensor:
    asked = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": DEFAULT_PROMPT}]}]
    text = processor.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
    inputs = processor(text=[text], images=[Image.open(image).resize((56, 56))], return_tensors="pt")
    with torch.no_grad():
        return model.eval()(**inputs).logits


@pytest.fixture(scope="module", params=["fast_vlm", "qwen", pytest.param("idefics", marks=pytest.mark.slow)])
def learned(request: pytest.FixtureRequest, models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory):
    """One fine-tuning of each architecture: base, data, what came out, and what was logged."""
    folder = image_table(tmp_path_factory.mktemp("learned") / "data")
    model = models[request.param]
    made, lines = _finetune(folder, model, folder.parent / "out", keep="both", epochs=5, checkpoint_steps=5)
    return model, folder, made, lines


def test_it_learns_and_what_it_learned_is_on_the_disk(learned) -> None:
    model, folder, made, lines = learned
    losses, metrics = _losses(made), json.loads((made / "metrics.json").read_text())
    assert losses[-1] < 0.8 * losses[0]
    assert metrics["gain"]["loss"]["interval"][1] < 0, "on patients that were not seen"
    assert metrics["after"]["perplexity"]["value"] < metrics["before"]["perplexity"]["value"]
    assert metrics["parts"]["report"]["patients"] >= 2
    # Read back by stock classes, without a line of ours.
    base = AutoModelForImageTextToText.from_pretrained(model, dtype=torch.float32)
    adapted = PeftModel.from_pretrained(base, str(made / "adapter"))
    merged = AutoModelForImageTextToText.from_pretrained(made / "merged", dtype=torch.float32)
    processor = AutoProcessor.from_pretrained(made / "merged")
    image = folder / "images" / "p00-0.png"
    said = _logits(adapted, processor, image)
    torch.testing.assert_close(_logits(merged, processor, image), said, atol=1e-4, rtol=1e-4)
    plain = AutoModelForImageTextToText.from_pretrained(model, dtype=torch.float32)
    assert (_logits(plain, processor, image) - said).abs().max() > 0.1
    assert set(metrics["read_back"]) == {"adapter", "merged"}
    for part in ("adapter", "merged"):
        card = (made / part / "README.md").read_text()
        assert "license: apache-2.0" in card
        assert f"{metrics['after']['loss']['value']:.3f}" in card
        assert json.loads((made / part / "describing.json").read_text())["base_sha256"] == metrics["base"]["sha256"]
    assert (made / "train.log").read_text().splitlines() == lines
    assert (made / "tensorboard").is_dir()
    assert str(folder.parent) not in (made / "MODEL_CARD.md").read_text()


def test_what_was_kept_describes_by_itself_and_is_asked_as_it_was_taught(learned) -> None:
    model, folder, made, _ = learned
    rgb = np.asarray(Image.open(folder / "images" / "p00-0.png").convert("RGB"))
    tile = EvidenceTile(1, rgb, 0.5, Region(0.0, 0.0, 32.0, 32.0))
    shown = {}
    for part in ("adapter", "merged"):
        describer = create_describer(str(made / part), DescriberRequest("cpu", base=str(model)))
        done = list(describer.describe([tile]))[-1]
        shown[part] = (done.sentences, done.faults)
        facts = read_facts(part, made / part)
        assert facts is not None
        assert facts.generation is not None
        assert facts.end_token is not None
    assert shown["adapter"] == shown["merged"]


def test_samples_stand_side_by_side(learned) -> None:
    _, folder, made, _ = learned
    samples = json.loads((made / "samples.json").read_text())
    assert len(samples) == 3
    by_name = {row["file_name"]: row["description"] for row in read_table(folder)}
    assert all(sample["truth"] == by_name[sample["file_name"]] for sample in samples)
    assert any(sample["before"] != sample["after"] for sample in samples)
    text = (made / "samples.md").read_text()
    assert all(sample["file_name"] in text and sample["truth"] in text for sample in samples)


@pytest.mark.parametrize("name", ["fast_vlm", pytest.param("qwen", marks=pytest.mark.slow)])
def test_a_fine_tuning_that_was_killed_goes_on_to_the_same_end(
    name: str, models: dict[str, Path], folder: Path, tmp_path: Path
) -> None:
    wanted = {"lora": {"r": 8, "alpha": 16, "dropout": 0.2}, "epochs": 3, "accumulation": 1, "report_texts": 2}
    whole, _ = _finetune(folder, models[name], tmp_path / "whole", **wanted)
    config = configuration(folder, models[name], **wanted)

    def killed(line: str) -> None:
        if line.startswith("epoch 2 of 3"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune(config, tmp_path / "broken", log=killed)
    lines: list[str] = []
    broken = finetune(config, tmp_path / "broken", log=lines.append)
    # The epoch's last step had been learned, but what it was worth had not been written down.
    assert "going on after step 6" in lines
    assert _losses(broken) == _losses(whole)
    one, other = (load_file(made / "adapter" / "adapter_model.safetensors") for made in (whole, broken))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert json.loads((broken / "metrics.json").read_text()) == json.loads((whole / "metrics.json").read_text())


@pytest.mark.slow
def test_one_that_is_over_learns_nothing_more_and_another_table_needs_a_folder_of_its_own(
    qwen: Path, folder: Path, tmp_path: Path
) -> None:
    made, _ = _finetune(folder, qwen, tmp_path)
    losses = _losses(made)
    made, lines = _finetune(folder, qwen, tmp_path)
    assert _losses(made) == losses
    assert not any(line.startswith("epoch") for line in lines)
    rows = read_table(folder)
    rows[0]["description"] = WORDS["ud"]
    write_table(folder, rows)
    with pytest.raises(RequestError, match="table is another"):
        _finetune(folder, qwen, tmp_path)
    _, lines = _finetune(folder, qwen, tmp_path / "other")
    assert not any(line.startswith("going on") for line in lines)
    assert any(line.startswith("epoch") for line in lines)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("qwen", {"lora": {"r": 8, "alpha": 16, "targets": "as_published"}, "gradient_checkpointing": True}),
        pytest.param("fast_vlm", {"gradient_checkpointing": True}, marks=pytest.mark.slow),
        pytest.param("fast_vlm", {"precision": "bfloat16", "keep": "both"}, marks=pytest.mark.slow),
        pytest.param("qwen", {"precision": "bfloat16", "keep": "merged"}, marks=pytest.mark.slow),
    ],
    ids=["published", "checkpointing", "bfloat16", "bfloat16-merged"],
)
def test_other_settings_learn_too(
    name: str, changes: dict[str, object], models: dict[str, Path], folder: Path, tmp_path: Path
) -> None:
    made, _ = _finetune(folder, models[name], tmp_path, report_texts=2, **changes)
    assert _losses(made)[-1] < _losses(made)[0]
    kept = changes.get("keep", "adapter")
    assert (made / "adapter").is_dir() == (kept != "merged")
    assert (made / "merged").is_dir() == (kept != "adapter")


def test_a_model_that_is_not_here_is_asked_for_nowhere(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="neither a folder nor in this machine's cache"):
        _finetune(folder, Path("Qwen/Qwen2.5-VL-7B-Instruct"), tmp_path)
    with pytest.raises(RequestError, match=r"config\.json"):
        _finetune(folder, folder, tmp_path)


def test_four_bits_need_what_is_not_here(qwen: Path, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"bitsandbytes|CUDA"):
        _finetune(folder, qwen, tmp_path, four_bit=True)


@pytest.mark.parametrize(("library", "extra"), [("peft", "train"), ("transformers", "transformers")])
def test_a_missing_library_is_named_with_its_extra(
    library: str, extra: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=rf"{library}.*napari-mmlnb\[{extra}\]"):
        _finetune(folder, Path("x"), tmp_path)
