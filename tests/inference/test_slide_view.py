"""What a slide looks like from afar is seen once, kept, and never taken from a file that says something else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_mmlnb.inference import slide_view
from napari_mmlnb.inference.kept import kept_folder
from napari_mmlnb.inference.slide_view import SlideView, view_slide
from napari_mmlnb.phantom.writer import write_pyramid
from napari_mmlnb.slides.slide import open_slide

UM_PER_PX = 8.0


def _view(path: Path, *, keep: bool = True) -> SlideView:
    with open_slide(path) as slide:
        return view_slide(slide, UM_PER_PX, keep=keep)


def _same(one: SlideView, other: SlideView) -> bool:
    masks = ((v.tissue.mask, v.quality.pen, v.quality.folds) for v in (one, other))
    rest = (
        (v.tissue.grid, v.tissue.slide, v.tissue.scanned, v.quality.glass, v.quality.tissue_px, v.quality.pixel_mm2)
        for v in (one, other)
    )
    return all(np.array_equal(a, b) for a, b in zip(*masks, strict=True)) and next(rest) == next(rest)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes each time that a slide is really looked at."""
    noted: list[str] = []
    read = slide_view.read_overview
    monkeypatch.setattr(slide_view, "read_overview", lambda slide, *rest: (noted.append("read"), read(slide, *rest))[1])
    return noted


def test_a_slide_that_was_seen_is_recalled_as_it_was(small_slide: Path, looks: list[str]) -> None:
    first = _view(small_slide)
    assert first.tissue.mask.any()
    assert _same(_view(small_slide), first)
    assert looks == ["read"]


def test_nothing_is_kept_nor_looked_for_where_that_is_not_wanted(small_slide: Path, looks: list[str]) -> None:
    _view(small_slide, keep=False)
    assert not kept_folder("overviews").exists()
    _view(small_slide)
    _view(small_slide, keep=False)
    assert len(looks) == 3


def test_another_slide_of_the_same_name_is_looked_at(small_slide: Path, tmp_path: Path, looks: list[str]) -> None:
    path = tmp_path / "slide.tiff"
    rgb = tifffile.imread(small_slide)
    write_pyramid(path, rgb, 0.5, 90)
    first = _view(path)
    path.unlink()
    write_pyramid(path, np.ascontiguousarray(rgb[::-1]), 0.5, 90)
    assert not _same(_view(path), first)
    assert len(looks) == 2


def test_what_was_damaged_on_the_disk_is_seen_anew(small_slide: Path, looks: list[str]) -> None:
    first = _view(small_slide)
    (kept,) = kept_folder("overviews").rglob("view.npz")
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 0xFF
    kept.write_bytes(content)
    assert _same(_view(small_slide), first)
    assert len(looks) == 2
    assert _same(_view(small_slide), first)
    assert len(looks) == 2


def test_a_file_of_another_form_is_not_believed(
    small_slide: Path, monkeypatch: pytest.MonkeyPatch, looks: list[str]
) -> None:
    monkeypatch.setattr(slide_view, "_write", lambda path, view: np.savez_compressed(path, tissue=view.tissue.mask))
    first = _view(small_slide)
    assert _same(_view(small_slide), first)
    assert len(looks) == 2


def test_a_slide_that_could_not_be_decoded_everywhere_is_looked_at_each_time(
    small_slide: Path, monkeypatch: pytest.MonkeyPatch, looks: list[str]
) -> None:
    """What fails today (a network, a share) may come tomorrow: such a view must not last."""
    read = slide_view.read_overview

    def with_a_hole(*asked):
        overview = read(*asked)
        readable = overview.readable.copy()
        readable[:4, :4] = False
        return replace(overview, readable=readable)

    monkeypatch.setattr(slide_view, "read_overview", with_a_hole)
    holed = _view(small_slide)
    monkeypatch.setattr(slide_view, "read_overview", read)
    assert not _same(_view(small_slide), holed)
    assert len(looks) == 2


def test_a_folder_that_cannot_be_written_costs_only_time(small_slide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slide_view, "made_once", lambda kind, key, make: None)
    assert _same(_view(small_slide), _view(small_slide))
