"""A LoRA adapter in a folder, as `mmlnb finetune-vlm` leaves it: on its own base, and asked what it was taught."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForImageTextToText

from napari_mmlnb.describe.base import EvidenceTile
from napari_mmlnb.describe.describing_facts import FACTS_FILE, DescribingFacts, folder_digest, read_facts
from napari_mmlnb.describe.prompt import DEFAULT_PROMPT, STEADY, Generation
from napari_mmlnb.describe.registry import create_describer, settled_request
from napari_mmlnb.describe.request import DescriberRequest
from napari_mmlnb.describe.vlm import VlmDescriber
from napari_mmlnb.digest import file_sha256
from napari_mmlnb.errors import DescriberError, WeightsMissingError
from napari_mmlnb.geometry import Region
from napari_mmlnb.hub_cache import own_cache
from tests.describe.tiny_vlm import qwen2_5_vl

REPOSITORY = "Qwen/Qwen2.5-VL-7B-Instruct"
COMMIT, OTHER_COMMIT = "0123456789" * 4, "f" * 40
SHORT = Generation(temperature=0, repetition_penalty=1, max_new_tokens=6)
TILE = EvidenceTile(1, np.full((64, 64, 3), 90, np.uint8), 0.5, Region(0.0, 0.0, 32.0, 32.0))
FACTS = DescribingFacts(
    base="base", base_sha256="", licence="apache-2.0", prompt="What lies here?", image_px=56, generation=SHORT
)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A base and an adapter of it, which lie apart."""
    base = qwen2_5_vl(tmp_path_factory.mktemp("made") / "base")
    torch.manual_seed(3)
    targets = r".*language_model.*\.(q_proj|v_proj|down_proj)"
    adapted = get_peft_model(
        AutoModelForImageTextToText.from_pretrained(base),
        LoraConfig(r=4, target_modules=targets, init_lora_weights=False),
    )
    adapter = tmp_path_factory.mktemp("adapter") / "nb-adapter"
    adapted.save_pretrained(adapter)
    return base, adapter


@pytest.fixture
def base(made: tuple[Path, Path]) -> Path:
    return made[0]


@pytest.fixture
def adapter(made: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy that says what it was trained on, but not where that lies."""
    folder = Path(shutil.copytree(made[1], tmp_path / "trained" / "nb-adapter"))
    _state(folder, "base")
    FACTS.model_copy(update={"base_sha256": folder_digest(made[0])}).write(folder)
    return folder


def _state(adapter: Path, base: str) -> None:
    path = adapter / "adapter_config.json"
    told = json.loads(path.read_text(encoding="utf-8")) | {"base_model_name_or_path": base}
    path.write_text(json.dumps(told), encoding="utf-8")


def _made(adapter: Path, base: str = "") -> VlmDescriber:
    describer = create_describer(str(adapter), DescriberRequest("cpu", base=base))
    assert isinstance(describer, VlmDescriber)
    return describer


def _tokens(describer: VlmDescriber) -> torch.Tensor:
    loaded = describer._load()
    return loaded.model.generate(**loaded.inputs([TILE.rgb], "What lies here?"), do_sample=False, max_new_tokens=8)


def test_an_adapter_answers_on_the_base_that_is_given(adapter: Path, base: Path) -> None:
    describer = _made(adapter, str(base))
    assert (describer.facts.name, describer.facts.licence) == ("nb-adapter", "apache-2.0")
    assert list(describer.describe([TILE]))[-1].complete
    explicit = create_describer(str(base), DescriberRequest("cpu", adapter=adapter, image_px=56))
    assert isinstance(explicit, VlmDescriber)
    assert torch.equal(_tokens(describer), _tokens(explicit))
    bare = create_describer(str(base), DescriberRequest("cpu", image_px=56))
    assert isinstance(bare, VlmDescriber)
    assert not torch.equal(_tokens(describer), _tokens(bare))


def test_a_base_beside_the_adapter_is_found_by_its_name(adapter: Path, base: Path) -> None:
    with pytest.raises(DescriberError, match="trained on base, which is not on this machine") as raised:
        _made(adapter)
    assert "--describer-base DIR" in raised.value.remedy
    shutil.copytree(base, adapter.parent / "base")
    assert list(_made(adapter).describe([TILE]))[-1].complete


def test_a_base_that_the_adapter_names_by_its_path_is_found(adapter: Path, base: Path) -> None:
    (adapter / FACTS_FILE).unlink()
    _state(adapter, str(base))
    assert list(_made(adapter).describe([TILE]))[-1].complete
    _state(adapter, "/home/mr_x/models/secret")
    with pytest.raises(DescriberError, match="trained on secret, which") as raised:
        _made(adapter)
    assert "mr_x" not in str(raised.value)


def test_of_several_commits_here_the_one_that_it_was_trained_on_is_taken(adapter: Path, base: Path) -> None:
    FACTS.model_copy(update={"base": REPOSITORY, "base_sha256": folder_digest(base)}).write(adapter)
    with pytest.raises(DescriberError, match=f"trained on {REPOSITORY}, which is not") as raised:
        _made(adapter)
    assert "mmlnb models fetch qwen2_5_vl_7b@COMMIT --yes" in raised.value.remedy
    with pytest.raises(WeightsMissingError):
        _made(adapter, f"qwen2_5_vl_7b@{COMMIT}")
    shutil.copytree(base, own_cache(REPOSITORY, COMMIT))
    assert list(_made(adapter).describe([TILE]))[-1].complete
    assert list(_made(adapter, f"qwen2_5_vl_7b@{COMMIT}").describe([TILE]))[-1].complete
    qwen2_5_vl(own_cache(REPOSITORY, OTHER_COMMIT), seed=1)
    assert list(_made(adapter).describe([TILE]))[-1].complete
    (adapter / FACTS_FILE).unlink()
    _state(adapter, REPOSITORY)
    with pytest.raises(DescriberError, match="2 folders on this machine may be the model"):
        _made(adapter)


def test_another_base_than_its_own_is_refused_before_it_is_loaded(adapter: Path, tmp_path: Path) -> None:
    other = qwen2_5_vl(tmp_path / "other", seed=1)
    describer = _made(adapter, str(other))
    with pytest.raises(DescriberError, match="trained on another model than the base that is here"):
        list(describer.describe([TILE]))
    assert describer._loaded is None


def test_what_is_no_base_is_refused(adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(DescriberError, match="is no model") as raised:
        _made(adapter, str(tmp_path))
    assert str(tmp_path) not in str(raised.value)


def test_a_folder_is_asked_what_it_was_trained_with(base: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(base, tmp_path / "merged"))
    FACTS.write(folder)
    asked = settled_request(str(folder), DescriberRequest("cpu"))
    assert (asked.prompt, asked.image_px, asked.generation, asked.licence) == (
        "What lies here?", 56, SHORT, "apache-2.0"
    )  # fmt: skip
    assert settled_request(str(folder), DescriberRequest("cpu", generation=STEADY)).generation == STEADY
    assert settled_request(str(base), DescriberRequest("cpu")).prompt == DEFAULT_PROMPT
    describer = create_describer(str(folder), DescriberRequest("cpu"))
    assert isinstance(describer, VlmDescriber)
    loaded = describer._load()
    small = loaded.inputs([TILE.rgb], "x")["image_grid_thw"].tolist()
    large = loaded.inputs([np.zeros((112, 112, 3), np.uint8)], "x")["image_grid_thw"].tolist()
    assert small == large == [[1, 4, 4]], "every tile is shown at the size of the training"


def test_an_answer_ends_where_it_was_taught_to_end(base: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(base, tmp_path / "merged"))
    FACTS.model_copy(update={"end_token": 300}).write(folder)
    describer = create_describer(str(folder), DescriberRequest("cpu"))
    assert isinstance(describer, VlmDescriber)
    loaded = describer._load()
    assert {300} < loaded.ends
    assert set(loaded.model.generation_config.eos_token_id) == loaded.ends


@pytest.mark.parametrize("text", ["[", "{}", '{"base": 1}'])
def test_damaged_facts_are_one_clear_error(text: str, base: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(base, tmp_path / "merged"))
    (folder / FACTS_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(DescriberError, match=r"describing\.json of merged.*cannot be used"):
        create_describer(str(folder))


def test_facts_of_earlier_versions_are_read(tmp_path: Path) -> None:
    told = {"base": "b", "base_sha256": "0", "licence": "not stated in its folder", "prompt": "p", "image_px": None}
    (tmp_path / FACTS_FILE).write_text(json.dumps(told), encoding="utf-8")
    facts = read_facts("m", tmp_path)
    assert facts is not None
    assert (facts.generation, facts.end_token, facts.stated_licence) == (None, None, "")


def test_what_spoke_is_told_once_it_has_spoken_and_after_it_was_freed(adapter: Path, base: Path) -> None:
    plain, adapted = create_describer(str(base), DescriberRequest("cpu", generation=SHORT)), _made(adapter, str(base))
    assert plain.facts.precision == ""
    for describer in (plain, adapted):
        list(describer.describe([TILE]))
        describer.close()
        assert (describer.facts.device, describer.facts.precision) == ("cpu", "float32")
    assert plain.facts.weights_sha256 == file_sha256(base / "model.safetensors")
    assert len(adapted.facts.weights_sha256) == 64
    assert adapted.facts.weights_sha256 != plain.facts.weights_sha256


def test_weights_are_read_for_their_digest_once(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(shutil.copytree(base, tmp_path / "mine"))
    read: list[Path] = []
    monkeypatch.setattr("napari_mmlnb.digest.file_sha256", lambda path: read.append(path) or "0" * 64)
    for _ in range(2):
        list(create_describer(str(folder), DescriberRequest("cpu", generation=SHORT)).describe([TILE]))
    assert read == [folder.resolve() / "model.safetensors"]
