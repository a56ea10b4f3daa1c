"""The names that the package promises, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import napari_mmlnb


@pytest.mark.parametrize("name", napari_mmlnb.__all__)
def test_every_public_name_is_there(name):
    assert getattr(napari_mmlnb, name) is not None
    assert name in dir(napari_mmlnb)


def test_public_names_are_the_objects_of_their_modules():
    from napari_mmlnb.inference.runner import classify
    from napari_mmlnb.slides.slide import open_slide

    assert napari_mmlnb.classify is classify
    assert napari_mmlnb.open_slide is open_slide


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = napari_mmlnb.no_such_name


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import napari_mmlnb", {"torch", "qtpy", "napari", "numpy"}),
        ("from napari_mmlnb import open_slide", {"torch", "timm", "qtpy", "napari"}),
        ("from napari_mmlnb import RunResult", {"torch", "timm", "qtpy", "napari"}),
        ("import napari_mmlnb.report.outputs", {"torch", "timm", "qtpy", "napari"}),
        ("from napari_mmlnb import classify", {"qtpy", "napari"}),
    ],
)
def test_importing_stays_cheap(statement, forbidden):
    code = f"import sys\n{statement}\nsys.exit(' '.join(sorted({forbidden!r} & set(sys.modules))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.stderr.strip() == ""
