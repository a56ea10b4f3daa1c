"""What the dock says of a slide: its file, its cache, its damage, and how it was opened."""

from __future__ import annotations

import pytest
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QInputDialog

pytest.importorskip("napari")

from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.viewer import slide_loader
from napari_mmlnb.viewer.slide_facts import REFRESH_MS, SlideFacts
from napari_mmlnb.viewer.slide_layer import add_slide
from tests.gui.opening import open_and_wait
from tests.gui.runs import MadeUpRunner
from tests.slides.made import MadeReader, made_slide, noise, tissue_picture, write_tiff


@pytest.fixture
def facts(qtbot):
    facts = SlideFacts()
    qtbot.addWidget(facts)
    return facts


def test_size_scale_and_reader_are_said(facts, slide):
    facts.set_slide(slide)
    assert facts.size.text() == "1,500 × 1,200 px, 0.75 × 0.60 mm"
    assert "0.5 µm/px" in facts.scale.text()
    assert facts.reader.text().startswith(slide.backend)
    assert "256 × 256 px" in facts.reader.text()


def test_the_cache_is_looked_up_while_it_is_seen_and_not_otherwise(facts, qtbot):
    with made_slide(MadeReader([noise(1024, 1024)], [(256, 256)]), cache_bytes=4 * 2**20) as slide:
        facts.show()
        facts.set_slide(slide)
        assert facts.cache.format() == "0 of 4 MB"
        slide.read(0, 0, 0, 1024, 1024)
        qtbot.wait_until(lambda: facts.cache.format() == "3 of 4 MB", timeout=4 * REFRESH_MS)
        facts.hide()
        slide.cache.clear()
        qtbot.wait(2 * REFRESH_MS)
        assert facts.cache.format() == "3 of 4 MB"
        facts.show()
        qtbot.wait_until(lambda: facts.cache.format() == "0 of 4 MB", timeout=4 * REFRESH_MS)


def test_damage_met_while_looking_is_counted_listed_and_gone_to(make_workspace, qtbot):
    workspace = make_workspace(MadeUpRunner(), show=True)
    reader = MadeReader([noise(1024, 1500)], [(256, 256)], damaged=[(0, 1, 2), (0, 3, 5)])
    with made_slide(reader) as slide:
        add_slide(workspace.viewer, slide)
        box = workspace.slide_box.damage
        qtbot.wait_until(lambda: box.list.count() == 2, timeout=4 * REFRESH_MS)
        assert box.isVisible()
        assert "2 stored tiles" in box.count.text()
        box.list.setCurrentIndex(1)
        box.list.activated.emit(1)
        # The last tile is cut by the slide's edge.
        expected = ((768 + 1024) / 2, (1280 + 1500) / 2)
        assert tuple(workspace.viewer.scene.camera.center)[-2:] == pytest.approx(expected)
        slide.damage.add(0, 0, 0)
        qtbot.wait_until(lambda: box.list.count() == 3, timeout=4 * REFRESH_MS)
        assert box.list.currentIndex() == 2, "the tile that was chosen stays chosen"
        workspace.viewer.layers.clear()
        assert not box.isVisible()


def test_a_sound_slide_shows_no_list_of_damage(make_workspace, small_slide):
    workspace = make_workspace(MadeUpRunner(), slide=small_slide)
    assert not workspace.slide_box.damage.isVisibleTo(workspace)


def test_what_is_wrong_with_the_file_is_said_at_once(make_workspace, qtbot, small_slide, tmp_path):
    path = write_tiff(tmp_path / "cut.tiff", picture=tissue_picture(1024, 1024), compression="jpeg", downsamples=(4.0,))
    with tifffile.TiffFile(path) as tif:
        offset = tif.pages[0].dataoffsets[10]
    path.write_bytes(path.read_bytes()[:offset])
    workspace = make_workspace(MadeUpRunner())
    open_and_wait(workspace, qtbot, path)
    assert "lie beyond the end of the file" in workspace.slide_box.notes.text()
    open_and_wait(workspace, qtbot, small_slide)
    assert workspace.slide_box.notes.isHidden()


def test_while_a_slide_is_opened_the_dock_says_so_and_lets_go_on_cancel(
    make_workspace, qtbot, small_slide, monkeypatch
):
    import threading

    gate = threading.Event()

    def slow(*args, **options):
        gate.wait(10)
        return open_slide(*args, **options)

    monkeypatch.setattr(slide_loader, "open_slide", slow)
    workspace = make_workspace(MadeUpRunner())
    box = workspace.slide_box
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *a, **k: (str(small_slide), ""))
    qtbot.mouseClick(box.open_button, Qt.MouseButton.LeftButton)
    assert box.opening.isVisibleTo(workspace)
    assert small_slide.name in box.opening.label.text()
    assert not box.open_button.isEnabled()
    assert not box.opening.bar.isVisibleTo(workspace), "most slides are there before a bar is"
    qtbot.wait_until(lambda: box.opening.bar.isVisibleTo(workspace), timeout=2_000)
    qtbot.mouseClick(box.opening.cancel_button, Qt.MouseButton.LeftButton)
    assert not box.opening.isVisibleTo(workspace)
    assert box.open_button.isEnabled()
    gate.set()
    qtbot.wait(200)
    assert len(workspace.viewer.layers) == 0
    assert open_and_wait(workspace, qtbot, small_slide) is not None


def test_a_folder_and_an_address_are_opened_too(make_workspace, qtbot, real_slides, monkeypatch):
    workspace = make_workspace(MadeUpRunner())
    folder = next(p for p in sorted(real_slides.iterdir()) if p.is_dir())
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a, **k: str(folder))
    workspace.slide_box.folder_action.trigger()
    qtbot.wait_until(lambda: workspace.shelf.session is not None, timeout=20_000)
    assert workspace.shelf.session.slide.path == folder
    monkeypatch.setattr(QInputDialog, "getText", lambda *a, **k: ("gopher://nowhere/slide.svs", True))
    workspace.slide_box.address_action.trigger()
    assert "gopher" in workspace.slide_box.error.text()


def test_an_error_goes_when_the_next_slide_opens(make_workspace, qtbot, small_slide, tmp_path):
    workspace = make_workspace(MadeUpRunner())
    assert open_and_wait(workspace, qtbot, tmp_path / "missing.svs") is None
    assert "missing.svs" in workspace.slide_box.error.text()
    assert workspace.slide_box.hint.isVisibleTo(workspace)
    open_and_wait(workspace, qtbot, small_slide)
    assert not workspace.slide_box.error.isVisibleTo(workspace)
    assert not workspace.slide_box.hint.isVisibleTo(workspace)
