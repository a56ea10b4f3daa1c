from __future__ import annotations

import json
import shutil
import time
import zipfile

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_mmlnb.errors import (
    MppMissingError,
    RequestError,
    SlideFormatError,
    SlideKindError,
    SlideNotFoundError,
    SlideReadError,
    TileReadError,
)
from napari_mmlnb.slides.backends import remote_patience
from napari_mmlnb.slides.backends.ome_zarr import tile_side
from napari_mmlnb.slides.backends.remote_patience import RemoteLimits
from napari_mmlnb.slides.slide import open_slide
from tests.slides.backends.made_zarr import write_ome_zarr
from tests.slides.made import area_level, noise, tissue_picture

RGB_COLOURS = {"channels": [{"color": "FF0000"}, {"color": "00FF00"}, {"color": "0000FF"}]}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize(("axes", "chunk_c"), [("cyx", 1), ("cyx", 3), ("tczyx", 1), ("yxc", 3), ("zyxc", 1)])
def test_every_pixel_of_every_level(tmp_path, version, axes, chunk_c):
    picture = noise(601, 703)
    path = write_ome_zarr(
        tmp_path / "slide.ome.zarr", picture, downsamples=(2.5, 4.0), version=version, axes=axes, chunk_c=chunk_c,
        omero=RGB_COLOURS,
    )  # fmt: skip
    with open_slide(path) as slide:
        assert slide.backend == "ome-zarr"
        sizes = [(601, 703), (240, 281), (150, 176)]
        assert [grid.shape for grid in slide.grids] == sizes
        assert slide.grids[1].spacing_um == pytest.approx((0.5 * 601 / 240, 0.5 * 703 / 281))
        for level, (height, width) in enumerate(sizes):
            expected = area_level(picture, height, width) if level else picture
            assert (slide.read(level, 0, 0, height, width) == expected).all()
            framed = np.full((height + 200, width + 200, 3), 255, np.uint8)
            framed[100:-100, 100:-100] = expected
            for y, x in ((-10, -15), (3, width // 2 + 5), (height - 60, width - 50)):
                part = framed[y + 100 : y + 170, x + 100 : x + 160]
                assert (slide.read(level, y, x, 70, 60) == part).all()


@settings(max_examples=25)
@given(
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    chunk=st.tuples(st.integers(20, 100), st.integers(20, 100)),
    corner=st.tuples(st.integers(-20, 90), st.integers(-20, 90)),
    version=st.sampled_from(["0.4", "0.5"]),
    axes=st.sampled_from(["cyx", "yxc", "xcy"]),
)
def test_any_size_chunk_and_place(tmp_path_factory, size, chunk, corner, version, axes):
    picture = noise(*size)
    path = write_ome_zarr(
        tmp_path_factory.mktemp("zarr") / "a.zarr", picture, version=version, axes=axes, chunk=chunk, chunk_c=2
    )
    padded = np.full((size[0] + 60, size[1] + 60, 3), 255, np.uint8)
    padded[30:-30, 30:-30] = picture
    y, x = min(corner[0], size[0]), min(corner[1], size[1])
    with open_slide(path) as slide:
        assert (slide.read(0, y, x, 25, 27) == padded[y + 30 : y + 55, x + 30 : x + 57]).all()


@given(st.integers(1, 100_000))
def test_tiles_hold_whole_chunks_or_are_parts_of_huge_ones(chunk):
    side = tile_side(chunk)
    assert 128 <= side <= 2048
    assert side % chunk == 0 or chunk > 2048


@pytest.mark.parametrize("chunk", [(2100, 2300), (8, 2300), (2200, 64)])
def test_huge_chunks_are_cut_and_decoded_once(tmp_path, chunk, monkeypatch):
    picture = noise(2200, 2300)
    path = write_ome_zarr(tmp_path / "a.zarr", picture, chunk=chunk, chunk_c=3, compressors=None)
    with open_slide(path) as slide:
        assert max(slide.metadata.levels[0].tile_height, slide.metadata.levels[0].tile_width) <= 1024
        read = []
        plain = type(slide.tiles.reader)._read
        monkeypatch.setattr(type(slide.tiles.reader), "_read", lambda *a: read.append(a[1:]) or plain(*a))
        assert (slide.read(0, 0, 0, 2200, 2300) == picture).all()
        assert len(read) == len(set(read))
        assert sum(height * width for *_, height, width in read) == 2200 * 2300


def test_shards(tmp_path):
    picture = noise(500, 600)
    path = write_ome_zarr(tmp_path / "a.zarr", picture, version="0.5", chunk=(128, 128), shards=(512, 512))
    with open_slide(path) as slide:
        assert slide.metadata.tile_px == (128, 128)
        assert (slide.read(0, 100, 90, 300, 400) == picture[100:400, 90:490]).all()


@pytest.mark.parametrize("name", ["slide.ozx", "slide.ome.zarr.zip"])
@pytest.mark.parametrize("inside", ["", "slide.ome.zarr/"])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_in_a_zip_file(tmp_path, name, inside, version):
    picture = noise(300, 400)
    folder = write_ome_zarr(tmp_path / "folder", picture, version=version)
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, inside + file.relative_to(folder).as_posix())
    with open_slide(tmp_path / name) as slide:
        assert slide.backend == "ome-zarr"
        assert (slide.read(0, 0, 0, 300, 400) == picture).all()


def test_a_zip_file_of_something_else(tmp_path):
    with zipfile.ZipFile(tmp_path / "letters.zip", "w") as archive:
        archive.writestr("letter.txt", "Dear colleague")
    (tmp_path / "damaged.ozx").write_bytes(b"PK\3\4" + bytes(100))
    for name in ("letters.zip", "damaged.ozx"):
        with pytest.raises(SlideFormatError):
            open_slide(tmp_path / name)


def test_the_largest_of_several_pictures(tmp_path):
    """As bioformats2raw writes a slide with its label and macro."""
    path = tmp_path / "raw.zarr"
    root = zarr.open_group(path, mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    write_ome_zarr(path, noise(50, 80), group="0")
    write_ome_zarr(path, big := noise(300, 400), group="1")
    with open_slide(path) as slide:
        assert (slide.read(0, 0, 0, 300, 400) == big).all()


@pytest.mark.parametrize(
    ("mpp", "unit", "um"),
    [
        ((0.25, 0.5), "micrometer", (0.25, 0.5)),
        ((250.0, 500.0), "nanometer", (0.25, 0.5)),
        ((0.00025, 0.0005), "millimeter", (0.25, 0.5)),
        ((0.25, 0.5), "µm", (0.25, 0.5)),
    ],
)
@pytest.mark.parametrize("whole", [1.0, 0.1])
def test_the_scale_and_its_unit(tmp_path, mpp, unit, um, whole):
    path = write_ome_zarr(tmp_path / "a.zarr", noise(40, 50), mpp=mpp, unit=unit, whole_scale=whole)
    with open_slide(path) as slide:
        assert slide.mpp.xy == pytest.approx(um)
        assert slide.mpp_source == "ome-zarr.scale"


@pytest.mark.parametrize("unit", [None, "pixel", "parsec", ""])
def test_a_scale_without_a_unit_of_length_is_none(tmp_path, unit):
    path = write_ome_zarr(tmp_path / "a.zarr", noise(40, 50), unit=unit)
    with pytest.raises(MppMissingError, match="--mpp"):
        open_slide(path)
    open_slide(path, mpp=0.5).close()


@pytest.mark.parametrize("mpp", [(0.0, 0.0), (-1.0, 0.5), (50.0, 50.0)])
def test_an_impossible_scale_is_none(tmp_path, mpp):
    path = write_ome_zarr(tmp_path / "a.zarr", noise(40, 50), mpp=mpp)
    with pytest.raises(MppMissingError):
        open_slide(path)


def _array(path, shape, dtype, axes, omero=None, **more):
    root = zarr.open_group(path, mode="w", zarr_format=2)
    root.create_array("0", shape=shape, chunks=shape, dtype=dtype)
    scale = [{"type": "scale", "scale": [1.0] * len(axes)}]
    units = [{"name": a, "type": "space", "unit": "micrometer"} for a in axes]
    datasets = [{"path": "0", "coordinateTransformations": scale}]
    root.attrs.update({"multiscales": [{"version": "0.4", "axes": units, "datasets": datasets}], **more})
    if omero:
        root.attrs["omero"] = omero


FLUORESCENCE = {
    "channels": [
        {"label": "DAPI", "color": "0000FF"},
        {"label": "GFP", "color": "00FF00"},
        {"label": "Cy5", "color": "FF0000"},
    ]
}


@pytest.mark.parametrize(
    ("shape", "dtype", "axes", "more", "says"),
    [
        ((4, 30, 30), "uint16", "cyx", {}, "4 channels of uint16"),
        ((3, 30, 30), "uint16", "cyx", {}, "3 channels of uint16"),
        ((30, 30), "uint8", "yx", {}, "1 channel of uint8"),
        ((3, 5, 30, 30), "uint8", "czyx", {}, "5 focal planes"),
        ((2, 3, 30, 30), "uint8", "tcyx", {}, "2 time points"),
        ((3, 30, 30), "uint8", "cyx", {"omero": FLUORESCENCE}, "DAPI"),
        ((3, 30, 30), "uint8", "cyx", {"image-label": {}}, "labels"),
    ],
)
def test_what_is_no_rgb_slide_is_refused_with_what_it_is(tmp_path, shape, dtype, axes, more, says):
    _array(tmp_path / "a.zarr", shape, dtype, axes, **more)
    with pytest.raises(SlideKindError, match=says) as caught:
        open_slide(tmp_path / "a.zarr")
    assert "RGB" in str(caught.value)


def test_a_plate_is_refused(tmp_path):
    zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2).attrs["plate"] = {"wells": []}
    with pytest.raises(SlideKindError, match="plate"):
        open_slide(tmp_path / "a.zarr")


def test_older_versions_and_other_zarr_are_named(tmp_path):
    path = write_ome_zarr(tmp_path / "old.zarr", noise(20, 20))
    document = json.loads((path / ".zattrs").read_text())
    document["multiscales"][0]["version"] = "0.2"
    (path / ".zattrs").write_text(json.dumps(document))
    with pytest.raises(SlideReadError, match=r"0\.2"):
        open_slide(path)
    zarr.open_group(tmp_path / "plain.zarr", mode="w").create_array("a", shape=(3,), dtype="uint8")
    with pytest.raises(SlideReadError, match="no OME-Zarr"):
        open_slide(tmp_path / "plain.zarr")
    with pytest.raises(SlideReadError):
        open_slide(path / "0")


def test_levels_that_lie_are_left_out(tmp_path):
    """A level that says that it shows the whole at half the scale, and is larger or smaller than that."""
    picture = noise(400, 400)
    path = write_ome_zarr(tmp_path / "a.zarr", picture, downsamples=(2.0, 4.0))
    shutil.rmtree(path / "1")
    group = zarr.open_group(path, mode="a", zarr_format=2)
    group.create_array("1", shape=(3, 150, 200), chunks=(3, 150, 200), dtype="uint8")
    with open_slide(path) as slide:
        assert [grid.shape for grid in slide.grids] == [(400, 400), (100, 100)]


@pytest.mark.parametrize(("pixels", "kept"), [(0.25, True), (0.5, True), (40.0, False)])
def test_a_level_of_another_place_is_left_out(tmp_path, pixels, kept):
    """Writers put the centre of the first pixel into a translation; a level of a crop has a larger one."""
    path = write_ome_zarr(tmp_path / "a.zarr", noise(400, 400), downsamples=(2.0, 4.0))
    document = json.loads((path / ".zattrs").read_text())
    steps = document["multiscales"][0]["datasets"][1]["coordinateTransformations"]
    steps.append({"type": "translation", "translation": [0.0, pixels, pixels]})  # of 1 um
    (path / ".zattrs").write_text(json.dumps(document))
    with open_slide(path) as slide:
        assert len(slide.grids) == 2 + kept


def test_a_chunk_never_stored_is_the_fill_value(tmp_path):
    path = write_ome_zarr(tmp_path / "a.zarr", np.full((512, 512, 3), 9, np.uint8), fill_value=201)
    for channel in range(3):
        (path / "0" / str(channel) / "1" / "1").unlink()
    with open_slide(path) as slide:
        assert (slide.read(0, 256, 256, 256, 256) == 201).all()
        assert (slide.read(0, 0, 0, 256, 512) == 9).all()


@pytest.mark.parametrize("damage", ["cut", "noise", "empty"])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_damaged_chunk_is_one_unreadable_tile(tmp_path, damage, version):
    picture = tissue_picture(512, 512)
    path = write_ome_zarr(tmp_path / "a.zarr", picture, version=version)
    chunk = path / "0" / ("1/1/1" if version == "0.4" else "c/1/1/1")
    data = chunk.read_bytes()
    chunk.write_bytes({"cut": data[: len(data) // 2], "noise": bytes(255 - b for b in data), "empty": b""}[damage])
    with open_slide(path) as slide:
        with pytest.raises(TileReadError):
            slide.read(0, 300, 300, 10, 10)
        assert (slide.read(0, 0, 0, 256, 512) == picture[:256]).all()


@pytest.mark.parametrize("document", [".zattrs", "0/.zarray"])
@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"multiscales": [{"axes": 3}]}', '{"shape": "x"}'])
def test_damaged_documents_are_errors(tmp_path, document, content):
    path = write_ome_zarr(tmp_path / "a.zarr", noise(20, 20))
    (path / document).write_text(content)
    with pytest.raises(SlideReadError):
        open_slide(path)


def test_a_missing_level_is_an_error(tmp_path):
    path = write_ome_zarr(tmp_path / "a.zarr", noise(200, 200), downsamples=(2.0,))
    shutil.rmtree(path / "1")
    with pytest.raises(SlideReadError):
        open_slide(path)


def test_chunks_beyond_any_memory_are_refused(tmp_path):
    path = write_ome_zarr(tmp_path / "a.zarr", noise(20, 20))
    document = json.loads((path / "0" / ".zarray").read_text())
    document |= {"shape": [3, 100_000, 100_000], "chunks": [3, 100_000, 100_000]}
    (path / "0" / ".zarray").write_text(json.dumps(document))
    with pytest.raises(SlideReadError, match="too large"):
        open_slide(path)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_over_http(tmp_path, web, version):
    picture = noise(600, 700)
    write_ome_zarr(tmp_path / "a.ome.zarr", picture, downsamples=(2.0,), version=version)
    with open_slide(f"{web.url}/a.ome.zarr") as slide:
        assert slide.backend == "ome-zarr"
        assert (slide.read(0, 0, 0, 600, 700) == picture).all()
        assert slide.read(1, 0, 0, 300, 350).shape == (300, 350, 3)
        web.behaviour.status = 503


def test_over_http_lost_chunks_are_never_painted(tmp_path, web, monkeypatch):
    monkeypatch.setattr(remote_patience, "LIMITS", RemoteLimits(open_s=3.0, read_s=1.0, failures=2, rest_s=5.0))
    write_ome_zarr(tmp_path / "a.zarr", noise(600, 700))
    with open_slide(f"{web.url}/a.zarr/") as slide:
        for behaviour in ({"status": 403}, {"status": 0, "delay_s": 10.0}):
            for name, value in behaviour.items():
                setattr(web.behaviour, name, value)
            begun = time.monotonic()
            with pytest.raises(TileReadError):
                slide.read(0, 0, 0, 100, 100)
            assert time.monotonic() - begun < 4


def test_over_http_a_store_that_refuses_what_it_does_not_have(tmp_path, web):
    """Buckets that may not be listed answer 403, not 404, for documents of the other zarr version."""
    web.behaviour.missing = 403
    picture = noise(300, 300)
    write_ome_zarr(tmp_path / "a.zarr", picture, compressors=None)
    with open_slide(f"{web.url}/a.zarr") as slide:
        assert (slide.read(0, 0, 0, 300, 300) == picture).all()


@pytest.mark.parametrize(
    ("behaviour", "error", "says"),
    [
        ({"status": 404}, SlideNotFoundError, "no slide at"),
        ({"status": 403}, SlideReadError, "credentials"),
        ({"status": 500}, SlideReadError, "500"),
        ({"delay_s": 30.0}, SlideReadError, "in time"),
    ],
)
def test_over_http_a_server_that_fails(tmp_path, web, monkeypatch, behaviour, error, says):
    monkeypatch.setattr(remote_patience, "LIMITS", RemoteLimits(open_s=3.0, read_s=1.0))
    write_ome_zarr(tmp_path / "a.zarr", noise(30, 30))
    for name, value in behaviour.items():
        setattr(web.behaviour, name, value)
    begun = time.monotonic()
    with pytest.raises(error, match=says):
        open_slide(f"{web.url}/a.zarr")
    assert time.monotonic() - begun < 6


def test_a_signed_url_names_one_file_only():
    with pytest.raises(RequestError, match="many"):
        open_slide("https://example.org/a.zarr?sig=x")


def test_a_closed_slide_refuses(tmp_path):
    slide = open_slide(write_ome_zarr(tmp_path / "a.zarr", noise(30, 30)))
    slide.close()
    slide.close()
    with pytest.raises(SlideReadError, match="closed"):
        slide.read(0, 0, 0, 10, 10)


def test_no_name_of_the_picture_is_passed_on(tmp_path):
    with open_slide(write_ome_zarr(tmp_path / "a.zarr", noise(30, 30))) as slide:
        assert "Jane" not in str(slide.metadata)
