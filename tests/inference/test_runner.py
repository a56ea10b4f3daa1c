"""What a person can rely on in a run, whatever the model knows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.bundles.spec import LimitsSpec
from napari_mmlnb.errors import RequestError, RunCancelledError
from napari_mmlnb.inference import feature_cache, gathering
from napari_mmlnb.inference.encoding import EncodedBatch
from napari_mmlnb.inference.runner import classify
from napari_mmlnb.inference.runtimes.registry import RUNTIMES
from napari_mmlnb.inference.settings import RunSettings
from napari_mmlnb.result import RunResult, TileState
from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.slides.tile_grid import build_tile_grid
from napari_mmlnb.slides.tile_order import fair_order
from napari_mmlnb.slides.tile_reader import TileReader
from napari_mmlnb.slides.tissue import find_tissue
from tests.bundle_factory import make_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def result(bundle: Bundle, small_slide: Path) -> RunResult:
    return classify(small_slide, bundle)


def _answers(result: RunResult) -> dict[str, object]:
    return result.model_dump(exclude={"run_id", "created", "timings", "settings"})


def test_the_record_and_its_rasters_say_the_same(result: RunResult) -> None:
    maps = result.maps
    assert maps is not None
    used = maps.state == TileState.USED
    assert result.coverage.tiles_used == used.sum() > 4
    assert (np.isfinite(maps.attention) == used).all()
    assert np.isclose(np.nanmean(maps.attention), 1, atol=1e-4), "attention is in units of the slide's mean"
    for evidence, picture in zip(result.evidence, maps.evidence_tiles, strict=True):
        row, column = maps.grid.to_pixels(evidence.region.centre).astype(int)
        assert maps.attention[row, column] == pytest.approx(evidence.attention)
        for class_id, share in evidence.contribution.items():
            assert maps.contribution[class_id][row, column] == pytest.approx(share)
        assert picture.shape == (224, 224, 3)


def test_the_evidence_pictures_are_what_lies_there(result: RunResult, small_slide: Path) -> None:
    with open_slide(small_slide) as slide:
        for evidence, picture in zip(result.evidence, result.maps.evidence_tiles, strict=True):
            assert (slide.read_region(evidence.region, 0.5) == picture).all()


def test_contributions_and_the_bias_give_the_logits(result: RunResult, bundle: Bundle) -> None:
    bias = bundle.system.image_head.bias.detach().numpy()
    logits = np.array([np.nansum(result.maps.contribution[c]) for c in bundle.spec.class_ids]) + bias
    expected = bundle.calibration.probabilities("image", logits.astype(np.float32))
    assert list(result.probabilities.image.values()) == pytest.approx(list(expected), abs=1e-4)


@pytest.mark.parametrize("settings", [RunSettings(batch=1), RunSettings(batch=7, threads=1)])
def test_batch_and_threads_do_not_change_the_answer(
    result: RunResult, bundle: Bundle, small_slide: Path, settings: RunSettings
) -> None:
    other = classify(small_slide, bundle, settings=settings)
    assert other.prediction == result.prediction
    assert [e.region_um for e in other.evidence] == [e.region_um for e in result.evidence]
    np.testing.assert_allclose(other.maps.attention, result.maps.attention, rtol=1e-3)
    assert other.probabilities.fused == pytest.approx(result.probabilities.fused, abs=1e-3)


def test_the_same_run_twice_is_the_same_answer(result: RunResult, bundle: Bundle, small_slide: Path) -> None:
    again = classify(small_slide, bundle)
    assert _answers(again) == _answers(result)
    assert again.run_id != result.run_id


def test_a_stream_sharpens_and_ends_in_the_result(result: RunResult, bundle: Bundle, small_slide: Path) -> None:
    updates = list(classify(small_slide, bundle, stream=True, settings=RunSettings(batch=4)))
    assert updates[0].stage == "load"
    assert updates[-1].stage == "done"
    done = [u.done for u in updates if u.stage == "encode"]
    assert done == sorted(done)
    assert done[-1] == updates[-1].total == result.coverage.tiles_total
    assert [u.result is not None for u in updates] == [False] * (len(updates) - 1) + [True]
    assert updates[-1].result.prediction == result.prediction


def test_cancel_ends_the_run(bundle: Bundle, small_slide: Path) -> None:
    asked = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 2

    with pytest.raises(RunCancelledError):
        classify(small_slide, bundle, cancelled=cancelled, settings=RunSettings(batch=2))


def test_a_run_that_was_cut_off_goes_on_and_says_the_same(
    bundle: Bundle, small_slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_cache, "CHUNK_TILES", 4)
    settings = RunSettings(batch=2)
    anew = classify(small_slide, bundle, settings=replace(settings, cache_bytes=0))
    encoded = [0]
    with pytest.raises(RunCancelledError):
        for update in classify(small_slide, bundle, settings=settings, stream=True, cancelled=lambda: encoded[-1] >= 6):
            encoded.append(update.done)
    resumed = classify(small_slide, bundle, settings=settings)
    assert 4 <= resumed.timings["tiles_from_cache"] < resumed.coverage.tiles_total
    assert _answers(resumed) == _answers(anew)
    assert resumed.settings == anew.settings
    again = classify(small_slide, bundle, settings=settings)
    assert again.timings["tiles_from_cache"] == again.coverage.tiles_total
    assert _answers(again) == _answers(anew)


def test_the_runtime_is_recorded_and_its_features_are_mixed_with_no_other_s(bundle: Bundle, small_slide: Path) -> None:
    auto = classify(small_slide, bundle)
    assert auto.settings["runtime"] in RUNTIMES
    assert auto.settings["precision"] == RUNTIMES.get(auto.settings["runtime"]).facts.precision
    assert "features agree with float32" in auto.settings["runtime_reason"]
    other = "torch-float32" if auto.settings["runtime"] != "torch-float32" else "torch-bfloat16"
    named = classify(small_slide, bundle, settings=RunSettings(runtime=other))
    assert (named.settings["runtime"], named.settings["runtime_reason"]) == (other, "asked for")
    assert named.timings["tiles_from_cache"] == 0


def test_another_region_decodes_only_what_nobody_has_seen(
    bundle: Bundle, small_slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = classify(small_slide, bundle)
    roi = tmp_path / "roi.geojson"
    ring = [[0, 0], [800, 0], [800, 1200], [0, 1200], [0, 0]]
    roi.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    monkeypatch.setattr(gathering, "encode_tiles", _nothing_to_encode)
    part = classify(small_slide, bundle, settings=RunSettings(roi=roi))
    assert 0 < part.coverage.tiles_used < whole.coverage.tiles_used
    assert part.timings["tiles_from_cache"] == part.coverage.tiles_used


def _nothing_to_encode(reader: TileReader, *_others: object) -> Iterator[EncodedBatch]:
    assert len(reader) == 0
    return iter(())


def test_a_budget_answers_from_part_of_the_tiles_and_says_so(bundle: Bundle, small_slide: Path) -> None:
    result = classify(small_slide, bundle, settings=RunSettings(batch=4, seconds=0.0))
    assert result.coverage.tiles_used == 4 < result.coverage.tiles_total
    assert (result.maps.state == TileState.PENDING).sum() == result.coverage.tiles_total - 4
    assert result.settings["seconds"] == 0.0


def test_a_budget_answers_from_a_fair_sample_whatever_was_kept_before(
    bundle: Bundle, small_slide: Path, tmp_path: Path
) -> None:
    with open_slide(small_slide) as slide:
        spec = bundle.spec
        tissue = find_tissue(slide, spec.tissue_um_per_px)
        tiles = build_tile_grid(tissue, spec.encoder.input_px, spec.encoder.um_per_px, spec.min_tissue)
        order = fair_order(tiles, slide.stored_tile_um(tiles.um_per_px))
        last = tiles.region(int(order[-1]))
        corners = [(last.x, last.y), (last.x + last.width, last.y + last.height)]
        (left, top), (right, bottom) = ((x / slide.mpp.x, y / slide.mpp.y) for x, y in corners)
    roi = tmp_path / "roi.geojson"
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    roi.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    assert classify(small_slide, bundle, settings=RunSettings(roi=roi)).coverage.tiles_used == 1
    after = classify(small_slide, bundle, settings=RunSettings(batch=2, seconds=0.0))
    places = np.ravel_multi_index(tiles.cells[order].T, tiles.grid.shape)
    used = (after.maps.state == TileState.USED).ravel()[places]
    assert used.tolist() == [True] * 2 + [False] * (len(tiles) - 2)
    assert after.coverage.tiles_used == 2
    assert after.timings["tiles_from_cache"] == 0


def test_regions_of_another_slide_are_refused(bundle: Bundle, small_slide: Path, tmp_path: Path) -> None:
    roi = tmp_path / "roi.geojson"
    ring = [[9000, 9000], [9500, 9000], [9500, 9500], [9000, 9000]]
    roi.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    with pytest.raises(RequestError, match="outside the slide"):
        classify(small_slide, bundle, settings=RunSettings(roi=roi))


def test_glass_is_no_tissue_and_no_class(bundle: Bundle, make_tiff: Callable[..., Path]) -> None:
    glass = np.random.default_rng(0).normal(243, 1.5, (1200, 1200, 3)).clip(0, 255).astype(np.uint8)
    result = classify(make_tiff(picture=glass), bundle)
    assert result.decision == "abstain"
    assert [r.code for r in result.abstain_reasons] == ["no_tissue"]
    assert result.prediction is None
    assert result.prediction_set == ()
    assert result.evidence == ()


def test_a_strange_slide_is_refused_with_its_findings_kept(tmp_path: Path, small_slide: Path) -> None:
    result = classify(small_slide, make_bundle(tmp_path, shift_limit=1e-6))
    assert result.decision == "abstain"
    assert "out_of_distribution" in [r.code for r in result.abstain_reasons]
    assert result.prediction is None
    assert result.description.sentences


def test_a_strange_slide_shows_no_attention_while_it_runs(
    tmp_path: Path, small_slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_mmlnb.inference.live_answer.SECONDS_BETWEEN_MAPS", 0.0)
    strange = make_bundle(tmp_path / "strange", shift_limit=1e-6)
    familiar = make_bundle(tmp_path / "familiar")
    for bundle, shown in ((strange, False), (familiar, True)):
        updates = list(classify(small_slide, bundle, stream=True, settings=RunSettings(batch=4)))
        maps = [u.maps for u in updates if u.stage == "encode" and u.maps is not None][1:]
        assert maps
        assert all(np.isfinite(m.attention).any() == shown for m in maps)


def test_a_doubtful_answer_is_no_answer(tmp_path: Path, small_slide: Path) -> None:
    result = classify(small_slide, make_bundle(tmp_path, limits=LimitsSpec(min_probability=1.0)))
    assert [r.code for r in result.abstain_reasons] == ["low_confidence"]


def test_a_given_scale_changes_the_tiles_and_is_recorded(bundle: Bundle, small_slide: Path, result: RunResult) -> None:
    with open_slide(small_slide, mpp=1.0) as slide:
        other = classify(slide, bundle)
    assert other.slide.mpp == (1.0, 1.0)
    assert other.slide.mpp_source != result.slide.mpp_source
    assert other.coverage.tissue_mm2 == pytest.approx(4 * result.coverage.tissue_mm2, rel=0.05)
