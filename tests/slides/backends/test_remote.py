from __future__ import annotations

import contextlib
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import fsspec
import numpy as np
import pytest
import tifffile

from napari_mmlnb.errors import (
    MissingExtraError,
    RequestError,
    SlideFormatError,
    SlideKindError,
    SlideNotFoundError,
    SlideReadError,
    TileReadError,
)
from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.backends import remote_patience
from napari_mmlnb.slides.backends.remote_patience import RemoteLimits
from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.slides.tile_grid import build_tile_grid
from napari_mmlnb.slides.tile_reader import TileReader
from napari_mmlnb.slides.tissue import TissueMask
from tests.slides.backends.file_server import SECRET
from tests.slides.made import tissue_picture, write_tiff

PLACES = [(0, 0), (256, 512), (101, 37), (-20, -30), (560, 660)]


@pytest.fixture
def impatient(monkeypatch):
    """Time limits that a test can wait for."""
    monkeypatch.setattr(remote_patience, "LIMITS", RemoteLimits(open_s=3.0, read_s=1.0, failures=2, rest_s=0.5))


@pytest.mark.parametrize("compression", [None, "jpeg", "deflate"])
@pytest.mark.parametrize("ome", [False, True])
def test_a_remote_slide_is_the_local_one(tmp_path, web, compression, ome):
    name = "slide.ome.tiff" if ome else "slide.tiff"
    path = write_tiff(
        tmp_path / name, picture=tissue_picture(600, 700), downsamples=(2.5, 4.0), compression=compression, ome=ome
    )
    with open_slide(f"{web.url}/{name}") as remote, open_slide(path, backend="tiff") as local:
        assert remote.backend == "remote"
        assert remote.metadata.levels == local.metadata.levels
        assert (remote.mpp, remote.mpp_source) == (local.mpp, local.mpp_source)
        for level in range(3):
            for y, x in PLACES:
                assert (remote.read(level, y, x, 130, 140) == local.read(level, y, x, 130, 140)).all()


def test_a_real_slide_over_http(real_svs, tmp_path, web):
    (tmp_path / "real.svs").write_bytes(real_svs.read_bytes())
    with open_slide(f"{web.url}/real.svs") as remote, open_slide(real_svs) as local:
        assert remote.mpp == local.mpp
        assert remote.properties["tiffslide.vendor"] == "aperio"
        for y, x in ((0, 0), (1000, 1234), (2900, 2200)):
            assert (remote.read(0, y, x, 300, 300) == local.read(0, y, x, 300, 300)).all()
        assert set(remote.metadata.associated) == set(local.metadata.associated)
        assert (remote.associated_image("label") == local.associated_image("label")).all()


def test_object_stores_go_through_fsspec(make_tiff):
    path = make_tiff(downsamples=(4.0,))
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/bucket/slide.tiff", path.read_bytes())
    try:
        with open_slide("memory://bucket/slide.tiff") as remote, open_slide(path) as local:
            assert (remote.read(1, 0, 0, 150, 175) == local.read(1, 0, 0, 150, 175)).all()
        with pytest.raises(SlideNotFoundError):
            open_slide("memory://bucket/other.tiff")
    finally:
        memory.rm("/bucket", recursive=True)


def test_from_several_threads(make_tiff, web):
    picture = np.random.default_rng(1).integers(0, 256, (900, 800, 3), dtype=np.uint8)
    make_tiff("noise.tiff", picture=picture, compression=None)
    with open_slide(f"{web.url}/noise.tiff") as slide, ThreadPoolExecutor(4) as pool:
        corners = [(y, x) for y in range(0, 700, 97) for x in range(0, 600, 89)]
        parts = pool.map(lambda corner: slide.read(0, *corner, 200, 190), corners)
        for (y, x), part in zip(corners, parts, strict=True):
            assert (part == picture[y : y + 200, x : x + 190]).all()


def test_reading_in_order_sends_few_requests_and_a_single_tile_little(tmp_path, web):
    picture = np.random.default_rng(1).integers(0, 256, (2048, 2048, 3), dtype=np.uint8)
    write_tiff(tmp_path / "noise.tiff", picture=picture, compression=None)
    with open_slide(f"{web.url}/noise.tiff") as slide:
        web.behaviour.requests.clear()
        web.behaviour.sent = 0
        slide.read(0, 1024, 1024, 256, 256)
        assert web.behaviour.sent < 1_000_000
        web.behaviour.requests.clear()
        slide.read(0, 0, 0, 2048, 2048)
        assert len(web.behaviour.requests) < 40  # of 64 tiles, 12.6 MB
        web.behaviour.requests.clear()
        slide.read(0, 0, 0, 2048, 2048)
        assert not web.behaviour.requests


@pytest.mark.parametrize(
    ("behaviour", "error", "says"),
    [
        ({"ranges": False}, SlideReadError, "Download"),
        ({"status": 404}, SlideNotFoundError, "no slide at"),
        ({"status": 403}, SlideReadError, "credentials"),
        ({"status": 418}, SlideReadError, "418"),
        ({"status": 500}, SlideReadError, "500"),
        ({"delay_s": 30.0}, SlideReadError, "in time"),
        ({"drip_s": 5.0}, SlideReadError, "in time"),
        ({"cut": 0.5}, SlideReadError, "could not be read"),
    ],
)
def test_a_server_that_fails_is_an_error_in_time(tmp_path, make_tiff, web, impatient, behaviour, error, says):
    make_tiff("slide.tiff")
    for name, value in behaviour.items():
        setattr(web.behaviour, name, value)
    begun = time.monotonic()
    with pytest.raises(error, match=says) as caught:
        open_slide(f"{web.url.replace('//', f'//jane:{SECRET}@')}/slide.tiff?sig={SECRET}")
    assert time.monotonic() - begun < 6
    assert not isinstance(caught.value, TileReadError)
    assert SECRET not in str(caught.value)


def test_no_server_at_all(impatient):
    with pytest.raises(SlideReadError, match="cannot be reached"):
        open_slide("http://127.0.0.1:9/slide.tiff")


def test_a_server_that_hangs_while_the_directory_is_read(make_tiff, web, impatient):
    """A directory that is read in part must not show as a slide with fewer levels."""
    picture = np.random.default_rng(1).integers(0, 256, (2048, 2048, 3), dtype=np.uint8)
    make_tiff("levels.tiff", picture=picture, downsamples=(2.0, 4.0), compression=None)
    with open_slide(f"{web.url}/levels.tiff") as slide:
        assert len(slide.grids) == 3
        needed = len(web.behaviour.requests)
    assert needed > 2
    for served in range(1, needed - 1):
        web.behaviour.requests.clear()
        web.behaviour.limit = served
        with pytest.raises(SlideReadError, match="in time"):
            open_slide(f"{web.url}/levels.tiff")


def test_an_overloaded_server_is_asked_again(make_tiff, web):
    make_tiff("slide.tiff")
    web.behaviour.fail_first = 2
    with open_slide(f"{web.url}/slide.tiff") as slide:
        assert slide.read(0, 0, 0, 10, 10).shape == (10, 10, 3)


def test_a_lost_connection_is_unreadable_tiles_and_ends_soon(tmp_path, web, impatient):
    picture = np.random.default_rng(1).integers(0, 256, (2048, 2048, 3), dtype=np.uint8)
    write_tiff(tmp_path / "noise.tiff", picture=picture, compression=None)
    with open_slide(f"{web.url}/noise.tiff") as slide:
        everywhere = TissueMask(np.ones((8, 8), bool), PixelGrid((8, 8), (128.0, 128.0)))
        tiles = build_tile_grid(everywhere, 256, 0.5)
        begun = time.monotonic()
        readable = []
        with TileReader(slide, tiles, batch=8) as reader:
            for batch in reader:
                readable.extend(batch.readable.tolist())
                web.behaviour.status = 503
        assert readable[0]
        assert not readable[-1]
        assert time.monotonic() - begun < 20
        with pytest.raises(TileReadError):
            slide.read(0, 2000, 2000, 10, 10)
        web.behaviour.status = 0
        time.sleep(0.6)
        assert (slide.read(0, 2000, 2000, 10, 10) == picture[2000:2010, 2000:2010]).all()


def test_a_slide_replaced_on_the_server_is_not_mixed_with_the_new_one(tmp_path, web):
    picture = np.random.default_rng(1).integers(0, 256, (2048, 2048, 3), dtype=np.uint8)
    write_tiff(tmp_path / "noise.tiff", picture=picture, compression=None)
    with open_slide(f"{web.url}/noise.tiff") as slide:
        web.behaviour.etag = '"two"'
        with pytest.raises(TileReadError, match="has changed"):
            slide.read(0, 1500, 1500, 100, 100)


def test_what_is_no_slide(tmp_path, web):
    (tmp_path / "page.html").write_text("<html>Please log in</html>")
    with pytest.raises(SlideFormatError, match="https://"):
        open_slide(f"{web.url}/page.html")
    (tmp_path / "empty.svs").write_bytes(b"")
    with pytest.raises(SlideReadError):
        open_slide(f"{web.url}/empty.svs")
    write_tiff(tmp_path / "short.tiff")
    (tmp_path / "short.tiff").write_bytes((tmp_path / "short.tiff").read_bytes()[:5000])
    with pytest.raises(SlideReadError):
        open_slide(f"{web.url}/short.tiff")
    tifffile.imwrite(
        tmp_path / "cells.ome.tiff", np.zeros((4, 300, 300), np.uint16), tile=(256, 256), photometric="minisblack",
        metadata={"axes": "CYX"}, ome=True,
    )  # fmt: skip
    with pytest.raises(SlideKindError, match="4 channels"):
        open_slide(f"{web.url}/cells.ome.tiff", mpp=0.5)


def test_an_ome_header_that_names_another_file_fetches_it_not(tmp_path, web):
    from xml.etree import ElementTree

    write_tiff(tmp_path / "one.ome.tiff", ome=True)
    with tifffile.TiffFile(tmp_path / "one.ome.tiff") as tif:
        header = ElementTree.fromstring(tif.ome_metadata)  # noqa: S314 (we wrote it)
    space = header.tag.removesuffix("OME")
    for data in header.iter(f"{space}TiffData"):
        ElementTree.SubElement(data, f"{space}UUID", FileName="other.ome.tiff").text = "urn:uuid:0"
    description = ElementTree.tostring(header).decode()
    tifffile.imwrite(
        tmp_path / "named.ome.tiff", tissue_picture(600, 700), tile=(256, 256), photometric="rgb",
        description=description, metadata=None,
    )  # fmt: skip
    with contextlib.suppress(SlideReadError):
        open_slide(f"{web.url}/named.ome.tiff", mpp=0.5).close()
    assert {path for path, _ in web.behaviour.requests} == {"/named.ome.tiff"}


def test_only_the_named_url_is_asked_for_and_parts_of_it_only(make_tiff, web):
    make_tiff("slide.tiff")
    with open_slide(f"{web.url}/slide.tiff?sig={SECRET}") as slide:
        slide.thumbnail(100)
    assert {path for path, _ in web.behaviour.requests} == {f"/slide.tiff?sig={SECRET}"}
    assert all(part.startswith("bytes=") for _, part in web.behaviour.requests)


def test_credentials_are_not_logged(make_tiff, web, caplog):
    caplog.set_level(logging.DEBUG)
    make_tiff("slide.tiff")
    with open_slide(f"{web.url.replace('//', f'//jane:{SECRET}@')}/slide.tiff?sig={SECRET}") as slide:
        slide.thumbnail(100)
        assert SECRET not in f"{slide.path} {slide.path!r} {slide.metadata}"
    assert SECRET not in caplog.text


def test_a_closed_slide_refuses(make_tiff, web):
    make_tiff("slide.tiff")
    slide = open_slide(f"{web.url}/slide.tiff")
    slide.close()
    slide.close()
    with pytest.raises(SlideReadError, match="closed"):
        slide.read(0, 0, 0, 10, 10)


def test_backends_that_do_not_open_urls_say_so(make_tiff, web):
    path = make_tiff("slide.tiff")
    with pytest.raises(RequestError, match="openslide"):
        open_slide(f"{web.url}/slide.tiff", backend="openslide")
    with pytest.raises(RequestError, match="remote"):
        open_slide(path, backend="remote")


@pytest.mark.skipif(find_spec("s3fs") is not None, reason="the client is installed")
def test_a_store_without_its_client_names_the_extra():
    with pytest.raises(MissingExtraError, match=r"napari-mmlnb\[remote\]"):
        open_slide("s3://bucket/slide.svs")


def test_the_record_of_a_run_names_the_url_without_credentials(make_tiff, web):
    from napari_mmlnb.inference.record import slide_record

    path = make_tiff("slide.tiff")
    with open_slide(f"{web.url.replace('//', f'//jane:{SECRET}@')}/slide.tiff?sig={SECRET}") as slide:
        record = slide_record(slide)
    assert record.path == f"{web.url}/slide.tiff"
    assert record.backend == "remote"
    with open_slide(path) as slide:
        assert record.fingerprint == slide.fingerprint


def test_jpeg2000_of_aperio_is_read_as_openslide_reads_the_file(tmp_path, web):
    picture = tissue_picture(500, 600)
    description = "Aperio Image Library v10.0.51\n600x500 (256x256) J2K/YUV16 Q=30|AppMag = 20|MPP = 0.5"
    tifffile.imwrite(
        tmp_path / "a.svs", picture, tile=(256, 256), photometric="rgb", compression="APERIO_JP2000_RGB",
        metadata=None, description=description,
    )  # fmt: skip
    with open_slide(f"{web.url}/a.svs") as remote, open_slide(tmp_path / "a.svs", backend="openslide") as local:
        assert remote.backend == "remote"
        assert remote.mpp == local.mpp
        assert (remote.read(0, 0, 0, 500, 600) == local.read(0, 0, 0, 500, 600)).all()
