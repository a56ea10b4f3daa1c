"""Memory and precision on graphics cards, of which these tests have none: what PyTorch and transformers are asked."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from napari_mmlnb.describe import vlm_loading
from napari_mmlnb.describe.memory import memory_available, memory_needed
from napari_mmlnb.describe.request import DescriberRequest
from napari_mmlnb.describe.vlm_folder import VlmFolder
from napari_mmlnb.errors import DescriberMemoryError

QWEN = VlmFolder(Path("qwen"), "qwen2_5_vl", 8_292_000_000)
GB = 10**9


class _Model:
    device = torch.device("cuda")
    generation_config = SimpleNamespace(eos_token_id=1)

    def to(self, device: str) -> _Model:
        self.device = torch.device(device)
        return self

    def eval(self) -> _Model:
        return self


class _Card:
    """A made-up card, and what transformers was asked for with it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free, self.reserved, self.ram = 24 * GB, 0, 64 * GB
        self.bf16 = True
        self.installed = {"accelerate", "bitsandbytes"}
        self.asked: dict[str, Any] = {}
        cuda = {
            "is_available": lambda: True,
            "is_bf16_supported": lambda: self.bf16,
            "mem_get_info": lambda: (self.free, 24 * GB),
            "memory_reserved": lambda: self.reserved,
            "memory_allocated": lambda: 0,
        }
        for name, answer in cuda.items():
            monkeypatch.setattr(torch.cuda, name, answer)
        monkeypatch.setattr(vlm_loading, "find_spec", lambda name: name if name in self.installed else None)
        monkeypatch.setattr(vlm_loading, "memory_available", lambda d: self.ram if d == "cpu" else memory_available(d))
        monkeypatch.setattr(vlm_loading, "BitsAndBytesConfig", lambda **settings: settings)
        monkeypatch.setattr(vlm_loading.AutoProcessor, "from_pretrained", lambda *_, **__: SimpleNamespace())
        monkeypatch.setattr(vlm_loading.AutoModelForImageTextToText, "from_pretrained", self._load)

    def _load(self, _path: Path, **arguments: Any) -> _Model:
        self.asked = arguments
        return _Model()

    def load(self) -> vlm_loading.LoadedVlm:
        return vlm_loading.load_vlm("qwen", QWEN, DescriberRequest("cuda"))


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> _Card:
    return _Card(monkeypatch)


def test_what_pytorch_holds_and_nobody_uses_is_free(card: _Card) -> None:
    card.free, card.reserved = 4 * GB, 19 * GB
    assert memory_available("cuda") == 23 * GB
    assert card.load().precision == "bfloat16", "the second slide is described as the first"


def test_weights_go_onto_the_card_part_by_part(card: _Card) -> None:
    card.ram = 2 * GB
    assert card.load().on_card
    assert card.asked["device_map"] == {"": "cuda"}


def test_without_accelerate_they_must_fit_into_the_machine_s_memory_too(card: _Card) -> None:
    card.installed = {"bitsandbytes"}
    card.ram = 8 * GB
    with pytest.raises(DescriberMemoryError, match="install accelerate") as raised:
        card.load()
    assert raised.value.where == "memory"
    assert not card.asked
    card.ram = 32 * GB
    assert card.load().on_card
    assert "device_map" not in card.asked


@pytest.mark.parametrize(("bf16", "dtype"), [(True, torch.bfloat16), (False, torch.float16)])
def test_four_bits_compute_in_what_the_card_has(card: _Card, bf16: bool, dtype: torch.dtype) -> None:
    card.free, card.bf16 = 12 * GB, bf16
    assert card.load().precision == "4-bit"
    assert card.asked["quantization_config"]["bnb_4bit_compute_dtype"] == card.asked["dtype"] == dtype


def test_four_bits_need_accelerate_by_name(card: _Card) -> None:
    card.free, card.installed = 12 * GB, {"bitsandbytes"}
    with pytest.raises(DescriberMemoryError, match="With accelerate installed") as raised:
        card.load()
    assert raised.value.needed == memory_needed(QWEN.weights, "bfloat16")
