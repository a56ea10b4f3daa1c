"""Which tiles carry the answer, and what is to be said of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from napari_mmlnb.bundles.spec import BundleSpec
from napari_mmlnb.describe.base import Describer, EvidenceTile, TileDescription
from napari_mmlnb.errors import TileReadError
from napari_mmlnb.inference.answer import SlideAnswer
from napari_mmlnb.inference.bag import Bag
from napari_mmlnb.result import Description, Evidence
from napari_mmlnb.slides.slide import Slide
from napari_mmlnb.slides.tile_grid import TileGrid


def select_evidence(
    attention: npt.NDArray[np.float32], cells: npt.NDArray[np.int32], count: int, apart: float
) -> npt.NDArray[np.int64]:
    """The most attended tiles that do not crowd together. Our design, after MMLNB.

    Greedy: the most attended tile first, then the next that lies at least `apart` tiles (centre to centre) from all
    that were taken. Where the tissue is too small for that, the distance is halved until there are enough.

    Parameters
    ----------
    attention : ndarray
        (n,) weights.
    cells : ndarray
        (n, 2) row and column of each tile.
    count : int
        How many are wanted; fewer come back only when there are fewer tiles.
    apart : float
        Least distance in tiles.

    Returns
    -------
    ndarray
        Indices into `attention`, most attended first.
    """
    order = np.argsort(-attention, kind="stable")
    wanted = min(count, len(order))
    chosen: list[int] = []
    while True:
        chosen = _pick(order, cells, wanted, apart)
        if len(chosen) == wanted:
            return np.array(sorted(chosen, key=lambda i: (-attention[i], i)), dtype=np.int64)
        apart = apart / 2 if apart > 1 else 0.0


def _pick(order: npt.NDArray[np.int64], cells: npt.NDArray[np.int32], wanted: int, apart: float) -> list[int]:
    chosen: list[int] = []
    for i in order:
        if len(chosen) == wanted:
            break
        if all(np.hypot(*(cells[i] - cells[j])) >= apart for j in chosen):
            chosen.append(int(i))
    return chosen


def describe_evidence(
    slide: Slide,
    tiles: TileGrid,
    bag: Bag,
    answer: SlideAnswer,
    spec: BundleSpec,
    describer: Describer,
    check_cancelled: Callable[[], None],
) -> tuple[tuple[Evidence, ...], tuple[EvidenceTile, ...], Description]:
    """Choose the evidence, read its tiles once more, and have them described.

    Parameters
    ----------
    slide : Slide
        Where the tiles are read from.
    tiles : TileGrid
        The tiles of the run.
    bag : Bag
        Which of them were used.
    answer : SlideAnswer
        Their attention and contributions.
    spec : BundleSpec
        How many tiles, how far apart; the classes.
    describer : Describer
        What describes.
    check_cancelled : callable
        Called after each tile; raises to end the run.

    Returns
    -------
    evidence : tuple of Evidence
        For the record, most attended first.
    pictures : tuple of EvidenceTile
        Their pixels.
    description : Description
        Of the slide.

    Raises
    ------
    TileReadError
        If a tile cannot be read any more.
    """
    used = bag.used
    picked = select_evidence(answer.attention, tiles.cells[used], spec.evidence.tiles, spec.evidence.apart)
    pictures = tuple(_read(slide, tiles, int(used[i]), rank) for rank, i in enumerate(picked, start=1))
    said: dict[int, TileDescription] = {}
    for tile in describer.describe(pictures):
        check_cancelled()
        said[tile.rank] = tile
    description = describer.summarise([said[p.rank] for p in pictures])
    evidence = tuple(
        Evidence(
            rank=picture.rank,
            region_um=picture.region.yxhw,
            attention=float(answer.attention[i]),
            contribution=dict(zip(spec.class_ids, map(float, answer.contribution[i]), strict=True)),
            sentences=said[picture.rank].sentences,
            measurements=said[picture.rank].measurements,
        )
        for picture, i in zip(pictures, picked, strict=True)
    )
    return evidence, pictures, description


def _read(slide: Slide, tiles: TileGrid, index: int, rank: int) -> EvidenceTile:
    try:
        pixels = slide.read_grid(tiles.pixels(index))
    except TileReadError as error:
        raise TileReadError(
            slide.path, "A tile that could be read before cannot be read any more.", "Is the slide still there?"
        ) from error
    return EvidenceTile(rank, pixels, tiles.um_per_px, tiles.region(index))
