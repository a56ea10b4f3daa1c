"""Vision-language models in this process: real, tiny ones, taught a few sentences, loaded as any user's model is."""

from __future__ import annotations

import gc
import json
import shutil
import struct
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForImageTextToText

from napari_mmlnb.describe.base import EvidenceTile, TileDescription
from napari_mmlnb.describe.memory import choose_precision, memory_available, memory_needed
from napari_mmlnb.describe.prompt import DEFAULT_PROMPT, Generation
from napari_mmlnb.describe.registry import OWN, create_describer
from napari_mmlnb.describe.request import DescriberRequest
from napari_mmlnb.describe.vlm import VlmDescriber
from napari_mmlnb.errors import DescriberError, DescriberMemoryError, RequestError
from napari_mmlnb.geometry import Region
from napari_mmlnb.hub_cache import own_cache
from tests.describe import tiny_vlm
from tests.describe.chat_server import wait_until

GREEDY = Generation(temperature=0, repetition_penalty=1, max_new_tokens=64)
FORBIDDEN = ("ud", "undifferentiated", "pd", "poorly differentiated", "d", "differentiating")
PICTURES = MappingProxyType(
    {
        shade: np.full((64, 64, 3), colour, np.uint8)
        for shade, colour in {"dark": (70, 40, 110), "middle": (230, 90, 120), "pale": (235, 225, 240)}.items()
    }
)
SAID = MappingProxyType(
    {
        "dark": "Neuropil is abundant. Nuclei are small and dark. Dark fragments are few.",
        "middle": "Neuropil is scant. This is poorly differentiated. Dark fragments are few.",
        "pale": "Neuropil is scant. Nuclei are large and pale. Dark fragments are many.",
    }
)


@pytest.fixture(scope="session")
def fast_vlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny FastVLM that says of each picture what `SAID` has."""
    folder = tiny_vlm.fast_vlm(tmp_path_factory.mktemp("fast_vlm"), corpus=(*tiny_vlm.CORPUS, *SAID.values()))
    loss = tiny_vlm.teach(folder, [(PICTURES[shade], SAID[shade]) for shade in PICTURES], DEFAULT_PROMPT)
    assert loss < 0.05
    return folder


@pytest.fixture(scope="session")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen2.5-VL that was taught nothing."""
    return tiny_vlm.qwen2_5_vl(tmp_path_factory.mktemp("qwen"))


def tiles(*shades: str) -> list[EvidenceTile]:
    return [EvidenceTile(rank, PICTURES[s], 0.5, Region(0.0, 0.0, 32.0, 32.0)) for rank, s in enumerate(shades, 1)]


def own(folder: Path, generation: Generation = GREEDY, **options: object) -> VlmDescriber:
    request = DescriberRequest("cpu", generation=generation, forbidden=FORBIDDEN, folder=folder, **options)  # type: ignore[arg-type]
    describer = create_describer(OWN, request)
    assert isinstance(describer, VlmDescriber)
    return describer


def complete(said: list[TileDescription]) -> list[TileDescription]:
    return [description for description in said if description.complete]


def parts(text: str) -> tuple[str, ...]:
    return tuple(part.rstrip(".") + "." for part in text.split(". "))


def test_each_tile_gets_its_own_words_as_they_come_and_no_class(fast_vlm: Path) -> None:
    with own(fast_vlm) as describer:
        said = list(describer.describe(tiles("dark", "middle", "pale")))
    done = complete(said)
    assert [d.rank for d in done] == [1, 2, 3]
    assert done[0].sentences == parts(SAID["dark"])
    assert done[2].sentences == parts(SAID["pale"])
    assert done[1].sentences == ("Neuropil is scant.", "Dark fragments are few.")
    assert [d.faults for d in done] == [(), ("class name",), ()]
    growing = [d.sentences for d in said if d.rank == 1]
    assert growing == [parts(SAID["dark"])[:n] for n in (1, 2, 3)]  # one more sentence each time
    assert said[0].rank == 1
    assert not said[0].complete


def test_the_summary_says_what_was_said_and_of_which_tiles(fast_vlm: Path) -> None:
    with own(fast_vlm) as describer:
        summary = describer.summarise(list(describer.describe(tiles("dark", "middle", "pale"))))
    assert {s.text: s.evidence for s in summary.sentences} == {
        "Dark fragments are few.": (1, 2),
        "Neuropil is scant.": (2, 3),
        "Neuropil is abundant.": (1,),
        "Nuclei are small and dark.": (1,),
        "Nuclei are large and pale.": (3,),
        "Dark fragments are many.": (3,),
    }


def test_a_seed_gives_the_same_words_whatever_stands_beside_a_tile(fast_vlm: Path) -> None:
    wild = Generation(temperature=2.0, top_p=1.0, top_k=400, repetition_penalty=1, max_new_tokens=24)
    with own(fast_vlm, wild) as describer:
        torch.manual_seed(5)
        state = torch.get_rng_state()
        together = complete(list(describer.describe(tiles("dark", "middle", "pale"))))
        assert torch.equal(torch.get_rng_state(), state)  # the process' own random numbers are left alone
        alone = complete(list(describer.describe(tiles("dark"))))
    other_seed = wild.model_copy(update={"seed": wild.seed + 1})
    with own(fast_vlm, other_seed) as describer:
        others = complete(list(describer.describe(tiles("dark", "middle", "pale"))))
    assert alone[0] == together[0]
    assert [d.sentences for d in others] != [d.sentences for d in together]


def test_an_answer_at_its_greatest_length_is_cut_off_and_says_so(fast_vlm: Path) -> None:
    with own(fast_vlm, GREEDY.model_copy(update={"max_new_tokens": 8})) as describer:
        (done,) = complete(list(describer.describe(tiles("dark"))))
    assert done.faults == ("cut off",)
    assert set(done.sentences) < set(parts(SAID["dark"]))


def test_a_tile_takes_no_longer_than_it_may(fast_vlm: Path) -> None:
    endless = Generation(temperature=2.0, top_p=1.0, top_k=400, max_new_tokens=900)
    with own(fast_vlm, endless, seconds_a_tile=0.05) as describer:
        done = complete(list(describer.describe(tiles("dark", "pale"))))
    assert len(done) == 2
    assert any("time limit" in d.faults for d in done)  # and not "cut off", as after all of the 900
    assert not any("cut off" in d.faults for d in done)


def test_whoever_stops_listening_stops_the_model(fast_vlm: Path) -> None:
    with own(fast_vlm) as describer:
        answer = describer.describe(tiles("dark", "pale"))
        next(answer)
        answer.close()  # type: ignore[attr-defined]
        assert not [t for t in threading.enumerate() if t.name == "describe" and t.is_alive()]
        assert complete(list(describer.describe(tiles("dark"))))[0].sentences == parts(SAID["dark"])


def test_the_model_is_freed_and_comes_back(fast_vlm: Path) -> None:
    describer = own(fast_vlm)
    list(describer.describe(tiles("dark")))
    assert describer._loaded is not None
    model = weakref.ref(describer._loaded.model)
    describer.close()
    gc.collect()
    assert wait_until(lambda: model() is None)
    assert complete(list(describer.describe(tiles("dark"))))[0].sentences == parts(SAID["dark"])


def test_too_many_tiles_for_the_memory_become_fewer_at_once(fast_vlm: Path) -> None:
    asked: list[int] = []
    with own(fast_vlm) as describer:
        expected = complete(list(describer.describe(tiles("dark", "middle", "pale", "dark"))))
        assert describer._loaded is not None
        whole = describer._loaded.model.generate

        def small_memory(**inputs: torch.Tensor) -> object:
            asked.append(len(inputs["input_ids"]))
            if asked[-1] > 1:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return whole(**inputs)

        describer._loaded.model.generate = small_memory
        assert complete(list(describer.describe(tiles("dark", "middle", "pale", "dark")))) == expected
        assert asked == [4, 2, 1, 1, 1, 1]

        def no_memory(**inputs: torch.Tensor) -> object:
            raise torch.OutOfMemoryError("CUDA out of memory")

        describer._loaded.model.generate = no_memory
        with pytest.raises(DescriberError, match="memory ran out"):
            list(describer.describe(tiles("dark", "pale")))


def test_qwen_speaks_through_the_same_code_and_its_noise_is_judged(qwen: Path) -> None:
    with own(qwen, Generation(temperature=1.5, max_new_tokens=40)) as describer:
        done = complete(list(describer.describe(tiles("dark", "pale"))))
    assert [d.rank for d in done] == [1, 2]
    assert all(d.faults for d in done)  # it was taught nothing, and nothing of that sort passes for a sentence


def test_an_adapter_is_what_answers_and_merging_it_changes_nothing(qwen: Path, tmp_path: Path) -> None:
    torch.manual_seed(3)
    targets = r".*language_model.*\.(q_proj|v_proj|o_proj|down_proj)"
    adapted = get_peft_model(
        AutoModelForImageTextToText.from_pretrained(qwen),
        LoraConfig(r=4, target_modules=targets, init_lora_weights=False),
    )
    adapted.save_pretrained(tmp_path / "adapter")
    bare, with_adapter = own(qwen), own(qwen, adapter=tmp_path / "adapter")
    asked = [tile.rgb for tile in tiles("dark", "pale")]
    tokens = {}
    for name, describer in {"bare": bare, "adapter": with_adapter}.items():
        loaded = describer._load()
        inputs = loaded.inputs(asked, DEFAULT_PROMPT)
        tokens[name] = loaded.model.generate(**inputs, do_sample=False, max_new_tokens=12)
        assert not isinstance(loaded.model, PeftModel)
    unmerged = adapted.eval().generate(**inputs, do_sample=False, max_new_tokens=12)
    assert torch.equal(tokens["adapter"], unmerged)
    assert not torch.equal(tokens["bare"], tokens["adapter"])
    (tmp_path / "adapter" / "adapter_model.safetensors").unlink()
    with pytest.raises(DescriberError, match="adapter has no"):
        own(qwen, adapter=tmp_path / "adapter")


def test_a_processor_without_a_chat_template_is_asked_plainly(fast_vlm: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(fast_vlm, tmp_path / "plain"))
    (folder / "chat_template.jinja").unlink()
    with own(folder) as describer:
        assert len(complete(list(describer.describe(tiles("dark", "pale"))))) == 2


def test_a_folder_of_ones_own_is_named_without_its_path(fast_vlm: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(fast_vlm, tmp_path / "case_of_mr_x" / "my-vlm"))
    describer = create_describer(str(folder), DescriberRequest("cpu", generation=GREEDY, licence="MIT"))
    assert (describer.facts.name, describer.facts.licence, describer.facts.generates) == ("my-vlm", "MIT", True)
    assert complete(list(describer.describe(tiles("dark"))))[0].sentences == parts(SAID["dark"])


@pytest.mark.parametrize("cache", ["own", "hub"])
def test_a_profile_is_loaded_from_either_cache_at_its_commit(
    cache: str, qwen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789" * 4
    folder = own_cache("Qwen/Qwen2.5-VL-7B-Instruct", commit)
    if cache == "hub":
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
        folder = tmp_path / "models--Qwen--Qwen2.5-VL-7B-Instruct" / "snapshots" / commit
    folder.parent.mkdir(parents=True)
    shutil.copytree(qwen, folder)
    name = f"qwen2_5_vl_7b@{commit}"
    describer = create_describer(name, DescriberRequest("cpu", generation=GREEDY))
    assert (describer.facts.name, describer.facts.licence) == (name, "Apache-2.0")
    assert len(complete(list(describer.describe(tiles("dark"))))) == 1


def _header(folder: Path, shape: list[int], size: int) -> None:
    """A safetensors file with a header and nothing behind it: as long as it says, but taking no room on the disk."""
    header = json.dumps({"w": {"dtype": "U8", "shape": shape, "data_offsets": [0, size]}}).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + size)


def test_a_model_that_does_not_fit_is_not_loaded_and_both_figures_are_given(qwen: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(qwen, tmp_path / "huge"))
    _header(folder, [10**6, 10**5], 10**11)
    describer = own(folder)
    with pytest.raises(
        DescriberMemoryError, match=r"own needs about 4.8e\+02 GB of memory, and .* GB are free"
    ) as raised:
        list(describer.describe(tiles("dark")))
    assert raised.value.needed == memory_needed(10**11, "float32")
    assert 0 < raised.value.available < raised.value.needed
    assert describer._loaded is None


@pytest.mark.parametrize(
    ("device", "gigabytes", "expected"),
    [("cpu", 40, "float32"), ("cuda", 24, "bfloat16"), ("cuda", 12, "4-bit"), ("mps", 24, "bfloat16")],
)
def test_the_finest_precision_that_fits(device: str, gigabytes: int, expected: str) -> None:
    room = gigabytes * 10**9
    weights = 8_292_000_000
    chosen = choose_precision("m", weights, device=device, half="bfloat16", available=room, four_bit_lacks=())
    assert chosen == expected
    assert memory_needed(weights, chosen) <= room


@pytest.mark.parametrize("lacks", [("bitsandbytes",), ("accelerate",), ("bitsandbytes", "accelerate")])
def test_what_4_bits_would_need_is_named(lacks: tuple[str, ...]) -> None:
    room = 12 * 10**9
    with pytest.raises(
        DescriberMemoryError, match=rf"With {' and '.join(lacks)} installed, it would need about 7\.5 GB"
    ) as raised:
        choose_precision("m", 8_292_000_000, device="cuda", half="bfloat16", available=room, four_bit_lacks=lacks)
    assert raised.value.where == "memory of the graphics card"
    assert memory_available("cpu") > 10**8


def _without(*names: str) -> Callable[[Path], None]:
    return lambda folder: [(folder / name).unlink() for name in names] and None


def _index(weights: dict[str, str]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}), encoding="utf-8")

    return damage


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _own_code(folder: Path) -> None:
    _edit(folder / "config.json", auto_map={"AutoModel": "evil.Model"})


def _own_code_of_the_processor(folder: Path) -> None:
    _edit(folder / "processor_config.json", auto_map={"AutoProcessor": "evil.Processor"})


def _no_vlm(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")


def _unheard_of(folder: Path) -> None:
    _edit(folder / "config.json", model_type="vlm_of_the_future")


def _cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def _edit(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (_without("config.json"), "has no config.json"),
        (_without("processor_config.json"), "no processor"),
        (_without("tokenizer.json"), "no tokenizer"),
        (_without("model.safetensors"), "pickled ones are not read"),
        (_pickled, "pickled ones are not read"),
        (_index({"a": "model-1.safetensors"}), "lacks model-1.safetensors"),
        (_index({"a": "../../secret.safetensors"}), "lacks"),
        (_index({}), "names no file"),
        (_own_code, "never runs"),
        (_own_code_of_the_processor, "never runs"),
        (_cut, "cannot be read"),
        (lambda folder: (folder / "config.json").write_text("[", encoding="utf-8"), "cannot be read"),
        (lambda folder: (folder / "config.json").write_text("{}", encoding="utf-8"), "names no model_type"),
    ],
)
def test_an_unsound_folder_is_refused_before_anything_is_loaded(
    damage: Callable[[Path], None], problem: str, qwen: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(qwen, tmp_path / "vlm"))
    damage(folder)
    with pytest.raises(DescriberError, match=problem) as raised:
        own(folder)
    assert str(tmp_path) not in str(raised.value)


@pytest.mark.parametrize("damage", [_no_vlm, _unheard_of])
def test_what_transformers_cannot_load_is_one_clear_error(
    damage: Callable[[Path], None], qwen: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(qwen, tmp_path / "vlm"))
    damage(folder)
    with pytest.raises(DescriberError, match="could not be loaded"):
        list(own(folder).describe(tiles("dark")))


def test_a_device_that_is_not_there(qwen: Path) -> None:
    describer = create_describer(OWN, DescriberRequest("warp", folder=qwen))
    with pytest.raises(RequestError, match="'warp'"):
        list(describer.describe(tiles("dark")))


def test_no_folder_no_describer(tmp_path: Path) -> None:
    with pytest.raises(DescriberError, match="not there"):
        own(tmp_path / "nowhere")
