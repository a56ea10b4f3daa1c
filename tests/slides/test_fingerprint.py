from __future__ import annotations

import shutil

import numpy as np
import pytest

from napari_mmlnb.errors import SlideReadError
from napari_mmlnb.slides import fingerprint as module
from napari_mmlnb.slides.fingerprint import fingerprint
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
