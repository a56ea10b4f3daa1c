"""What may leave the program: no path, and of an abstention nothing that names a class."""

import json
from pathlib import Path

import pytest

from napari_mmlnb.report.sharing import WITHHELD, shareable
from tests.report.factories import SLIDE_PATH, make_generated, make_result


def test_path_and_file_name_are_gone_wherever_they_stood():
    name = Path(SLIDE_PATH).name
    result = make_result()
    result = result.model_copy(
        update={
            "settings": {"note": f"from {name}", "list": [SLIDE_PATH, "cpu"]},
            "clinical": {"source": {"file": f"see {SLIDE_PATH}, please"}},
            "model": result.model.model_copy(update={"notice": f"run on {name}"}),
        }
    )
    text = shareable(result).to_json()
    assert name not in text
    assert "Doe" not in text
    assert json.loads(text)["slide"]["path"] == ""
    assert "please" in text


@pytest.mark.parametrize(
    "value",
    [
        "/data/x",
        "C:\\scans\\x",
        "~/x",
        "../x.svs",
        "jane.geojson",
        "scan.svs",
        "a/b/c",
        "\\\\server\\share",
        "case.tiff",
    ],
)
def test_settings_that_look_like_paths_are_withheld(value):
    result = make_result().model_copy(update={"settings": {"roi": value}})
    assert shareable(result).settings == {"roi": WITHHELD}


@pytest.mark.parametrize(
    "value", ["cpu", "cuda:0", "1.0.2", "um/px", "torch.float16", "nb-phantom", "no GPU was found.", 3, None]
)
def test_other_settings_stay(value):
    result = make_result().model_copy(update={"settings": {"it": value}})
    assert shareable(result).settings == {"it": value}


@pytest.mark.parametrize("path", ["C:\\scans\\Doe.svs", "/s/Doe.svs", "Doe.svs"])
def test_paths_of_every_system_are_known(path):
    result = make_result()
    result = result.model_copy(
        update={
            "slide": result.slide.model_copy(update={"path": path}),
            "clinical": {"note": f"{path} and Doe.svs"},
        }
    )
    assert "Doe" not in shareable(result).to_json()


@pytest.mark.parametrize("folder", ["slide", "model", "text", "tiles", "pd", "a"])
@pytest.mark.parametrize("decision", ["predict", "abstain"])
def test_a_folder_called_like_a_word_of_the_record_spoils_nothing(folder, decision):
    result = make_result(decision)
    named = result.model_copy(update={"slide": result.slide.model_copy(update={"path": folder})})
    assert shareable(named) == shareable(result)


def test_an_abstention_keeps_what_was_measured_and_loses_every_class():
    result = make_result("abstain")
    shared = shareable(result)
    assert shared.probabilities is None
    assert not shared.classes
    assert not shared.prediction_set
    assert all(not evidence.contribution for evidence in shared.evidence)
    assert [e.measurements for e in shared.evidence] == [e.measurements for e in result.evidence]
    assert shared.abstain_reasons == result.abstain_reasons


def test_a_prediction_keeps_its_numbers_and_the_original_its_path():
    result = make_result()
    assert shareable(result).probabilities == result.probabilities
    assert result.slide.path == SLIDE_PATH


MODEL = "/home/dr.smith/Patient Meier/qwen.gguf"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (MODEL, "qwen.gguf"),
        ("C:\\Users\\Smith\\Patient Meier\\qwen.gguf", "qwen.gguf"),
        ("/home/dr.smith/Patient Meier/qwen/", "qwen"),
        ("Qwen/Qwen2.5-VL-7B-Instruct", "Qwen2.5-VL-7B-Instruct"),
        ("qwen2.5vl:7b", "qwen2.5vl:7b"),
        ("", ""),
    ],
)
def test_a_model_goes_by_the_last_part_of_its_path(path, name):
    result = make_result()
    said = make_generated(result.evidence, describer=path or "server", model=path)
    settings = {"describer_shown": path or "server", "describer_server_model": path or None}
    result = result.model_copy(update={"generated": said, "settings": settings})
    shared = shareable(result)
    assert (shared.generated.model, shared.generated.describer) == (name, name or "server")
    assert shared.settings == {"describer_shown": name or "server", "describer_server_model": name or None}
    assert not {"Meier", "mith"} & set(shared.to_json().replace("/", " ").replace("\\", " ").split())
    assert shared.generated.sentences == said.sentences
    assert result.generated.model == path, "the record on the user's own disk keeps it"


def test_what_is_told_of_failures_loses_every_path():
    result = make_result("abstain")
    told = f"HTTP 404 (model {MODEL} not found)"
    reason = result.abstain_reasons[0].model_copy(update={"text": f"The model is missing: {told}."})
    said = make_generated(result.evidence, model=MODEL, fallback=f"No words: {told}.", faults={2: (told, "cut off")})
    shared = shareable(result.model_copy(update={"generated": said, "abstain_reasons": (reason,)}))
    assert "Meier" not in shared.to_json()
    assert "smith" not in shared.to_json()
    assert shared.generated.fallback.startswith("No words: HTTP 404 (")
    assert shared.generated.faults[2][1] == "cut off"


def test_a_describer_in_a_folder_is_named_without_its_parents_where_it_fails():
    result = make_result()
    folder = "/home/dr.smith/Patient Meier/vlm"
    said = make_generated(
        result.evidence,
        describer=folder,
        fallback=f"{folder} did not describe the tiles: no config.json in {folder}/Meier.",
    )
    shared = shareable(result.model_copy(update={"generated": said})).generated
    assert shared.fallback == f"vlm did not describe the tiles: no {WITHHELD} in {WITHHELD}."
