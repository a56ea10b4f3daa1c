"""Small sound slides of every format, to be damaged.

Each is made here, with smooth tissue on glass, a pyramid and what the format keeps beside it. A format that cannot be
written here (DICOM) is taken from the real slides, where there are any.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import tifffile
from PIL import Image

from tests.slides import made_dicom
from tests.slides.backends.made_zarr import write_ome_zarr
from tests.slides.fuzz.vendor_seeds import write_bif, write_ndpi, write_scn
from tests.slides.made import RGB, area_level, tissue_picture

_SVS, _OME, _DICOM_FOLDER = "CMU-1-Small-Region.svs", "OS-1-detail.ome.tif", "CMU-1-Small-Region-dicom"

HEIGHT, WIDTH = 300, 380
TILE = 128
MPP = (0.5, 0.5)


class Codec(StrEnum):
    """What a decoder can know of damage inside the pixels."""

    CHECKED = "checked"
    """The stream carries a checksum: every change is noticed."""
    UNCHECKED = "unchecked"
    """It carries none: a change may give other pixels, and no decoder can tell."""


class Kind(StrEnum):
    """How a slide lies on the disk, and so how it can be damaged."""

    TIFF = "tiff"
    BYTES = "bytes"
    FOLDER = "folder"


@dataclass(frozen=True)
class Seed:
    """A sound slide.

    Parameters
    ----------
    name : str
        Of the seed.
    make : callable
        Writes it into a folder and gives its path.
    kind : Kind
        How it can be damaged.
    codec : Codec
        What its pixels say of themselves.
    backend : str
        What opens it when it is sound.
    forced : bool
        Whether that backend is asked for by name; else the rule chooses, on the damaged file too.
    remote : bool
        Whether it is read from a server.
    needs : callable
        Whether it can be made here.
    """

    name: str
    make: Callable[[Path], Path]
    kind: Kind
    codec: Codec
    backend: str
    forced: bool = False
    remote: bool = False
    needs: Callable[[], bool] = lambda: True


def picture(height: int = HEIGHT, width: int = WIDTH) -> RGB:
    """What all seeds show: tissue, and bars as far as the edges, so that no tile is without content."""
    pixels = tissue_picture(height, width, seed=5)
    pixels[6:10, 6:-6] = pixels[-10:-6, 6:-6] = (90, 40, 120)
    pixels[6:-6, 6:10] = pixels[6:-6, -10:-6] = (90, 40, 120)
    for row in range(20, height - 8, 60):
        pixels[row : row + 6, 14:-14] = (200, 120, 170)
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), 1.0), dtype=np.uint8)


def levels(height: int = HEIGHT, width: int = WIDTH) -> tuple[RGB, ...]:
    """The picture at full size, a half and a quarter."""
    full = picture(height, width)
    return (full, *(area_level(full, round(height / factor), round(width / factor)) for factor in (2, 4)))


def _tiff(
    name: str,
    *,
    compression: str | None,
    photometric: str = "ycbcr",
    ome: bool = False,
    big: bool = False,
) -> Callable[[Path], Path]:
    """A tiled pyramid; an OME-TIFF keeps it in SubIFDs, with a header."""

    def make(folder: Path) -> Path:
        path = folder / name
        full, *smaller = levels()
        options = _options(compression, photometric)
        scale = {"resolution": (1e4 / MPP[0], 1e4 / MPP[1]), "resolutionunit": "CENTIMETER", "metadata": None}
        header = {
            "metadata": {"axes": "YXS", "PhysicalSizeX": MPP[0], "PhysicalSizeY": MPP[1]},
            "subifds": len(smaller),
        }
        with tifffile.TiffWriter(path, ome=ome, bigtiff=big) as tif:
            tif.write(full, **options, **(header if ome else scale))
            for level in smaller:
                tif.write(level, subfiletype=1, metadata=None, **options)
        return path

    return make


def _svs(folder: Path) -> Path:
    """As Aperio lays it out: level 0, a thumbnail, the other levels, label and macro."""
    path = folder / "s.svs"
    full, *smaller = levels()
    options = _options("jpeg", "ycbcr") | {"metadata": None}
    strips: dict[str, Any] = {"photometric": "rgb", "rowsperstrip": 16, "metadata": None}
    size = f"{WIDTH}x{HEIGHT}"
    said = f"Aperio Image Library v11.2.1\n{size} [0,0 {size}] ({TILE}x{TILE}) JPEG/RGB Q=90|AppMag = 20|MPP = {MPP[0]}"
    with tifffile.TiffWriter(path) as tif:
        tif.write(full, description=said, **options)
        tif.write(smaller[-1], description="Aperio Image Library v11.2.1\nthumbnail", **strips)
        for level in smaller:
            tif.write(level, description=f"Aperio Image Library v11.2.1\n{level.shape[1]}x{level.shape[0]}", **options)
        tif.write(full[:60, :80], subfiletype=1, description="Aperio Image Library\nlabel 80x60", **strips)
        tif.write(full[:70, :90], subfiletype=9, description="Aperio Image Library\nmacro 90x70", **strips)
    return path


def _options(compression: str | None, photometric: str) -> dict[str, Any]:
    options: dict[str, Any] = {"tile": (TILE, TILE), "photometric": "rgb", "compression": compression}
    if compression == "jpeg":
        options["compressionargs"] = {"level": 90} | ({"outcolorspace": "RGB"} if photometric == "rgb" else {})
    return options


def _ndpi(folder: Path) -> Path:
    return write_ndpi(folder / "s.ndpi", levels(320, 384), MPP)


def _scn(folder: Path) -> Path:
    return write_scn(folder / "s.scn", levels(), MPP, TILE)


def _bif(folder: Path) -> Path:
    return write_bif(folder / "s.bif", levels(384, 384), MPP, TILE)


def _dicom(codec: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        numbers = itertools.count(1)
        # The same names in every run, so that the same damage is done.
        with mock.patch.object(made_dicom, "generate_uid", lambda *_, **__: f"1.2.3.{next(numbers)}"):
            return made_dicom.write_dicom(
                folder / "dicom", picture=picture(), downsamples=(2, 4), mpp=MPP, codec=codec, tile=(TILE, TILE)
            )

    return make


def _zarr(version: str, **options: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        return write_ome_zarr(
            folder / "s.ome.zarr",
            picture(),
            downsamples=(2, 4),
            version=version,
            chunk=(TILE, TILE),
            chunk_c=3,
            **options,
        )

    return make


def _plain(name: str, **options: Any) -> Callable[[Path], Path]:
    """A picture without a pyramid, which says how large its pixels are where its format can."""

    def make(folder: Path) -> Path:
        Image.fromarray(picture()).save(folder / name, dpi=(25400 / MPP[0], 25400 / MPP[1]), **options)
        return folder / name

    return make


def _strips(folder: Path) -> Path:
    """A flat TIFF."""
    options: dict[str, Any] = {"resolution": (1e4 / MPP[0], 1e4 / MPP[1]), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(
        folder / "s.tif", picture(), photometric="rgb", compression="deflate", rowsperstrip=32, metadata=None, **options
    )
    return folder / "s.tif"


def _real(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        source = Path(os.environ["MMLNB_TEST_SLIDES"]) / name
        target = folder / name
        if source.is_dir():
            target.mkdir()
            for member in source.iterdir():
                (target / member.name).write_bytes(member.read_bytes())
        else:
            target.write_bytes(source.read_bytes())
        return target

    return make


def _is_there(name: str) -> Callable[[], bool]:
    return lambda: "MMLNB_TEST_SLIDES" in os.environ and (Path(os.environ["MMLNB_TEST_SLIDES"]) / name).exists()


_TIFF = {"kind": Kind.TIFF, "backend": "tiff"}
_VENDOR = {"kind": Kind.TIFF, "backend": "openslide"}

_ZARR = {"kind": Kind.FOLDER, "backend": "ome-zarr"}
_PLAIN = {"kind": Kind.BYTES, "backend": "plain"}
_DICOM = {"kind": Kind.FOLDER, "backend": "dicom"}

SEEDS: tuple[Seed, ...] = (
    Seed("tiff-jpeg", _tiff("s.tiff", compression="jpeg"), codec=Codec.UNCHECKED, **_TIFF),
    Seed("tiff-jpeg-rgb", _tiff("s.tiff", compression="jpeg", photometric="rgb"), codec=Codec.UNCHECKED, **_TIFF),
    Seed("tiff-deflate", _tiff("s.tiff", compression="deflate"), codec=Codec.CHECKED, **_TIFF),
    Seed("tiff-lzw", _tiff("s.tiff", compression="lzw"), codec=Codec.UNCHECKED, **_TIFF),
    Seed("tiff-raw", _tiff("s.tiff", compression=None), codec=Codec.UNCHECKED, **_TIFF),
    Seed("bigtiff-jpeg", _tiff("s.btf", compression="jpeg", big=True), codec=Codec.UNCHECKED, **_TIFF),
    Seed("svs-jpeg", _svs, codec=Codec.UNCHECKED, **_TIFF),
    Seed("ome-jpeg", _tiff("s.ome.tiff", compression="jpeg", ome=True), codec=Codec.UNCHECKED, **_TIFF),
    Seed("ome-deflate", _tiff("s.ome.tiff", compression="deflate", ome=True), codec=Codec.CHECKED, **_TIFF),
    Seed("svs-openslide", _svs, codec=Codec.UNCHECKED, forced=True, **_VENDOR),
    Seed("ndpi", _ndpi, codec=Codec.UNCHECKED, **_VENDOR),
    Seed("scn", _scn, codec=Codec.UNCHECKED, **_VENDOR),
    Seed("bif", _bif, codec=Codec.UNCHECKED, **_VENDOR),
    Seed("dicom-jpeg", _dicom("jpeg"), codec=Codec.UNCHECKED, **_DICOM),
    Seed("dicom-raw", _dicom("raw"), codec=Codec.UNCHECKED, **_DICOM),
    Seed("ome-zarr-0.4", _zarr("0.4"), codec=Codec.UNCHECKED, **_ZARR),
    Seed("ome-zarr-0.5", _zarr("0.5"), codec=Codec.UNCHECKED, **_ZARR),
    Seed("ome-zarr-sharded", _zarr("0.5", shards=(2 * TILE, 2 * TILE)), codec=Codec.UNCHECKED, **_ZARR),
    Seed("png", _plain("s.png"), codec=Codec.CHECKED, **_PLAIN),
    Seed("jpeg", _plain("s.jpg", quality=90), codec=Codec.UNCHECKED, **_PLAIN),
    Seed("tiff-strips", _strips, kind=Kind.TIFF, codec=Codec.CHECKED, backend="plain"),
    Seed("remote-svs", _svs, Kind.TIFF, Codec.UNCHECKED, "remote", remote=True),
    Seed("real-svs", _real(_SVS), codec=Codec.UNCHECKED, needs=_is_there(_SVS), **_TIFF),
    Seed("real-ome", _real(_OME), codec=Codec.UNCHECKED, needs=_is_there(_OME), **_TIFF),
    Seed("real-dicom", _real(_DICOM_FOLDER), codec=Codec.UNCHECKED, needs=_is_there(_DICOM_FOLDER), **_DICOM),
)
