"""A synthetic neuroblastic slide: draw it, and write it with everything that is known of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast, get_args

import numpy as np
import numpy.typing as npt

from napari_mmlnb.errors import OutputError, RequestError, UnknownNameError
from napari_mmlnb.geometry import iter_windows
from napari_mmlnb.phantom.annotation import annotate_regions, annotate_tiles, count_objects
from napari_mmlnb.phantom.cells import cell_stamps, draw_style
from napari_mmlnb.phantom.confounders import Confounders, defocus, draw_confounders
from napari_mmlnb.phantom.ground import Block, Ground
from napari_mmlnb.phantom.layout import Layout, lay_out
from napari_mmlnb.phantom.noise import Field
from napari_mmlnb.phantom.optics import RGB, Optics, draw_optics, point_spread, transmit
from napari_mmlnb.phantom.population import DRAWING_ORDER, Population, populate
from napari_mmlnb.phantom.recipe import DECISIVE, draw_recipe
from napari_mmlnb.phantom.stamps import Stamp, StampSet
from napari_mmlnb.phantom.structures import structure_stamps
from napari_mmlnb.phantom.textures import BLOCK_PX, Textures, make_textures
from napari_mmlnb.phantom.truth import TILE_UM, PhantomTruth, Subtype
from napari_mmlnb.phantom.writer import write_pyramid

SMALLEST_UM = 250.0
MPP_RANGE = (0.2, 2.0)


def render_phantom(
    *,
    subtype: Subtype,
    seed: int,
    size: tuple[int, int] = (4096, 4096),
    mpp: float = 0.5,
    stain_shift: float = 0.0,
    tile_um: float = TILE_UM,
) -> tuple[RGB, Optics, PhantomTruth]:
    """Draw a phantom in memory.

    The tissue depends on subtype, seed and physical size only; stain and scanner also on `stain_shift`.

    Parameters
    ----------
    subtype : str
        "ud", "pd" or "d".
    seed : int
        Not negative; the same one gives the same pixels.
    size : tuple of int
        Width and height, pixels.
    mpp : float
        Micrometres per pixel.
    stain_shift : float
        0 is the range of stains and scanners for training; 1 lies well outside it.
    tile_um : float
        Side of the squares that attributes are told of, a multiple of 4 micrometres.

    Returns
    -------
    rgb : ndarray
        (height, width, 3) uint8.
    optics : Optics
        Stain and scanner, with the JPEG quality that belongs to it.
    truth : PhantomTruth
        What is known of it.

    Raises
    ------
    UnknownNameError
        If there is no such subtype.
    RequestError
        If size, scale, seed or shift are out of range.
    """
    _check(subtype, seed, size, mpp, stain_shift)
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence([seed, list(DECISIVE).index(subtype)]).spawn(7)]
    size_um = (size[1] * mpp, size[0] * mpp)
    recipe = draw_recipe(streams[0], subtype)
    layout = lay_out(streams[1], recipe, size_um)
    population = populate(streams[2], recipe, layout)
    confounders = draw_confounders(streams[3], layout)
    optics = draw_optics(streams[4], stain_shift)
    textures = make_textures(streams[5], mpp)
    rng = streams[6]
    stamps = cell_stamps(rng, draw_style(rng, recipe.nucleus_um, recipe.large_nuclei), mpp) | structure_stamps(rng, mpp)
    painter = _Painter(
        Ground(layout, recipe, textures, mpp),
        layout,
        confounders,
        optics,
        textures,
        _Placed.of(rng, population, stamps, mpp),
    )
    rgb = np.empty((size[1], size[0], 3), np.uint8)
    for rows, columns in iter_windows((size[1], size[0]), BLOCK_PX):
        block = Block(rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start)
        rgb[rows, columns] = painter.draw(block)
    rgb = point_spread(rgb, optics, mpp)
    defocus(rgb, confounders.defocus_um, mpp)
    for rows, columns in iter_windows((size[1], size[0]), BLOCK_PX):
        painter.expose(rgb, rows, columns)
    truth = PhantomTruth(
        subtype=subtype,
        seed=seed,
        mpp=mpp,
        size_px=size,
        stain_shift=stain_shift,
        regions=annotate_regions(layout, recipe),
        cells=count_objects(population),
        tile_um=tile_um,
        tile_attributes=annotate_tiles(layout, population, recipe, tile_um),
    )
    return rgb, optics, truth


def write_phantom(
    path: Path,
    *,
    subtype: Subtype,
    seed: int,
    size: tuple[int, int] = (4096, 4096),
    mpp: float = 0.5,
    stain_shift: float = 0.0,
) -> PhantomTruth:
    """Write a phantom as a pyramidal TIFF, and its truth beside it as `*.truth.json`.

    Both files appear whole or not at all; older ones of the same name are replaced.

    Parameters
    ----------
    path : Path
        The TIFF.
    subtype, seed, size, mpp, stain_shift
        As for `render_phantom`.

    Returns
    -------
    PhantomTruth
        What was written to `*.truth.json`.

    Raises
    ------
    OutputError
        If the files cannot be written.
    UnknownNameError, RequestError
        As for `render_phantom`.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise OutputError(path, "its folder does not exist")
    if path.is_dir():
        raise OutputError(path, "it is a folder")
    with _whole_or_not(path) as slide_part, _whole_or_not(truth_path(path)) as truth_part:
        rgb, optics, truth = render_phantom(subtype=subtype, seed=seed, size=size, mpp=mpp, stain_shift=stain_shift)
        write_pyramid(slide_part, rgb, mpp, optics.jpeg_quality)
        truth_part.write_text(truth.model_dump_json() + "\n", encoding="utf-8")
    return truth


def subtype_named(name: str) -> Subtype:
    """A subtype by its name.

    Raises
    ------
    UnknownNameError
        If there is no such subtype.
    """
    for subtype in get_args(Subtype):
        if subtype == name:
            return cast(Subtype, subtype)
    raise UnknownNameError("subtype", name, get_args(Subtype))


def truth_path(path: Path) -> Path:
    """Where the truth of a phantom lies."""
    return path.with_suffix(".truth.json")


def _check(subtype: str, seed: int, size: tuple[int, int], mpp: float, stain_shift: float) -> None:
    subtype_named(subtype)
    if seed < 0:
        raise RequestError(f"A seed of {seed} is negative.", "Give 0 or more.")
    if not MPP_RANGE[0] <= mpp <= MPP_RANGE[1]:
        raise RequestError(
            f"A phantom cannot be drawn at {mpp:g} micrometres per pixel.",
            f"Choose between {MPP_RANGE[0]:g} and {MPP_RANGE[1]:g}.",
        )
    if min(size) * mpp < SMALLEST_UM:
        raise RequestError(
            f"A phantom of {size[0]} x {size[1]} pixels is smaller than {SMALLEST_UM:g} micrometres.",
            "Give a larger size.",
        )
    if not 0.0 <= stain_shift <= 2.0:
        raise RequestError(f"A stain shift of {stain_shift:g} is out of range.", "Choose between 0 and 2.")


@contextmanager
def _whole_or_not(path: Path) -> Iterator[Path]:
    """A file to write that takes its place at the end; nothing is left behind on failure."""
    try:
        handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise OutputError(path, error.strerror or "the system refuses") from error
    part = Path(name)
    try:
        yield part
        part.chmod(0o666 & ~_umask())
        part.replace(path)
    except OSError as error:
        raise OutputError(path, error.strerror or "the system refuses") from error
    finally:
        part.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


class _Placed:
    """Objects with their stamp, turn and strength, in drawing order; pixel positions."""

    def __init__(
        self,
        centre: npt.NDArray[np.intp],
        half: npt.NDArray[np.intp],
        stamps: list[Stamp],
        strength: npt.NDArray[np.float64],
    ) -> None:
        self._centre, self._half, self._stamps, self._strength = centre, half, stamps, strength

    @classmethod
    def of(cls, rng: np.random.Generator, population: Population, sets: dict[str, StampSet], mpp: float) -> _Placed:
        stamps: list[Stamp] = []
        for kind in DRAWING_ORDER:
            which = population.of(kind)
            chosen, turns = sets[kind].choose(rng, population.angle[which], population.radius[which])
            views: dict[tuple[int, int], Stamp] = {}
            for pair in zip(chosen.tolist(), turns.tolist(), strict=True):
                if pair not in views:
                    views[pair] = sets[kind].stamps[pair[0]].turned(pair[1])
                stamps.append(views[pair])
        strength = np.exp(rng.normal(0.0, 0.08, len(stamps)))
        centre = np.floor(population.position / mpp).astype(np.intp)
        return cls(centre, np.array([stamp.half for stamp in stamps], np.intp), stamps, strength)

    def set_down(self, canvas: Field, block: Block) -> None:
        y, x = self._centre[:, 0] - block.y, self._centre[:, 1] - block.x
        near = (y > -self._half - 1) & (y < block.height + self._half + 1)
        near &= (x > -self._half - 1) & (x < block.width + self._half + 1)
        for i in np.flatnonzero(near).tolist():
            self._stamps[i].set_down(canvas, int(y[i]), int(x[i]), float(self._strength[i]))


class _Painter:
    """Draws one block after another of a slide."""

    def __init__(
        self,
        ground: Ground,
        layout: Layout,
        confounders: Confounders,
        optics: Optics,
        textures: Textures,
        placed: _Placed,
    ) -> None:
        self._ground, self._layout, self._confounders = ground, layout, confounders
        self._optics, self._textures, self._placed = optics, textures, placed

    def draw(self, block: Block) -> RGB:
        """The block as it would look without lens and sensor noise."""
        canvas = np.zeros((4, block.height, block.width), np.float32)
        if self._ground.window(self._layout.edge_um, block).max() > -30.0:
            self._ground.paint(block, canvas)
            self._placed.set_down(canvas, block)
            layers = self._ground.sample(self._layout.thickness, block)
            if self._ground.window(self._confounders.fold, block).any():
                layers *= 1.0 + self._ground.sample(self._confounders.fold, block)
            canvas *= layers * self._ground.cover(block)
        ink = None
        if self._ground.window(self._confounders.ink, block).any():
            ink = self._ground.sample(self._confounders.ink, block)
        return transmit(canvas, self._optics, ink)

    def expose(self, rgb: RGB, rows: slice, columns: slice) -> None:
        """Add the sensor's noise to a window of the slide, in place."""
        window = rgb[rows, columns]
        noise = self._textures.sensor.at(rows.start, columns.start, *window.shape[:2]) * np.float32(self._optics.noise)
        # The same noise in a green sensor and its neighbours would be grey: shift it from channel to channel.
        for channel in range(3):
            shifted = np.roll(noise, channel * 37, axis=1)
            values = window[..., channel] + shifted + np.float32(0.5)
            window[..., channel] = np.clip(values, 0, 255).astype(np.uint8)
