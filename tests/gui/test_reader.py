"""Slides come in through napari's own ways: the reader, a drop on the canvas, the sample menu."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("napari")

from napari.utils.notifications import notification_manager

from napari_mmlnb.viewer import reader, sample
from napari_mmlnb.viewer.mpp_dialog import MppDialog
from napari_mmlnb.viewer.slide_layer import SLIDE_KEY, slide_layer_data, slide_name

PLUGIN = "napari-mmlnb"


def test_no_reader_for_what_is_no_slide(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "broken.svs").write_bytes(b"not a slide")
    assert reader.get_reader(str(tmp_path / "notes.txt")) is None
    assert reader.get_reader(str(tmp_path)) is None
    assert reader.get_reader([str(tmp_path / "a.svs"), str(tmp_path / "b.svs")]) is None


def test_layer_data_is_lazy_and_in_micrometres(slide):
    pyramid, keywords, kind = slide_layer_data(slide)
    assert kind == "image"
    assert pyramid[0].shape == (*slide.grids[0].shape, 3)
    assert not isinstance(pyramid[0], np.ndarray)
    assert max(pyramid[-1].shape[:2]) <= 2000
    assert keywords["scale"] == slide.grids[0].spacing_um
    assert keywords["units"] == ("um", "um")
    assert keywords["metadata"][SLIDE_KEY] is slide


@pytest.mark.parametrize(
    ("name", "expected"), [("case.svs", "case"), ("case.ome.tif", "case"), ("v1.2.svs", "v1.2"), ("folder", "folder")]
)
def test_layer_is_called_like_the_file(name, expected):
    assert slide_name(Path(name)) == expected


def test_napari_opens_a_slide_by_its_path(make_napari_viewer, small_slide):
    viewer = make_napari_viewer()
    (layer,) = viewer.open(small_slide, plugin=PLUGIN)
    assert layer.name == small_slide.stem
    assert layer.multiscale and layer.rgb
    np.testing.assert_allclose(layer.scale, (0.5, 0.5))


def test_a_dicom_folder_is_read_and_an_empty_one_is_left_alone(real_slides, tmp_path):
    folder = next(p for p in sorted(real_slides.iterdir()) if p.is_dir())
    read = reader.get_reader(str(folder))
    assert read is not None
    (tmp_path / "empty").mkdir()
    assert reader.get_reader(str(tmp_path / "empty")) is None


def test_a_damaged_slide_is_one_notification_and_no_layer(make_napari_viewer, small_slide, tmp_path, qtbot):
    cut = tmp_path / "cut.tiff"
    cut.write_bytes(small_slide.read_bytes()[:3000])
    viewer = make_napari_viewer()
    notification_manager.records.clear()
    assert reader.read_slide(str(cut)) == reader.NOTHING
    messages = [record.message for record in notification_manager.records]
    assert len(messages) == 1
    assert "cut.tiff" in messages[0]
    assert "Traceback" not in messages[0]
    assert len(viewer.layers) == 0


def test_a_missing_scale_is_asked_for_and_cancel_opens_nothing(make_tiff, qtbot, monkeypatch):
    path = make_tiff("bare.tiff", mpp=None)
    asked: list[str] = []

    def answer(value):
        def ask(path: Path, why: str):
            asked.append(why)
            return value

        return ask

    monkeypatch.setattr(reader, "ask_mpp", answer(None))
    assert reader.read_slide(str(path)) == reader.NOTHING
    assert len(asked) == 1
    monkeypatch.setattr(reader, "ask_mpp", answer((0.25, 0.5)))
    ((_, keywords, _),) = reader.read_slide(str(path))
    assert keywords["scale"] == pytest.approx((0.5, 0.25))


def test_the_dialog_proposes_nothing_and_takes_only_positive_numbers(qtbot):
    dialog = MppDialog(Path("bare.tiff"), "The scale is unknown.")
    qtbot.addWidget(dialog)
    ok = dialog.buttons.buttons()[0]
    assert dialog.mpp() is None
    assert not ok.isEnabled()
    for bad in ("0", "-1", "fine", "nan", "inf"):
        dialog.x.setText(bad)
        assert not ok.isEnabled(), bad
    dialog.x.setText("0,25")
    assert dialog.mpp() == (0.25, 0.25)
    dialog.y.setText("0.5")
    assert dialog.mpp() == (0.25, 0.5)
    assert ok.isEnabled()


def test_the_sample_is_made_once_and_opens_as_a_slide(make_napari_viewer, tmp_path, monkeypatch):
    monkeypatch.setattr(sample, "sample_path", lambda: tmp_path / "made" / "sample.tiff")
    monkeypatch.setattr(sample, "SIZE", (1024, 1024))
    viewer = make_napari_viewer()
    (layer,) = viewer.open_sample(PLUGIN, "synthetic-neuroblastic-slide")
    assert SLIDE_KEY in layer.metadata
    made = (tmp_path / "made" / "sample.tiff").stat().st_mtime_ns
    assert (tmp_path / "made" / "sample.truth.json").exists()
    assert sorted(p.name for p in (tmp_path / "made").iterdir()) == ["sample.tiff", "sample.truth.json"]
    sample.synthetic_slide()
    assert (tmp_path / "made" / "sample.tiff").stat().st_mtime_ns == made
