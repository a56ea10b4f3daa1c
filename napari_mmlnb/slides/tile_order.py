"""In which order to read the tiles of a slide: every prefix a fair sample of the tissue, every stored tile read once.

The two pull apart: a random order is the fairest, and asks for each stored tile several times, long after each other.
So the tissue is cut into blocks of neighbouring tiles. First comes a sample of single tiles, one of each block in turn;
then the blocks, in random order, each row by row. Where the sizes allow it a block ends where a stored tile ends, and
nothing of one is needed in another.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_mmlnb.slides.tile_grid import TileGrid

Order = npt.NDArray[np.int64]

_USUAL_BLOCK = 8
_BLOCKS = range(4, 17)
_SAMPLE = 256
_SAMPLE_SHARE = 8
_WHOLE = 1e-6


def fair_order(tiles: TileGrid, stored_um: tuple[float, float] | None = None, seed: int = 0) -> Order:
    """An order of all tiles in which every prefix is a fair sample, and neighbours mostly come together.

    Parameters
    ----------
    tiles : TileGrid
        The tiles.
    stored_um : (y, x), optional
        Size of a stored tile of the level that is read, micrometres.
    seed : int
        Of the random choices; the same grid and seed give the same order.

    Returns
    -------
    ndarray
        (n,) int64, a permutation of the indices into `tiles.cells`.
    """
    count = len(tiles)
    if count == 0:
        return np.zeros(0, dtype=np.int64)
    random = np.random.default_rng(seed)
    block = tile_blocks(tiles, stored_um)
    rank = random.permutation(int(block.max()) + 1)[block]
    shuffled = random.permutation(count)
    turn = np.empty(count, dtype=np.int64)
    turn[shuffled] = _occurrence(block[shuffled])
    sample = np.lexsort((rank, turn))[: min(_SAMPLE, count // _SAMPLE_SHARE)]
    rest = np.ones(count, dtype=np.bool_)
    rest[sample] = False
    by_block = np.lexsort((tiles.cells[:, 1], tiles.cells[:, 0], rank))
    return np.concatenate([sample, by_block[rest[by_block]]]).astype(np.int64)


def block_order(tiles: TileGrid, stored_um: tuple[float, float] | None = None) -> Order:
    """All tiles, block by block from the top left: for whoever wants all of them soon, and no prefix of them.

    The decoded pixels that the next row of tiles needs too are then still near: those of a row that runs across the
    slide have left the processor's cache by then.

    Parameters
    ----------
    tiles, stored_um
        As in `fair_order`.

    Returns
    -------
    ndarray
        (n,) int64, a permutation of the indices into `tiles.cells`.
    """
    if len(tiles) == 0:
        return np.zeros(0, dtype=np.int64)
    block = tile_blocks(tiles, stored_um)
    return np.lexsort((tiles.cells[:, 1], tiles.cells[:, 0], block)).astype(np.int64)


def tile_blocks(tiles: TileGrid, stored_um: tuple[float, float] | None = None) -> Order:
    """The number of the block in which each tile lies, (n,) int64; parameters as in `fair_order`."""
    sides = [block_side(tiles.grid.spacing_um[axis], None if stored_um is None else stored_um[axis]) for axis in (0, 1)]
    row, column = (tiles.cells // sides).astype(np.int64).T
    _, block = np.unique(row * tiles.grid.shape[1] + column, return_inverse=True)
    return block.astype(np.int64)


def block_side(tile_um: float, stored_um: float | None) -> int:
    """Tiles along a block's side: near 8, and such that it ends where a stored tile ends, if any from 4 to 16 does."""
    if stored_um is None:
        return _USUAL_BLOCK
    whole = [n for n in _BLOCKS if abs(n * tile_um / stored_um - round(n * tile_um / stored_um)) < _WHOLE]
    return min(whole, key=lambda n: abs(n - _USUAL_BLOCK), default=_USUAL_BLOCK)


def _occurrence(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many equal labels stand before each."""
    order = np.argsort(labels, kind="stable")
    first = np.searchsorted(labels[order], labels[order])
    out = np.empty(len(labels), dtype=np.int64)
    out[order] = np.arange(len(labels)) - first
    return out
