"""Which tiles carry the answer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


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
