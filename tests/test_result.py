"""The record of a run: what `result.json` says, and that it comes back."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from napari_mmlnb.result import SCHEMA_VERSION, Evidence, Measurement, Probabilities, RunResult, result_schema
from tests.report.factories import make_result

KEYS = [
    "schema", "run_id", "created", "slide", "model", "decision", "abstain_reasons", "classes", "probabilities",
    "prediction", "prediction_set", "text_trust", "shift", "quality", "coverage", "evidence", "description",
    "generated", "clinical", "inpc", "settings", "timings", "outputs", "software",
]  # fmt: skip

SLIDE_KEYS = ["path", "fingerprint", "size_px", "mpp", "mpp_source", "backend", "levels", "bounds_px", "icc", "notes"]


@pytest.mark.parametrize("decision", ["predict", "abstain"])
def test_round_trip_through_a_file(tmp_path, decision):
    result = make_result(decision)
    (tmp_path / "result.json").write_text(result.to_json(), encoding="utf-8")
    again = RunResult.from_file(tmp_path / "result.json")
    assert again == result.with_maps(None)
    assert again.maps is None
    assert again.to_json() == result.to_json()


@pytest.mark.parametrize("decision", ["predict", "abstain"])
def test_the_file_has_the_documented_keys_and_fits_its_schema(decision):
    jsonschema = pytest.importorskip("jsonschema")
    data = json.loads(make_result(decision).to_json())
    assert list(data) == KEYS
    assert data["schema"] == SCHEMA_VERSION
    jsonschema.Draft202012Validator.check_schema(result_schema())
    jsonschema.validate(data, result_schema())
    assert list(data["slide"]) == SLIDE_KEYS
    assert (data["prediction"] is None) == (decision == "abstain")


def test_a_record_from_before_bounds_and_colour_profiles_can_be_read():
    data = json.loads(make_result().to_json())
    del data["slide"]["bounds_px"], data["slide"]["icc"], data["slide"]["notes"]
    slide = RunResult.model_validate(data).slide
    assert slide.bounds_px is None
    assert slide.icc is None
    assert slide.scanned_grid.origin_um == (0.0, 0.0)


def test_the_scanned_part_lies_where_its_bounds_say():
    slide = make_result().slide.model_copy(update={"mpp": (0.25, 0.5), "bounds_px": (100, 300, 1000, 2000)})
    region = slide.scanned_grid.region
    assert (region.y, region.x, region.height, region.width) == (50.0, 75.0, 500.0, 500.0)


def test_units_of_the_file_are_the_documented_ones():
    result = make_result()
    data = json.loads(result.to_json())
    assert data["slide"]["size_px"] == [18 * 224, 14 * 224], "[x, y]"
    y, x, height, width = data["evidence"][0]["region_um"]
    region = result.evidence[0].region
    assert (y, x, height, width) == (region.y, region.x, region.height, region.width)


@given(st.dictionaries(st.text(max_size=5), st.floats(0, 1), max_size=4))
def test_probabilities_survive_exactly(values):
    again = Probabilities.model_validate_json(Probabilities(image=values).model_dump_json())
    assert again.image == values


@pytest.mark.parametrize("value", [-0.01, 1.01, math.nan])
def test_a_probability_lies_between_0_and_1(value):
    with pytest.raises(ValidationError):
        Probabilities(image={"ud": value})


def test_an_unknown_field_is_refused():
    data = json.loads(make_result().to_json())
    data["grade"] = "high"
    with pytest.raises(ValidationError, match="grade"):
        RunResult.model_validate(data)


def test_a_record_cannot_be_changed():
    result = make_result()
    with pytest.raises(ValidationError):
        result.prediction = "ud"


def test_digests_and_rasters_make_new_records():
    result = make_result()
    done = result.with_outputs({"report.pdf": "0" * 64})
    assert result.outputs == {}
    assert done.outputs == {"report.pdf": "0" * 64}
    assert done.maps is result.maps
    assert result.with_maps(None).maps is None
    assert result.maps is not None


def test_class_records_by_id():
    result = make_result()
    assert result.class_record("d").label == "Differentiating"
    with pytest.raises(KeyError):
        result.class_record("ganglioneuroma")


def test_ranks_start_at_one():
    with pytest.raises(ValidationError):
        Evidence(rank=0, region_um=(0, 0, 1, 1), attention=1.0, contribution={})


def test_a_measurement_that_is_no_number_never_enters_the_record():
    with pytest.raises(ValueError, match="finite"):
        Measurement(name="nuclear_size", value=math.nan, unit="um")
