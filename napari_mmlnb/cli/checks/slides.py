"""What opens slides: each library decodes something that was made here, since being installed is not yet working."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from napari_mmlnb.cli.checks.finding import Check, Finding, State

Picture = npt.NDArray[np.uint8]

SIDE_PX = 256
_NEAR = 6.0
"""Mean difference in grey levels that a lossy codec may leave on a smooth picture."""


def _examine() -> Iterator[Finding]:
    picture = smooth_picture()
    with tempfile.TemporaryDirectory(prefix="mmlnb-doctor-") as folder:
        path = Path(folder) / "slide.tiff"
        _write_tiff(path, picture)
        for name, (packages, read) in _READERS.items():
            yield look_at(name, packages, lambda read=read: read(path, picture))  # type: ignore[misc]
    yield _remote()


def look_at(name: str, packages: tuple[str, ...], read: Callable[[], Picture]) -> Finding:
    """Let a library decode, and compare with what was written."""
    told = ", ".join(f"{package} {version(package)}" for package in packages)
    remedy = f"pip install --force-reinstall {' '.join(packages)}"
    try:
        difference = float(np.abs(read().astype(np.float32) - smooth_picture()).mean())
    except Exception as error:  # a broken library raises whatever it likes, an ImportError too
        return Finding(name, State.PROBLEM, f"{told}: it fails ({type(error).__name__})", remedy)
    if not difference <= _NEAR:
        text = f"{told}: it decodes wrongly, by {difference:.0f} grey levels"
        return Finding(name, State.PROBLEM, text, remedy)
    return Finding(name, State.OK, told)


def smooth_picture() -> Picture:
    """(256, 256, 3) uint8 RGB, smooth and of three different channels, so that swapped ones are seen."""
    row, column = np.mgrid[0:SIDE_PX, 0:SIDE_PX]
    return np.stack([row, column, 255 - row], axis=2).astype(np.uint8)


def _write_tiff(path: Path, picture: Picture) -> None:
    import tifffile

    size = (SIDE_PX // 2, SIDE_PX // 2)
    tifffile.imwrite(
        path, picture, tile=size, photometric="rgb", compression="zlib", resolution=(20_000, 20_000),
        resolutionunit="CENTIMETER", metadata=None,
    )  # fmt: skip


def _openslide(path: Path, picture: Picture) -> Picture:
    import openslide

    with openslide.OpenSlide(path) as slide:
        return np.asarray(slide.read_region((0, 0), 0, picture.shape[1::-1]).convert("RGB"))


def _own_tiff(path: Path, picture: Picture) -> Picture:  # noqa: ARG001 - as the others
    from napari_mmlnb.slides.backends.registry import open_reader

    reader, _ = open_reader(path, "tiff")
    try:
        rows = [np.concatenate([reader.read_tile(0, row, column) for column in (0, 1)], axis=1) for row in (0, 1)]
        return np.concatenate(rows)
    finally:
        reader.close()


def _jpeg(path: Path, picture: Picture) -> Picture:  # noqa: ARG001
    import simplejpeg

    return np.asarray(simplejpeg.decode_jpeg(simplejpeg.encode_jpeg(picture, quality=95)))


def _jpeg2000(path: Path, picture: Picture) -> Picture:  # noqa: ARG001
    import imagecodecs

    return np.asarray(imagecodecs.jpeg2k_decode(imagecodecs.jpeg2k_encode(picture, level=0)))


def _dicom(path: Path, picture: Picture) -> Picture:  # noqa: ARG001
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.Rows, made.Columns, made.SamplesPerPixel, made.PlanarConfiguration = *picture.shape, 0
    made.PhotometricInterpretation, made.BitsAllocated, made.BitsStored, made.HighBit = "RGB", 8, 8, 7
    made.PixelRepresentation, made.PixelData = 0, picture.tobytes()
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, made, implicit_vr=False, little_endian=True, overwrite=True)
    buffer.seek(0)
    return np.asarray(pydicom.dcmread(buffer, force=True).pixel_array)


def _zarr(path: Path, picture: Picture) -> Picture:  # noqa: ARG001
    import zarr
    from zarr.codecs import BloscCodec

    array = zarr.create_array(
        zarr.storage.MemoryStore(), shape=picture.shape, chunks=(64, 64, 3), dtype="uint8", compressors=[BloscCodec()]
    )
    array[:] = picture
    return np.asarray(array[:])


def _tiffslide(path: Path, picture: Picture) -> Picture:
    import tiffslide

    with tiffslide.TiffSlide(path) as slide:
        return np.asarray(slide.read_region((0, 0), 0, picture.shape[1::-1], as_array=True))


def _remote() -> Finding:
    clients = {"s3": "s3fs", "gs": "gcsfs"}
    missing = [scheme for scheme, module in clients.items() if find_spec(module) is None]
    usable = ["https", *(scheme for scheme in clients if scheme not in missing)]
    text = f"slides at {', '.join(f'{scheme}://' for scheme in usable)} (fsspec {version('fsspec')})"
    if not missing:
        return Finding("remote slides", State.OK, text)
    text = f"{text}; no client for {', '.join(f'{scheme}://' for scheme in missing)}"
    return Finding("remote slides", State.ABSENT, text, "pip install 'napari-mmlnb[remote]'")


_READERS: MappingProxyType[str, tuple[tuple[str, ...], Callable[[Path, Picture], Picture]]] = MappingProxyType(
    {
        "OpenSlide": (("openslide-python", "openslide-bin"), _openslide),
        "TIFF": (("tifffile",), _own_tiff),
        "JPEG": (("simplejpeg",), _jpeg),
        "JPEG 2000": (("imagecodecs",), _jpeg2000),
        "DICOM": (("pydicom",), _dicom),
        "OME-Zarr": (("zarr",), _zarr),
        "tiffslide": (("tiffslide",), _tiffslide),
    }
)

CHECK = Check("slides", "Looking at what opens slides", _examine)
