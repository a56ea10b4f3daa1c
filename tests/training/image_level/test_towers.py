"""What frozen towers say is asked once a phase and changes nothing; a text tower may come from elsewhere."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForMaskedLM, BertModel, RobertaConfig, RobertaModel

from napari_mmlnb.errors import BundleError, RequestError
from napari_mmlnb.models.image_text import ImageTextNetwork
from napari_mmlnb.models.towers.image import build_image_tower
from napari_mmlnb.models.towers.text import TEXT_TOWERS
from napari_mmlnb.training.config import CurriculumConfig
from napari_mmlnb.training.curriculum import Phase, phase_at
from napari_mmlnb.training.image_level.arms import ARMS
from napari_mmlnb.training.image_level.data import ImageTextData
from napari_mmlnb.training.image_level.evaluation import evaluate_images
from napari_mmlnb.training.image_level.loop import predict, train_epoch
from napari_mmlnb.training.image_level.recipe import train_images
from napari_mmlnb.training.image_level.towers import ASK_BOTH, Said, ask_frozen
from tests.training.image_level.made import WORDS, configuration, image_folder

ROWS = np.array([1, 2, 3, 5, 6, 8, 9])
SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


def _data() -> ImageTextData:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (10, 64, 64, 3), np.uint8)
    return ImageTextData(pixels, torch.from_numpy(random.integers(1, 50, (10, 7))), np.arange(10) % 3)


def _network(arm: str) -> ImageTextNetwork:
    torch.manual_seed(0)
    return ARMS.get(arm).network(build_image_tower("small"), TEXT_TOWERS.get("small").build(50), 3)


def _trained(arm: str, phase: Phase, *, ask_each_time: bool) -> tuple[dict[str, torch.Tensor], np.ndarray]:
    model, data = _network(arm), _data()
    # Not Adam: it makes strides of the rounding in gradients that are zero, as of biases before a batch norm.
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-2)
    said = ASK_BOTH if ask_each_time else ask_frozen(model, data, ROWS, phase, 4)
    for epoch in range(3):
        torch.manual_seed(epoch)
        train_epoch(model, optimiser, data, said, ROWS[:5], phase, 4, np.random.default_rng(epoch))
    return model.state_dict(), predict(model, data, ROWS[5:], 4, said).fused


@pytest.mark.parametrize("arm", ["prmf", "image-only", "text-only", "concatenation"])
@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_asking_frozen_towers_once_trains_the_same_network(arm: str, epoch: int) -> None:
    phase = phase_at(epoch, CurriculumConfig(image_first=1, joint=1, consolidate=1))
    (once, answers), (each_time, expected) = (_trained(arm, phase, ask_each_time=on) for on in (False, True))
    for name, tensor in each_time.items():
        torch.testing.assert_close(once[name], tensor, msg=name)
    np.testing.assert_allclose(answers, expected, atol=1e-4)


def test_only_what_a_phase_freezes_is_asked_beforehand() -> None:
    config = CurriculumConfig(image_first=1, joint=1, consolidate=1)
    model, data = _network("prmf"), _data()
    first, joint, last = (ask_frozen(model, data, ROWS, phase_at(epoch, config), 4) for epoch in range(3))
    assert joint == Said()
    assert first.image is None
    for vectors in (first.text, last.text, last.image):
        assert vectors is not None
        assert len(vectors) == 10
        assert not vectors.requires_grad


def _tokenizer(folder: Path, padding: int = 0) -> None:
    words = sorted({word for text in WORDS.values() for word in text.replace(",", " ,").split()} | {"There", "is", "."})
    named = ["[UNK]", "[CLS]", "[SEP]", *words]
    named.insert(padding, "[PAD]")
    ids = {word: number for number, word in enumerate(named)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))  # noqa: S106 - no password
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [(mark, ids[mark]) for mark in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    tokenizer.save(str(folder / "tokenizer.json"))


def _bert(folder: Path) -> Path:
    """A tiny BERT as transformers writes it, its vocabulary padded beyond the tokenizer's, as published ones are."""
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=40, **SHAPE)).save_pretrained(folder)
    _tokenizer(folder)
    return folder


SHORT = {"curriculum": {"image_first": 1, "joint": 1, "consolidate": 1}}


def test_a_text_tower_from_elsewhere_is_trained_and_read_back(tmp_path: Path) -> None:
    data = image_folder(tmp_path / "data")
    text = {"name": "bert-base", "folder": str(_bert(tmp_path / "bert"))}
    folder = train_images(configuration(data, text=text, **SHORT), tmp_path / "out", log=lambda _: None)
    reported = [row["file_name"] for row in csv.DictReader((folder / "predictions.csv").open(encoding="utf-8"))]
    rows = [row for row in csv.DictReader((data / "table.csv").open(encoding="utf-8")) if row["file_name"] in reported]
    with (data / "report.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    asked = {
        "level": "image",
        "name": "again",
        "model": str(folder),
        "data": {"table": "report.csv", "images": "images"},
    }
    (data / "evaluation.yaml").write_text(json.dumps(asked), encoding="utf-8")
    evaluate_images(data / "evaluation.yaml", tmp_path / "evaluated", log=lambda _: None)
    found = json.loads((tmp_path / "evaluated" / "again" / "evaluation.json").read_text())
    scores = json.loads((folder / "scores.json").read_text())
    assert found["fused"]["confusion"] == scores["fused"]["confusion"]


def test_the_weights_from_elsewhere_are_what_it_starts_from(tmp_path: Path) -> None:
    from napari_mmlnb.training.image_level.config import TextTowerConfig
    from napari_mmlnb.training.image_level.parts import configured_text_tower

    folder = _bert(tmp_path / "bert")
    tower = configured_text_tower(TextTowerConfig(folder=Path("bert")), tmp_path, 40).eval()
    ids = torch.tensor([[2, 5, 6, 3, 0]])
    with torch.inference_mode():
        expected = BertModel.from_pretrained(folder).eval()(input_ids=ids, attention_mask=(ids != 0).long())
        torch.testing.assert_close(tower(ids), expected.pooler_output)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (lambda: BertForMaskedLM(BertConfig(vocab_size=40, **SHAPE)), "pooler.dense.bias is not there"),
        (lambda: RobertaModel(RobertaConfig(vocab_size=40, **SHAPE)), "type roberta"),
    ],
)
def test_a_model_that_would_in_part_start_from_nothing_is_refused(tmp_path: Path, model, why: str) -> None:
    model().save_pretrained(tmp_path / "bert")
    _tokenizer(tmp_path / "bert")
    config = configuration(image_folder(tmp_path / "data"), text={"folder": str(tmp_path / "bert")}, **SHORT)
    with pytest.raises(RequestError, match=why):
        train_images(config, tmp_path / "out", log=lambda _: None)


def test_a_tokenizer_whose_padding_would_be_read_as_a_word_is_refused(tmp_path: Path) -> None:
    folder = _bert(tmp_path / "bert")
    _tokenizer(folder, padding=3)
    config = configuration(image_folder(tmp_path / "data"), text={"folder": str(folder)}, **SHORT)
    with pytest.raises(BundleError, match=r"id 0 is not \[PAD\]"):
        train_images(config, tmp_path / "out", log=lambda _: None)
