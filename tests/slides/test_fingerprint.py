from __future__ import annotations

import shutil

import numpy as np
import pytest

from napari_mmlnb.errors import SlideReadError
from napari_mmlnb.slides import fingerprint as module
from napari_mmlnb.slides.fingerprint import fingerprint
from napari_mmlnb.slides.location import locate
from napari_mmlnb.slides.slide import open_slide


def test_the_content_counts_and_the_name_does_not(make_tiff, tmp_path):
    path = make_tiff()
    other = tmp_path / "elsewhere" / "renamed.tif"
    other.parent.mkdir()
    shutil.copy(path, other)
    with open_slide(path) as slide:
        assert slide.fingerprint == fingerprint(other)
        assert slide.fingerprint.startswith("sha256:")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    other.write_bytes(data)
    assert fingerprint(other) != fingerprint(path)


def test_a_large_file_is_sampled_at_its_ends_and_between(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_WHOLE", 100_000)
    monkeypatch.setattr(module, "_END", 5_000)
    monkeypatch.setattr(module, "_BLOCK", 100)
    path = tmp_path / "large.svs"
    content = bytearray(np.random.default_rng(0).bytes(400_000))
    path.write_bytes(content)
    first = fingerprint(path)
    assert first.startswith("sha256-sampled:")
    assert first == fingerprint(path)
    for place in (0, 4_999, 5_000, 394_999, 399_999):
        changed = bytearray(content)
        changed[place] ^= 1
        path.write_bytes(changed)
        assert fingerprint(path) != first, place
    path.write_bytes(content + b"\0")
    assert fingerprint(path) != first


def test_a_dicom_folder_is_its_instances(tmp_path):
    for folder, names in (("a", ("1.dcm", "2.dcm")), ("b", ("x.dcm", "y.dcm"))):
        (tmp_path / folder).mkdir()
        for name, content in zip(names, (b"one", b"two"), strict=True):
            (tmp_path / folder / name).write_bytes(content)
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")
    assert fingerprint(tmp_path / "a" / "2.dcm") == fingerprint(tmp_path / "a")
    (tmp_path / "a" / "notes.txt").write_text("not a part of it")
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")
    (tmp_path / "b" / "x.dcm").write_bytes(b"three")
    assert fingerprint(tmp_path / "a") != fingerprint(tmp_path / "b")


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(SlideReadError):
        fingerprint(tmp_path / "gone.svs")
    with pytest.raises(SlideReadError, match="empty"):
        fingerprint(tmp_path)


@pytest.mark.parametrize("size", [5_000, 400_000])
def test_a_slide_at_a_url_has_the_digest_of_its_copy(tmp_path, monkeypatch, size):
    from tests.slides.backends.file_server import serve

    monkeypatch.setattr(module, "_WHOLE", 100_000)
    monkeypatch.setattr(module, "_END", 5_000)
    monkeypatch.setattr(module, "_BLOCK", 100)
    (tmp_path / "slide.svs").write_bytes(np.random.default_rng(0).bytes(size))
    with serve(tmp_path) as web:
        assert fingerprint(locate(f"{web.url}/slide.svs?sig=x")) == fingerprint(tmp_path / "slide.svs")
        web.behaviour.status = 403
        with pytest.raises(SlideReadError, match="credentials"):
            fingerprint(locate(f"{web.url}/slide.svs"))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_an_ome_zarr_is_its_documents_and_chunks_wherever_it_lies(tmp_path, version):
    import zipfile

    from tests.slides.backends.file_server import serve
    from tests.slides.backends.made_zarr import write_ome_zarr
    from tests.slides.made import noise

    path = write_ome_zarr(tmp_path / "a.zarr", noise(300, 400), downsamples=(2.0,), version=version)
    first = fingerprint(path)
    assert first.startswith("sha256:")
    shutil.copytree(path, tmp_path / "renamed.zarr")
    with zipfile.ZipFile(tmp_path / "a.ozx", "w") as archive:
        for file in path.rglob("*"):
            archive.write(file, f"inside/{file.relative_to(path).as_posix()}")
    assert fingerprint(tmp_path / "renamed.zarr") == fingerprint(tmp_path / "a.ozx") == first
    with serve(tmp_path) as web:
        assert fingerprint(locate(f"{web.url}/a.zarr")) == first
    for change in (path / "0" / ("2/1/1" if version == "0.4" else "c/2/1/1"), path / "1"):
        chunks = (file for file in sorted(change.rglob("*")) if file.is_file() and file.name.isdigit())
        chunk = change if change.is_file() else next(chunks)
        content = chunk.read_bytes()
        chunk.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert fingerprint(path) != first
        chunk.unlink()
        assert fingerprint(path) != first
        chunk.write_bytes(content)
    assert fingerprint(path) == first


def test_a_large_ome_zarr_is_sampled(tmp_path):
    from tests.slides.backends.made_zarr import write_ome_zarr
    from tests.slides.made import noise

    path = write_ome_zarr(tmp_path / "a.zarr", noise(300, 300), chunk=(50, 50))
    assert fingerprint(path).startswith("sha256-sampled:")


@pytest.mark.parametrize(
    "index",
    [
        "[Virtual Microscope Specimen]\nImageFile=a.jpg\nImageFile(1,0)=b.jpg\nMapFile=map.jpg\nMacroImage=m.jpg\n"
        "OptimisationFile=a.opt\nSourceLens=20\n",
        "[Uncompressed Virtual Microscope Specimen]\r\nImageFile=a.jpg\r\nImageFile(0,0,1) = b.jpg \r\n"
        "MapFile=map.jpg\r\nMacroImage=m.jpg\r\nOptimisationFile=a.opt\r\n",
    ],
)
def test_what_a_hamamatsu_index_names_counts(tmp_path, index):
    path = tmp_path / "slide.vms"
    path.write_bytes(index.encode())
    names = ("a.jpg", "b.jpg", "map.jpg", "m.jpg", "a.opt")
    for name in names:
        (tmp_path / name).write_text(name)
    first = fingerprint(path)
    (tmp_path / "other.jpg").write_text("not of this slide")
    assert fingerprint(path) == first
    for name in names:
        (tmp_path / name).write_text("changed")
        assert fingerprint(path) != first, name
        (tmp_path / name).write_text(name)


def test_an_index_that_names_files_elsewhere_leads_nowhere(tmp_path):
    (tmp_path / "secret.jpg").write_text("one")
    path = tmp_path / "folder" / "slide.vms"
    path.parent.mkdir()
    path.write_text("ImageFile=../secret.jpg\nMapFile=gone.jpg\n")
    first = fingerprint(path)
    (tmp_path / "secret.jpg").write_text("two")
    assert fingerprint(path) == first
