"""What a person is shown of the class while a run reads, and when a run may end early."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.bundles.spec import LimitsSpec
from napari_mmlnb.inference import early_stop, gathering, live_answer
from napari_mmlnb.inference.estimate import RunEstimate
from napari_mmlnb.inference.runner import classify
from napari_mmlnb.inference.settings import RunSettings, RunUpdate
from napari_mmlnb.result import RunResult, TileState
from tests.bundle_factory import make_bundle
from tests.slides.made import tissue_picture, write_tiff


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def small_slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some thirty tiles: enough for several looks."""
    path = tmp_path_factory.mktemp("slides") / "some.tiff"
    return write_tiff(path, picture=tissue_picture(1900, 1900, grain_px=1.5), downsamples=(4.0,))


@pytest.fixture
def always_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A map with every batch."""
    monkeypatch.setattr(live_answer, "SECONDS_BETWEEN_MAPS", 0.0)
    monkeypatch.setattr(live_answer, "_COSTS_AT_MOST", np.inf)


@pytest.fixture
def soon_stable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks on a slide as small as the tests'; any class that leads is stable enough."""
    monkeypatch.setattr(early_stop, "LEAST_TILES", 6)
    monkeypatch.setattr(early_stop, "_LEAST_STEP", 6)
    monkeypatch.setattr(gathering, "tile_blocks", lambda tiles, stored_um: np.arange(len(tiles)) // 3)


def _stream(slide: Path, bundle: Bundle, settings: RunSettings) -> list[RunUpdate]:
    return list(classify(slide, bundle, stream=True, settings=settings))


def _estimates(updates: list[RunUpdate]) -> list[RunEstimate]:
    return [u.estimate for u in updates if u.estimate is not None]


@pytest.mark.usefixtures("always_drawn")
def test_the_class_so_far_sharpens_into_the_image_branchs_answer(bundle: Bundle, small_slide: Path) -> None:
    updates = _stream(small_slide, bundle, RunSettings(batch=4, cache_bytes=0))
    estimates = _estimates(updates)
    result = updates[-1].result
    assert len(estimates) >= 3
    seen = [e.tiles_seen for e in estimates]
    assert seen == sorted(set(seen))
    assert all(e.tiles_total == result.coverage.tiles_total for e in estimates)
    for e in estimates:
        assert sum(e.probabilities.values()) == pytest.approx(1)
        assert all(low <= e.probabilities[c] <= high for c, (low, high) in e.intervals.items())
    assert dict(estimates[-1].probabilities) == pytest.approx(result.probabilities.image, abs=1e-4)
    assert estimates[-1].stability == 1.0
    assert all((u.maps is not None) for u in updates if u.estimate is not None), "the class comes beside the map"


@pytest.mark.usefixtures("always_drawn")
def test_a_slide_that_will_be_refused_shows_no_class_in_between(tmp_path: Path, small_slide: Path) -> None:
    strange = make_bundle(tmp_path / "strange", shift_limit=1e-6)
    doubtful = make_bundle(tmp_path / "doubtful", limits=LimitsSpec(min_probability=1.0))
    for bundle in (strange, doubtful):
        updates = _stream(small_slide, bundle, RunSettings(batch=4))
        assert updates[-1].result.decision == "abstain"
        assert not _estimates(updates)
        assert not _estimates(_stream(small_slide, bundle, RunSettings(batch=4))), "nor from kept features"


@pytest.mark.usefixtures("always_drawn")
def test_a_slide_out_of_focus_shows_neither_class_nor_attention_while_it_is_read(
    bundle: Bundle, tmp_path: Path
) -> None:
    soft = write_tiff(tmp_path / "soft.tiff", picture=tissue_picture(1900, 1900, grain_px=6), downsamples=(4.0,))
    updates = _stream(soft, bundle, RunSettings(batch=4))
    result = updates[-1].result
    assert [reason.code for reason in result.abstain_reasons] == ["poor_quality"]
    assert "focus" in result.abstain_reasons[0].text
    shown = [u for u in updates[:-1] if u.maps is not None]
    assert len(shown) >= 3
    assert not _estimates(updates)
    assert not any(np.isfinite(u.maps.attention).any() for u in shown)


def _said(result: RunResult) -> dict[str, object]:
    return result.model_dump(exclude={"run_id", "created", "timings"})


@pytest.mark.usefixtures("soon_stable")
def test_an_early_end_is_reported_with_what_was_not_read(bundle: Bundle, small_slide: Path) -> None:
    result = classify(small_slide, bundle, settings=RunSettings(stop_when_stable=0.5, batch=4, cache_bytes=0))
    after = result.settings["stopped_after_tiles"]
    assert result.settings["stop_when_stable"] == 0.5
    assert 0 < after < result.coverage.tiles_total
    assert result.coverage.tiles_used + result.coverage.tiles_unreadable == after
    assert result.coverage.tiles_unread == (result.maps.state == TileState.PENDING).sum() > 0
    unread, total = result.coverage.tiles_unread, result.coverage.tiles_total
    assert f"{unread} of {total} tiles were not looked at" in result.early_end
    assert "stable" in result.early_end
    whole = classify(small_slide, bundle, settings=RunSettings(cache_bytes=0))
    assert (whole.early_end, whole.settings["stopped_after_tiles"]) == ("", None)


@pytest.mark.usefixtures("soon_stable")
def test_where_it_ends_depends_neither_on_the_batch_nor_on_what_was_kept(bundle: Bundle, small_slide: Path) -> None:
    settings = RunSettings(stop_when_stable=0.5, batch=2, cache_bytes=0)
    first = classify(small_slide, bundle, settings=settings)
    large = classify(small_slide, bundle, settings=RunSettings(stop_when_stable=0.5, batch=64, cache_bytes=0))
    whole = classify(small_slide, bundle)
    kept = classify(small_slide, bundle, settings=RunSettings(stop_when_stable=0.5))
    assert kept.timings["tiles_from_cache"] == kept.coverage.tiles_used < whole.coverage.tiles_used
    for other in (large, kept):
        assert other.settings["stopped_after_tiles"] == first.settings["stopped_after_tiles"]
        assert (other.maps.state == first.maps.state).all()
        assert other.prediction == first.prediction
        np.testing.assert_allclose(other.maps.attention, first.maps.attention, rtol=1e-3)


def test_a_strange_slide_is_read_to_its_end(tmp_path: Path, small_slide: Path, soon_stable: None) -> None:
    strange = make_bundle(tmp_path, shift_limit=1e-6)
    result = classify(small_slide, strange, settings=RunSettings(stop_when_stable=0.5, batch=4))
    assert result.settings["stopped_after_tiles"] is None
    assert result.coverage.tiles_used == result.coverage.tiles_total
