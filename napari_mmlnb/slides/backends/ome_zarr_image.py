"""What an OME-Zarr group says of its picture: which arrays are its levels, which axis is which, how large a pixel is.

OME-Zarr (NGFF) 0.4 and 0.5, https://ngff.openmicroscopy.org. A slide is one RGB picture of 8 bits: channels first, as
bioformats2raw writes it, or last; time and depth may be there with one entry each. All else is refused with the reason.
A pixel's size is the scale of the finest level times that of the whole pyramid, in the unit of its axis; where an axis
names no unit of length, the size is unknown.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from napari_mmlnb.errors import SlideKindError, SlideReadError

if TYPE_CHECKING:
    from zarr.abc.store import Store

    from napari_mmlnb.slides.location import Location

_VERSIONS = ("0.4", "0.5")
_CONVERT = "Convert it, for example with bioformats2raw 0.9 or newer."
_AS_RGB = "Save the slide as one RGB picture with 8 bits per channel."
_MOST_IMAGES = 64

# UDUNITS names, which the specification asks for, and the signs that writers use instead; all in micrometres.
_UNITS_UM = {
    "meter": 1e6, "metre": 1e6, "m": 1e6, "decimeter": 1e5, "centimeter": 1e4, "cm": 1e4, "millimeter": 1e3, "mm": 1e3,
    "micrometer": 1.0, "micrometre": 1.0, "micron": 1.0, "um": 1.0, "µm": 1.0, "μm": 1.0, "nanometer": 1e-3,
    "nanometre": 1e-3, "nm": 1e-3, "picometer": 1e-6, "angstrom": 1e-4, "inch": 25400.0, "foot": 304800.0,
}  # fmt: skip


_Dataset = tuple[Any, tuple[float, ...], tuple[float, ...]]
"""An array, its scale along each axis, and its shift in its own pixels."""


@dataclass(frozen=True)
class OmeZarrLevel:
    """A level of the pyramid.

    Parameters
    ----------
    array : zarr.Array
        uint8, of any order of axes.
    axes : str
        A letter an axis: y, x, c, and t or z of one entry.
    """

    array: Any
    axes: str

    def length(self, axis: str) -> int:
        """Pixels along an axis."""
        return int(self.array.shape[self.axes.index(axis)])

    def chunk(self, axis: str) -> int:
        """Pixels of a chunk along an axis, at most those of the level."""
        return min(int(self.array.chunks[self.axes.index(axis)]), self.length(axis))

    def read(self, rows: slice, columns: slice) -> Any:
        """Pixels, (h, w, 3) uint8, by zarr; what it raises for a damaged chunk is passed on."""
        wanted = {"y": rows, "x": columns, "c": slice(None)}
        part = self.array[tuple(wanted.get(axis, 0) for axis in self.axes)]
        kept = [axis for axis in self.axes if axis in wanted]
        return np.ascontiguousarray(np.transpose(part, [kept.index(axis) for axis in "yxc"]))


@dataclass(frozen=True)
class OmeZarrImage:
    """A picture that is a slide.

    Parameters
    ----------
    levels : tuple of OmeZarrLevel
        Highest resolution first.
    mpp : tuple of float or None
        Micrometres per pixel of the finest, (x, y).
    version : str
        Of the specification.
    group : str
        Where it lies in the store.
    """

    levels: tuple[OmeZarrLevel, ...]
    mpp: tuple[float, float] | None
    version: str
    group: str


def find_image(location: Location, store: Store, path: str = "") -> OmeZarrImage:
    """The picture in a store: that of its root, or the largest one where bioformats2raw put several below it.

    Parameters
    ----------
    location : Path or RemoteUrl
        The slide, for error messages.
    store : zarr.abc.store.Store
        Open for reading.
    path : str
        Of the root group in it.

    Raises
    ------
    SlideKindError
        If what is there is in order, but no RGB slide.
    SlideReadError
        If it is no OME-Zarr, of another version, or damaged.
    """
    try:
        group = zarr.open_group(store, path=path, mode="r")
        images = [_image(location, image) for image in _images(location, group)]
    except SlideReadError:
        raise
    except Exception as error:  # zarr and its codecs raise whatever a damaged document trips
        raise SlideReadError(
            location, f"{location} cannot be read as OME-Zarr ({type(error).__name__}).", "Copy it again."
        ) from error
    return max(images, key=lambda image: image.levels[0].length("y") * image.levels[0].length("x"))


def _images(location: Location, group: zarr.Group) -> Iterator[zarr.Group]:
    """The groups with a pyramid."""
    attributes = _ome(group)
    if attributes.get("multiscales"):
        yield group
        return
    for key, what in {"plate": "a plate of wells", "well": "a well of a plate"}.items():
        if key in attributes:
            raise SlideKindError(location, f"{location} holds {what}, not a slide.", "Name one of the images in it.")
    if "bioformats2raw.layout" not in attributes:
        remedy = "Name the folder that holds the multiscales document."
        raise SlideReadError(location, f"{location} holds zarr arrays, but no OME-Zarr image.", remedy)
    found = 0
    for index in range(_MOST_IMAGES):
        if str(index) not in group:
            break
        image = group[str(index)]
        if isinstance(image, zarr.Group) and _is_rgb(image):
            found += 1
            yield image
    if not found:
        raise SlideKindError(location, f"{location} holds no RGB picture.", _AS_RGB)


def _is_rgb(group: zarr.Group) -> bool:
    """Whether one of several pictures is a slide, so that a mask beside it does not hide it."""
    try:
        _image("", group)
    except SlideReadError:
        return False
    return True


def _image(location: Location | str, group: zarr.Group) -> OmeZarrImage:
    attributes = _ome(group)
    if "image-label" in attributes:
        raise SlideKindError(location, f"{location} holds labels (a segmentation), not a slide.", _AS_RGB)
    multiscale = attributes["multiscales"][0]
    version = str(attributes.get("version") or multiscale.get("version") or _VERSIONS[0])
    axes = multiscale.get("axes", ())
    if version not in _VERSIONS or not all(isinstance(axis, Mapping) for axis in axes) or not axes:
        raise SlideReadError(location, f"{location} is OME-Zarr {version}; 0.4 and 0.5 are read.", _CONVERT)
    letters = _letters(location, axes)
    datasets: list[_Dataset] = [
        (group[dataset["path"]], _scale(multiscale, dataset, len(axes)), _shift(dataset, len(axes)))
        for dataset in multiscale["datasets"]
    ]
    datasets.sort(key=lambda dataset: -math.prod(dataset[0].shape))
    first = datasets[0]
    _check_kind(location, first[0], letters, attributes.get("omero", {}))
    levels = tuple(OmeZarrLevel(dataset[0], letters) for dataset in datasets if _same_view(letters, first, dataset))
    if len(levels) == 1 < len(datasets):
        problem = f"The sizes and scales that {location} states of its levels contradict each other."
        raise SlideReadError(location, problem, "Copy it again.")
    return OmeZarrImage(levels, _mpp(axes, letters, first[1]), version, group.path)


def _ome(group: zarr.Group) -> Mapping[str, Any]:
    """The OME documents of a group: below "ome" since 0.5."""
    attributes = group.attrs.asdict()
    inside = attributes.get("ome")
    return inside if isinstance(inside, Mapping) else attributes


def _letters(location: Location | str, axes: Sequence[Mapping[str, Any]]) -> str:
    names = [str(axis.get("name", "")).lower() for axis in axes]
    if not {"y", "x"} <= set(names) <= set("tczyx") or len(set(names)) < len(names):
        raise SlideReadError(location, f"The axes of {location} are {', '.join(names)}: no picture.", _AS_RGB)
    return "".join(names)


def _check_kind(location: Location | str, array: Any, letters: str, omero: Mapping[str, Any]) -> None:
    """Refuse what is no RGB picture of 8 bits, with what it is."""
    if not isinstance(array, zarr.Array) or len(array.shape) != len(letters):
        raise SlideReadError(location, f"The axes of {location} do not fit its arrays.", "Copy it again.")
    lengths = dict(zip(letters, array.shape, strict=True))
    several = {"t": "time points", "z": "focal planes"}
    parts = [f"{lengths[axis]} {name}" for axis, name in several.items() if lengths.get(axis, 1) != 1]
    channels = lengths.get("c", 1)
    what = f"{channels} {'channel' if channels == 1 else 'channels'} of {array.dtype}"
    named = _other_colours(omero)
    if parts or channels != 3 or array.dtype != np.uint8 or named:
        found = " x ".join([*parts, what]) + (f" called {', '.join(named)}" if named else "")
        raise SlideKindError(
            location, f"{location} holds {found} (fluorescence, a stack or a mask), not one RGB picture.", _AS_RGB
        )
    if min(lengths["y"], lengths["x"]) < 1:
        raise SlideReadError(location, f"{location} states an impossible size.", "Copy it again.")


def _other_colours(omero: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of three channels that are no red, green and blue, by the colours that they are to be shown in.

    Where all have the same colour, nothing is said about them.
    """
    channels = omero.get("channels", ())
    colours = [str(channel.get("color", "")).upper()[-6:] for channel in channels]
    if len(set(colours)) < 2 or colours == ["FF0000", "00FF00", "0000FF"]:
        return ()
    return tuple(str(channel.get("label", "unnamed")) for channel in channels)


def _scale(multiscale: Mapping[str, Any], dataset: Mapping[str, Any], axes: int) -> tuple[float, ...]:
    """Of a level along each axis, in the unit of the axis: its own times that of the whole pyramid."""
    scale = [1.0] * axes
    for transformation in (
        *dataset.get("coordinateTransformations", ()),
        *multiscale.get("coordinateTransformations", ()),
    ):
        if transformation.get("type") == "scale":
            own = [float(value) for value in transformation["scale"]]
            scale = [a * b for a, b in zip(scale, own, strict=True)]
    return tuple(scale)


def _shift(dataset: Mapping[str, Any], axes: int) -> tuple[float, ...]:
    """Of a level along each axis, in its own pixels. Half a pixel is usual: where the first pixel's centre lies."""
    steps = {step.get("type"): step for step in dataset.get("coordinateTransformations", ())}
    scale = steps.get("scale", {}).get("scale", [1.0] * axes)
    shift = steps.get("translation", {}).get("translation", [0.0] * axes)
    return tuple(float(a) / float(b) if float(b) else 0.0 for a, b in zip(shift, scale, strict=True))


def _mpp(axes: Sequence[Mapping[str, Any]], letters: str, scale: Sequence[float]) -> tuple[float, float] | None:
    sizes = []
    for letter in "xy":
        index = letters.index(letter)
        unit = _UNITS_UM.get(str(axes[index].get("unit", "")).strip())
        if unit is None or not (math.isfinite(scale[index]) and scale[index] > 0):
            return None
        sizes.append(scale[index] * unit)
    return sizes[0], sizes[1]


def _same_view(letters: str, first: _Dataset, level: _Dataset) -> bool:
    """Whether a level shows all of the first at the scale that it states, but for the rounding of its size."""
    (finest, finest_scale, finest_shift), (array, scale, shift) = first, level
    if not isinstance(array, zarr.Array) or array.ndim != finest.ndim or array.dtype != finest.dtype:
        return False
    for axis, (letter, here, there) in enumerate(zip(letters, array.shape, finest.shape, strict=True)):
        if letter not in "yx":
            if here != there:
                return False
            continue
        own, whole = here * scale[axis], there * finest_scale[axis]
        moved = shift[axis] - finest_shift[axis] * here / there
        if not 0 < here <= there or abs(own - whole) > 2 * abs(whole) / here or abs(moved) > 1:
            return False
    return True
