"""What a person reads at the end of a run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from napari_mmlnb.cli.summary import sending_lines, summary_lines, unreadable_lines
from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.inference.settings import RunSettings
from napari_mmlnb.result import RESEARCH_USE, RunMaps, RunResult, TileState
from tests.report.factories import AGAINST, make_generated
from tests.report.factories import make_result as make_described

LABELS = {"ud": "Undifferentiated", "pd": "Poorly differentiated", "d": "Differentiating"}


def make_result(**changes) -> RunResult:
    fields = {
        "run_id": "r1",
        "created": datetime(2026, 1, 2, tzinfo=UTC),
        "slide": {
            "path": "a.svs", "fingerprint": "f", "size_px": (100, 100), "mpp": (0.5, 0.5), "mpp_source": "aperio.MPP",
            "backend": "openslide", "levels": 1,
        },
        "model": {
            "name": "nb-phantom", "version": "1", "weights_sha256": "0", "licence": "BSD-3-Clause", "system": "mmlnb",
            "notice": "Knows synthetic slides only.",
        },
        "decision": "predict",
        "classes": [{"id": k, "label": v, "colour": "#112233"} for k, v in LABELS.items()],
        "probabilities": {"image": {"ud": 0.1, "pd": 0.2, "d": 0.7}, "fused": {"ud": 0.05, "pd": 0.12, "d": 0.83}},
        "prediction": "d",
        "coverage": {"tissue_mm2": 12.345, "tiles_total": 40, "tiles_used": 38, "tiles_unreadable": 2},
        "outputs": {"report.pdf": "aa", "regions.geojson": "bb"},
    }  # fmt: skip
    return RunResult.model_validate({**fields, **changes})


def test_a_prediction_names_class_probability_coverage_and_files():
    text = "\n".join(summary_lines(make_result(), Path("out")))
    assert "Differentiating (d)" in text
    assert "d 0.83" in text
    assert "image alone: ud 0.10, pd 0.20, d 0.70" in text, "the branches stand beside the fused answer"
    assert "12.35 mm2" in text or "12.34 mm2" in text
    assert "38 of 40 tiles" in text
    assert "2 unreadable" in text
    assert "Knows synthetic slides only." in text
    for name in ("result.json", "report.pdf", "regions.geojson"):
        assert name in text
    assert text.endswith(RESEARCH_USE)


def test_an_abstention_names_no_class_and_shows_no_probability():
    result = make_result(
        decision="abstain",
        prediction=None,
        abstain_reasons=[{"code": "out_of_distribution", "text": "The slide is unlike those of the training."}],
    )
    text = "\n".join(summary_lines(result, Path("out")))
    assert "abstain" in text
    assert "The slide is unlike those of the training. (out_of_distribution)" in text
    for label in LABELS.values():
        assert label not in text
    assert "probability" not in text
    assert "0.83" not in text


def test_unreadable_tiles_are_named_by_their_place():
    state = np.zeros((4, 5), np.uint8)
    state[1, 2] = state[3, 4] = TileState.UNREADABLE
    grid = PixelGrid((4, 5), (112.0, 112.0), (0.0, 0.0))
    values = np.full((4, 5), np.nan, np.float32)
    maps = RunMaps(grid, values, {}, state, (0.0, 1.0), state > 0, grid, np.zeros((4, 5, 3), np.uint8), grid)
    lines = list(unreadable_lines(make_result().with_maps(maps)))
    assert lines[0] == "2 of 40 tiles could not be read:"
    assert lines[1:] == [
        "  tile in row 1, column 2 of the tile grid, at y 112 um, x 224 um",
        "  tile in row 3, column 4 of the tile grid, at y 336 um, x 448 um",
    ]


def test_nothing_is_said_where_every_tile_was_read():
    whole = {"tissue_mm2": 1.0, "tiles_total": 4, "tiles_used": 4, "tiles_unreadable": 0}
    assert list(unreadable_lines(make_result(coverage=whole))) == []


def with_words(**changes):
    result = make_described()
    return result.model_copy(update={"generated": make_generated(result.evidence, **changes)})


def test_a_model_s_words_are_told_with_what_contradicts_them(tmp_path):
    lines = list(summary_lines(with_words(sends_to="http://10.0.0.7/v1", faults={8: ("another language",)}), tmp_path))
    text = "\n".join(lines)
    sent = "tiles were sent to http://10.0.0.7/v1, unencrypted"
    assert f"Description by made-up-vlm (Apache-2.0; {sent}), 8 tiles:" in lines
    against = AGAINST.replace("measured", "measured on tile 3")
    assert any(
        line.startswith("  Abundant neuropil parts the cells. [tile") and line.endswith(f"] [contradicted, {against}]")
        for line in lines
    )
    assert "  A measurement contradicts 1 of 16 sentences of the tiles." in lines
    assert "Tile 8, left out: another language" in text


def test_each_sentence_names_its_tiles(tmp_path):
    said = make_described().evidence
    ranks = {"One.": (1,), "Neighbours.": (3, 1, 2), "Apart.": (1, 2, 5), "None.": ()}
    sentences = [{"text": text, "evidence": where} for text, where in ranks.items()]
    result = make_described()
    generated = make_generated(said).model_validate(make_generated(said).model_dump() | {"sentences": sentences})
    lines = list(summary_lines(result.model_copy(update={"generated": generated}), tmp_path))
    for line in ("  One. [tile 1]", "  Neighbours. [tiles 1-3]", "  Apart. [tiles 1-2, 5]", "  None."):
        assert line in lines


def test_precision_and_device_stand_beside_the_licence(tmp_path):
    lines = list(summary_lines(with_words(device="cuda", precision="4-bit"), tmp_path))
    assert "Description by made-up-vlm (Apache-2.0; 4-bit on cuda), 8 tiles:" in lines


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("", []),
        ("http://127.0.0.1:8000/v1", []),
        ("https://10.0.0.7/v1", ["https://10.0.0.7/v1."]),
        ("http://10.0.0.7/v1", ["http://10.0.0.7/v1, unencrypted."]),
    ],
)
def test_before_tiles_leave_this_machine_it_is_said_where_to_and_how(address, told):
    lines = list(sending_lines(RunSettings(server=address, may_send=True)))
    assert lines == [f"The evidence tiles of this slide will be sent to {words}" for words in told]


def test_words_on_a_foreign_slide_are_told_with_what_they_are_worth(tmp_path):
    reasons = ({"code": "out_of_distribution", "text": "The slide is unlike those of the training."},)
    changes = {"decision": "abstain", "prediction": None, "abstain_reasons": reasons}
    known = with_words()
    foreign = type(known).model_validate(known.model_dump() | changes)
    told = f"  {known.model.name} does not know slides like this one: a model's words on it may mean nothing."
    assert told in list(summary_lines(foreign, tmp_path))
    assert told not in list(summary_lines(known, tmp_path))


def test_a_fallback_is_told_and_nothing_else_of_the_model(tmp_path):
    result = with_words(sentences=(), tiles=(), fallback="gone did not describe the tiles: no memory.")
    lines = [line for line in summary_lines(result, tmp_path) if "escri" in line]
    assert lines == ["Description: gone did not describe the tiles: no memory."]


def test_without_a_model_no_description_is_printed(tmp_path):
    assert not any("Description" in line for line in summary_lines(make_result(), tmp_path))
