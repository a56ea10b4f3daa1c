"""Bad input that is known by name: each is refused in words, or read right, or counted as unreadable; never waited for.

What nobody thought of is left to `tests/slides/fuzz`.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile

from napari_mmlnb.errors import (
    MmlnbError,
    MppMissingError,
    SlideError,
    SlideNotFoundError,
    SlideReadError,
    TileReadError,
)
from napari_mmlnb.slides.backends.base import LevelShape
from napari_mmlnb.slides.backends.level_sanity import check_levels
from napari_mmlnb.slides.slide import Slide, open_slide
from napari_mmlnb.slides.tile_grid import build_tile_grid
from napari_mmlnb.slides.tile_reader import TileReader
from napari_mmlnb.slides.tissue import TissueMask
from tests.slides.fuzz import damage
from tests.slides.fuzz.tiff_layout import TiffLayout
from tests.slides.made import tissue_picture, write_tiff

BACKENDS = pytest.mark.parametrize("backend", ["tiff", "openslide"])


def within(seconds: float, call: Callable[[], Any]) -> Any:
    """What a call returns or raises, if it comes to an end at all."""
    outcome: dict[str, Any] = {}

    def run() -> None:
        try:
            outcome["value"] = call()
        except BaseException as error:
            outcome["error"] = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), f"still waiting after {seconds} s"
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]


def changed(path: Path, change: Callable[[bytearray, TiffLayout], None]) -> Path:
    """A TIFF after a change of its bytes."""
    data, layout = bytearray(path.read_bytes()), TiffLayout(path)
    change(data, layout)
    path.write_bytes(data)
    return path


def set_tag(data: bytearray, layout: TiffLayout, directory: int, code: int, value: float, index: int = 0) -> None:
    layout.set(data, layout.directories[directory].tags[code], value, index)


# What is no slide file at all.


@pytest.fixture(params=["pipe", "zero device", "null device", "socket"])
def something_else(request, tmp_path) -> Iterator[Path]:
    """What has a path and is neither a file nor a folder."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("no such things on this system")
    if request.param == "socket":
        import socket

        with socket.socket(socket.AF_UNIX) as server, tempfile.TemporaryDirectory() as short:
            server.bind(f"{short}/s.svs")
            yield Path(short) / "s.svs"
        return
    if request.param == "pipe":
        os.mkfifo(tmp_path / "pipe.svs")
        yield tmp_path / "pipe.svs"
        return
    yield Path("/dev/zero" if request.param == "zero device" else "/dev/null")


@pytest.mark.parametrize("backend", [None, "tiff", "openslide"])
def test_a_pipe_or_a_device_is_refused_and_not_waited_for(something_else, backend):
    with pytest.raises(SlideError, match="not a whole slide"):
        within(20, lambda: open_slide(something_else, backend=backend))


@pytest.mark.parametrize("name", ["empty", "papers", "nested"])
def test_a_folder_that_is_no_slide(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    if name == "papers":
        (folder / "letter.txt").write_text("Dear colleague")
        (folder / "image.dcm").write_text("not really")
    if name == "nested":
        write_tiff(folder / "slide.tiff")
    with pytest.raises(SlideError, match=name):
        open_slide(folder)


def test_an_empty_file_and_links_that_lead_nowhere(tmp_path):
    (tmp_path / "empty.svs").touch()
    (tmp_path / "dangling.svs").symlink_to(tmp_path / "gone.svs")
    (tmp_path / "loop.svs").symlink_to(tmp_path / "loop.svs")
    for name in ("empty.svs", "dangling.svs", "loop.svs"):
        with pytest.raises(SlideError, match=name.partition(".")[0]):
            open_slide(tmp_path / name)


@pytest.mark.parametrize("name", ["a" * 300 + ".svs", "null\0byte.svs"])
def test_a_name_that_no_file_can_have(tmp_path, name):
    with pytest.raises(SlideError):
        open_slide(tmp_path / name)


@pytest.mark.parametrize(
    "name",
    [
        "with space.tiff",
        "Größe µm 腫瘍.tiff",
        "two\nlines.tiff",
        "-h.tiff",
        "percent%20.tiff",
        "quote'\".tiff",
        "#?.tiff",
    ],
)
@BACKENDS
def test_names_that_files_do_have(tmp_path, name, backend):
    sound = write_tiff(tmp_path / "plain.tiff")
    shutil.copyfile(sound, tmp_path / name)
    with open_slide(tmp_path / name, backend=backend) as slide, open_slide(sound) as same:
        assert (slide.read(0, 0, 0, 300, 300) == same.read(0, 0, 0, 300, 300)).all()
        assert slide.fingerprint == same.fingerprint


def test_a_name_that_is_no_text(tmp_path):
    """A file from another system, whose name is not UTF-8."""
    name = os.fsdecode(os.fsencode(tmp_path) + b"/M\xfcller.tiff")
    try:
        shutil.copyfile(write_tiff(tmp_path / "plain.tiff"), name)
    except OSError:
        pytest.skip("this file system has no such names")
    with open_slide(name) as slide:
        assert slide.read(0, 0, 0, 10, 10).shape == (10, 10, 3)


@pytest.fixture
def as_nobody() -> Iterator[None]:
    """Without a superuser's rights, which know no permissions."""
    if not hasattr(os, "geteuid"):
        pytest.skip("no permissions on this system")
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def locked(tmp_path_factory) -> Iterator[Path]:
    """A folder that all may enter, with a slide and a folder that nobody may."""
    folder = Path(tempfile.mkdtemp())
    write_tiff(folder / "locked.tiff").chmod(0)
    (folder / "room").mkdir()
    write_tiff(folder / "room" / "inside.tiff")
    (folder / "room").chmod(0)
    folder.chmod(0o755)
    yield folder
    (folder / "room").chmod(0o700)
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["locked.tiff", "room", "room/inside.tiff"])
@pytest.mark.parametrize("backend", [None, "tiff", "openslide"])
def test_what_one_may_not_read(locked, as_nobody, name, backend):
    with pytest.raises(SlideReadError, match="ermission"):
        open_slide(locked / name, backend=backend)


# What changes while it is open.


def flat(path: Path, colour: int, **options: Any) -> Path:
    """A slide of one colour: with the same options, the same layout."""
    return write_tiff(path, picture=np.full((512, 512, 3), colour, np.uint8), compression=None, **options)


@BACKENDS
def test_a_slide_that_is_written_over_while_it_is_open_gives_no_pixel_of_the_other(tmp_path, backend):
    path, other = flat(tmp_path / "slide.tiff", 10), flat(tmp_path / "other.tiff", 200)
    with open_slide(path, backend=backend) as slide:
        assert (slide.read(0, 0, 0, 100, 100) == 10).all()
        time.sleep(0.02)  # longer than a tick of the file system's clock
        path.write_bytes(other.read_bytes())
        with pytest.raises(TileReadError, match="changed"):
            slide.read(0, 300, 300, 100, 100)
        with pytest.raises(SlideReadError, match="changed"):
            _ = slide.fingerprint


@BACKENDS
def test_a_slide_that_another_takes_the_place_of(tmp_path, backend):
    """Its own pixels or none, and never the other's fingerprint or label."""
    path, other = flat(tmp_path / "slide.tiff", 10), flat(tmp_path / "other.tiff", 200)
    with open_slide(path, backend=backend) as slide:
        other.replace(path)
        try:
            assert (slide.read(0, 300, 300, 100, 100) == 10).all()
        except TileReadError as error:
            assert "changed" in str(error)
        with pytest.raises(SlideReadError, match="changed"):
            _ = slide.fingerprint


def test_the_label_of_a_slide_that_another_takes_the_place_of(tmp_path):
    """The other one's label would show another patient's name."""

    def labelled(name: str, colour: int) -> Path:
        with tifffile.TiffWriter(tmp_path / name) as tif:
            options: dict[str, Any] = {"photometric": "rgb", "metadata": None}
            tif.write(tissue_picture(600, 600), tile=(256, 256), resolution=(2e4, 2e4), resolutionunit=3, **options)
            tif.write(np.full((50, 80, 3), colour, np.uint8), description="label", **options)
        return tmp_path / name

    path, other = labelled("slide.tiff", 10), labelled("other.tiff", 200)
    with open_slide(path) as slide:
        assert (slide.associated_image("label") == 10).all()
        other.replace(path)
        with pytest.raises(SlideReadError, match="changed"):
            slide.associated_image("label")


@BACKENDS
def test_a_slide_that_is_deleted_while_it_is_open(tmp_path, backend):
    path = flat(tmp_path / "slide.tiff", 10)
    with open_slide(path, backend=backend) as slide:
        path.unlink()
        try:
            assert (slide.read(0, 300, 300, 100, 100) == 10).all()
        except TileReadError as error:
            assert "removed" in str(error)
        with pytest.raises(SlideReadError):
            _ = slide.fingerprint
    with pytest.raises(SlideNotFoundError):
        open_slide(path)


@BACKENDS
def test_a_slide_that_is_cut_while_it_is_read(tmp_path, backend):
    """Readers count what they cannot read any more, and come to an end."""
    path = write_tiff(tmp_path / "slide.tiff", picture=tissue_picture(1024, 1024), compression="jpeg")
    with open_slide(path, backend=backend) as slide:
        tiles = build_tile_grid(everywhere(slide), tile_px=64, um_per_px=0.5)
        with TileReader(slide, tiles, batch=4) as reader:
            batches = iter(reader)
            seen = [next(batches).readable]
            with path.open("r+b") as file:
                file.truncate(path.stat().st_size // 3)
            seen += [batch.readable for batch in batches]
        readable = np.concatenate(seen)
        assert len(readable) == len(tiles)
        assert readable[0]
        assert not readable[-1]
        with pytest.raises(SlideReadError):
            slide.thumbnail(64)


def everywhere(slide: Slide) -> TissueMask:
    grid = slide.grids[0]
    extent = grid.region
    return TissueMask(np.ones((8, 8), np.bool_), type(grid)((8, 8), (extent.height / 8, extent.width / 8)))


def test_a_dicom_slide_whose_file_is_written_over(tmp_path):
    from tests.slides.made_dicom import write_dicom

    options: dict[str, Any] = {"codec": "raw", "series": "1.2.3.4"}
    folder = write_dicom(tmp_path / "a", picture=np.full((512, 512, 3), 10, np.uint8), **options)
    other = write_dicom(tmp_path / "b", picture=np.full((512, 512, 3), 200, np.uint8), **options)
    with open_slide(folder) as slide:
        assert (slide.read(0, 0, 0, 100, 100) == 10).all()
        time.sleep(0.02)
        for mine, theirs in zip(sorted(folder.iterdir()), sorted(other.iterdir()), strict=True):
            mine.write_bytes(theirs.read_bytes())
        with pytest.raises(TileReadError):
            slide.read(0, 300, 300, 100, 100)


# Scales that cannot be.


@pytest.mark.parametrize("dpi", [72, 96, 300])
def test_the_resolution_of_a_screen_or_a_printer_is_no_scale(tmp_path, dpi):
    path = tmp_path / "screen.tiff"
    options: dict[str, Any] = {"resolution": (dpi, dpi), "resolutionunit": "INCH", "metadata": None}
    tifffile.imwrite(path, tissue_picture(300, 300), tile=(256, 256), photometric="rgb", **options)
    with pytest.raises(MppMissingError, match="no scanner makes") as caught:
        open_slide(path)
    assert "--mpp" in str(caught.value)
    with open_slide(path, mpp=0.25) as slide:
        assert slide.mpp.xy == (0.25, 0.25)


@pytest.mark.parametrize("value", ["0", "-0.25", "nan", "inf", "1e-9", "1e9", "", "0,25", "wide"])
@pytest.mark.parametrize("kind", ["aperio", "ome"])
def test_a_scale_that_cannot_be_is_asked_for(tmp_path, kind, value):
    path = tmp_path / f"{kind}.tiff"
    said = f"Aperio Image Library v1\n300x300 (256x256) JPEG/RGB Q=90|AppMag = 20|MPP = {value}"
    if kind == "ome":
        said = (
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" '
            'DimensionOrder="XYCZT" Type="uint8" SizeX="300" SizeY="300" SizeC="3" SizeZ="1" SizeT="1" '
            f'PhysicalSizeX="{value}" PhysicalSizeY="{value}"><Channel ID="Channel:0:0" SamplesPerPixel="3"/>'
            "<TiffData/></Pixels></Image></OME>"
        )
    tifffile.imwrite(
        path, tissue_picture(300, 300), tile=(256, 256), photometric="rgb", description=said, metadata=None
    )
    with pytest.raises(MppMissingError, match="--mpp"):
        open_slide(path)


@pytest.mark.parametrize("rates", [(0, 1), (1, 0), (0, 0), (2**32 - 1, 1), (1, 2**32 - 1)])
def test_a_resolution_that_cannot_be(tmp_path, rates):
    def change(data: bytearray, layout: TiffLayout) -> None:
        for code in (damage.X_RESOLUTION, damage.Y_RESOLUTION):
            at = layout.directories[0].tags[code].value
            data[at : at + 8] = np.array(rates, "<u4").tobytes()

    path = changed(write_tiff(tmp_path / "odd.tiff"), change)
    for backend in ("tiff", "openslide"):
        with pytest.raises(MppMissingError):
            open_slide(path, backend=backend)


# Levels that lie.


def test_a_level_that_claims_more_tiles_than_it_has_is_left_out(tmp_path):
    path = write_tiff(tmp_path / "lies.tiff", picture=tissue_picture(1024, 1024), downsamples=(2.0, 4.0))

    def change(data: bytearray, layout: TiffLayout) -> None:
        for code in (damage.WIDTH, damage.LENGTH):
            set_tag(data, layout, 1, code, 700)

    with open_slide(changed(path, change)) as slide:
        assert [grid.shape for grid in slide.grids] == [(1024, 1024), (256, 256)]
        assert any("700 x 700 px is left out" in note for note in slide.metadata.notes)


def test_a_level_of_another_shape_is_left_out(tmp_path):
    path = write_tiff(tmp_path / "lies.tiff", picture=tissue_picture(1024, 1024), downsamples=(2.0, 4.0))
    with open_slide(changed(path, lambda data, layout: set_tag(data, layout, 2, damage.WIDTH, 240))) as slide:
        assert [grid.shape for grid in slide.grids] == [(1024, 1024), (512, 512)]
        assert any("240 x 256 px is left out" in note for note in slide.metadata.notes)


@pytest.mark.parametrize("size", [1000, 700, 1300, 100_000, 0])
def test_a_finest_level_that_lies_is_refused(tmp_path, size):
    """It would be drawn with rows that are cut at the wrong place, or at the wrong scale."""
    path = write_tiff(tmp_path / "lies.tiff", picture=tissue_picture(1024, 1024), downsamples=(2.0, 4.0))
    with pytest.raises(SlideReadError, match=r"lies\.tiff"):
        open_slide(changed(path, lambda data, layout: set_tag(data, layout, 0, damage.WIDTH, size)))


@pytest.mark.parametrize("side", [0, 2**15, 65520])
def test_a_tile_of_impossible_size_is_refused(tmp_path, side):
    path = write_tiff(tmp_path / "lies.tiff", downsamples=(2.0,))

    def change(data: bytearray, layout: TiffLayout) -> None:
        for code in (damage.TILE_WIDTH, damage.TILE_LENGTH):
            set_tag(data, layout, 0, code, side)

    changed(path, change)
    for backend in ("tiff", "openslide"):
        with pytest.raises(SlideError, match=r"lies\.tiff"):
            open_slide(path, backend=backend)
    with pytest.raises(SlideReadError), open_slide(path) as slide:
        slide.thumbnail()  # a tile of size 0 makes it a picture in strips, none of which can be decoded


def level(height: int, width: int, of: tuple[int, int] = (4000, 6000), tile: int = 256) -> LevelShape:
    return LevelShape(height, width, of[0] / height, of[1] / width, tile, tile)


@pytest.mark.parametrize(
    "levels",
    [
        (level(4000, 6000),),
        (level(4000, 6000), level(1000, 1500), level(250, 375), level(62, 93), level(15, 23), level(3, 5)),
        (level(4000, 6000), level(1024, 1536)),  # filled up to whole tiles, as Philips writes them
    ],
)
def test_levels_that_can_be(levels):
    check_levels(Path("slide"), levels)


@pytest.mark.parametrize(
    "levels",
    [
        (),
        (level(4000, 6000), level(4000, 6000)),
        (level(1000, 1500), level(4000, 6000)),
        (level(4000, 6000), level(1000, 1500), level(1001, 375)),
        (level(4000, 6000), level(1000, 3000)),
        (level(4000, 6000), replace(level(1000, 1500), tile_width=0)),
        (level(4000, 6000), replace(level(1000, 1500), tile_width=5000, tile_height=5000)),
        (replace(level(4000, 6000), height=0),),
    ],
)
def test_levels_that_cannot_be(levels):
    with pytest.raises(SlideReadError, match="slide"):
        check_levels(Path("slide"), levels)


# Files that are not whole.


def test_a_cut_slide_opens_and_says_how_much_is_missing(tmp_path):
    path = write_tiff(tmp_path / "cut.tiff", picture=tissue_picture(1024, 1024), compression="jpeg", downsamples=(4.0,))
    with tifffile.TiffFile(path) as tif:
        offsets = tif.pages[0].dataoffsets
        ends = max(offset + count for offset, count in zip(offsets, tif.pages[0].databytecounts, strict=True))
    # The coarser level is moved before the cut, as writers do that write it first.
    data = path.read_bytes()
    assert data[ends:]
    path.write_bytes(data[: offsets[10]])
    with open_slide(path) as slide:
        notes = " ".join(slide.metadata.notes)
        assert "6 of 16 tiles of level 0 (37.5%) lie beyond the end of the file" in notes
        assert "copy it again" in notes
        shown = slide.pyramid[0][:]
        for index in range(16):
            y, x = index // 4 * 256, index % 4 * 256
            if index < 10:
                assert (shown[y : y + 256, x : x + 256] == slide.read(0, y, x, 256, 256)).all()
                continue
            with pytest.raises(TileReadError):
                slide.read(0, y, x, 256, 256)
            assert set(np.unique(shown[y : y + 256, x : x + 256])) == {70, 150}
        assert len(slide.damage) == 6


def test_a_whole_slide_has_no_notes(tmp_path):
    with open_slide(write_tiff(tmp_path / "whole.tiff", downsamples=(2.0,))) as slide:
        assert slide.metadata.notes == ()


def test_a_tile_without_bytes_is_not_white(tmp_path):
    """Only where neither place nor length is given was a tile left out on purpose."""
    path = write_tiff(tmp_path / "holes.tiff", picture=np.zeros((512, 512, 3), np.uint8))

    def change(data: bytearray, layout: TiffLayout) -> None:
        set_tag(data, layout, 0, damage.TILE_COUNTS, 0, 1)
        set_tag(data, layout, 0, damage.TILE_COUNTS, 0, 2)
        set_tag(data, layout, 0, damage.TILE_OFFSETS, 0, 2)

    with open_slide(changed(path, change)) as slide:
        with pytest.raises(TileReadError):
            slide.read(0, 0, 256, 10, 10)
        assert (slide.read(0, 256, 0, 10, 10) == 255).all()
        assert slide.metadata.notes == ("1 of 4 tiles of level 0 were never stored.",)


def test_a_slide_of_which_no_tile_was_stored_is_refused(tmp_path):
    path = write_tiff(tmp_path / "hollow.tiff")

    def change(data: bytearray, layout: TiffLayout) -> None:
        for code in (damage.TILE_OFFSETS, damage.TILE_COUNTS):
            tag = layout.directories[0].tags[code]
            data[tag.value : tag.value + tag.size] = bytes(tag.size)

    with pytest.raises(SlideReadError, match="no stored tile"):
        open_slide(changed(path, change))


# JPEG that is not what its page says.


def jpeg_slide(path: Path, tiles: list[bytes], photometric: str) -> Path:
    """Tiles of 256 px in a row, as they are."""
    tifffile.imwrite(
        path, iter(tiles), shape=(256, 256 * len(tiles), 3), dtype=np.uint8, tile=(256, 256), photometric=photometric,
        compression="jpeg", resolution=(2e4, 2e4), resolutionunit="CENTIMETER", metadata=None,
    )  # fmt: skip
    return path


def test_jfif_tells_the_colours_even_where_the_first_tile_is_lost(tmp_path):
    """As QuPath writes: JFIF streams, which hold YCbCr, in pages that say RGB; 40 grey levels wrong if believed."""
    picture = tissue_picture(256, 768)
    parts = [np.ascontiguousarray(picture[:, x : x + 256]) for x in (0, 256, 512)]
    path = jpeg_slide(tmp_path / "jfif.tiff", [imagecodecs.jpeg8_encode(part, level=95) for part in parts], "rgb")
    with open_slide(path) as slide:
        assert np.abs(slide.read(0, 0, 0, 256, 768).astype(float) - picture).mean() < 3
    with open_slide(changed(path, lambda d, layout: set_tag(d, layout, 0, damage.TILE_COUNTS, 0, 0))) as slide:
        assert np.abs(slide.read(0, 0, 256, 256, 512).astype(float) - picture[:, 256:]).mean() < 3


@pytest.mark.parametrize("size", [(128, 256), (256, 128), (512, 512), (264, 256)])
def test_a_jpeg_tile_of_another_size_is_unreadable(tmp_path, size):
    tile = imagecodecs.jpeg8_encode(tissue_picture(256, 256), level=95)
    other = imagecodecs.jpeg8_encode(tissue_picture(*size), level=95)
    with open_slide(jpeg_slide(tmp_path / "odd.tiff", [tile, other], "ycbcr")) as slide:
        assert slide.read(0, 0, 0, 256, 256).std() > 0
        for reduce in slide.tiles.reductions(0):
            with pytest.raises(TileReadError):
                slide.tiles.tile(0, 0, 1, reduce)


# What would take all time or all memory.


@pytest.mark.parametrize("backend", [None, "tiff", "openslide"])
@pytest.mark.parametrize("to", [0, 1])
def test_directories_that_go_round_in_a_circle(tmp_path, backend, to):
    path = write_tiff(tmp_path / "round.tiff", downsamples=(2.0,))

    def change(data: bytearray, layout: TiffLayout) -> None:
        last = layout.directories[-1]
        layout.set_pointer(data, last.next_at, layout.directories[to].start)

    changed(path, change)
    with pytest.raises(SlideError, match=r"round\.tiff"):
        within(20, lambda: open_slide(path, backend=backend))


@pytest.mark.parametrize("bomb", [damage.an_xml_bomb, damage.an_xml_bomb_of_one_long_entity])
def test_a_header_that_unfolds_without_end(tmp_path, bomb):
    path = write_tiff(tmp_path / "bomb.ome.tiff", ome=True)
    changed(path, lambda data, layout: bomb(data, layout, random.Random(1)))  # noqa: S311
    started = time.process_time()
    with pytest.raises(SlideReadError, match="entities"):
        within(20, lambda: open_slide(path))
    assert time.process_time() - started < 5


@pytest.mark.parametrize("codec", ["deflate", "zstd", "jpeg2000"])
def test_a_tile_that_unfolds_to_gigabytes_is_unreadable(tmp_path, codec):
    tile = {
        "deflate": lambda: zlib.compress(bytes(120_000_000), 1),
        "zstd": lambda: imagecodecs.zstd_encode(bytes(120_000_000)),
        "jpeg2000": lambda: imagecodecs.jpeg2k_encode(np.zeros((4000, 4000, 3), np.uint8)),
    }[codec]()
    path = tmp_path / "bomb.tiff"
    tifffile.imwrite(
        path, iter([tile]), shape=(256, 256, 3), dtype=np.uint8, tile=(256, 256), photometric="rgb", compression=codec,
        resolution=(2e4, 2e4), resolutionunit="CENTIMETER", metadata=None,
    )  # fmt: skip
    with open_slide(path) as slide:
        tracemalloc.start()
        try:
            with pytest.raises(TileReadError):
                slide.read(0, 0, 0, 256, 256)
            assert tracemalloc.get_traced_memory()[1] < 30e6
        finally:
            tracemalloc.stop()


# OME-Zarr.


def zarr_slide(folder: Path, version: str) -> Path:
    from tests.slides.backends.made_zarr import write_ome_zarr

    path = folder / "slide.ome.zarr"
    return write_ome_zarr(path, tissue_picture(512, 512), downsamples=(2.0,), version=version, chunk_c=3)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_chunk_that_lost_its_last_bytes_is_unreadable(tmp_path, version):
    """Blosc, left alone, decodes what lies in memory behind them."""
    path = zarr_slide(tmp_path, version)
    chunk = path / "0" / ("0/1/1" if version == "0.4" else "c/0/1/1")
    for lost in (1, 3, 40):
        chunk.write_bytes(chunk.read_bytes()[:-lost])
        with open_slide(path) as slide:
            assert slide.read(0, 0, 0, 256, 256).std() > 0
            with pytest.raises(TileReadError):
                slide.read(0, 300, 300, 10, 10)


def test_a_zarr_whose_finest_level_lies_is_refused(tmp_path):
    path = zarr_slide(tmp_path, "0.4")
    document = path / "0" / ".zarray"
    document.write_text(document.read_text().replace("512", "5120"))
    with pytest.raises(SlideReadError, match="contradict"):
        open_slide(path)


def test_every_error_says_what_to_do(tmp_path):
    """A person who reads it has no manual at hand."""
    (tmp_path / "letter.svs").write_text("Dear colleague")
    cut = write_tiff(tmp_path / "cut.tiff")
    cut.write_bytes(cut.read_bytes()[:400])
    for path in (tmp_path / "gone.svs", tmp_path / "letter.svs", cut, tmp_path):
        with pytest.raises(MmlnbError) as caught:
            open_slide(path)
        assert caught.value.problem
        assert caught.value.remedy
        assert "\n" not in str(caught.value)
