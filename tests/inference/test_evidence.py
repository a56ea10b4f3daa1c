from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_mmlnb.inference.evidence import select_evidence


def _grid(rows: int, columns: int) -> np.ndarray:
    return np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), -1).reshape(-1, 2).astype(np.int32)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 12), st.floats(0, 5), st.integers(0, 2**31))
def test_as_many_as_there_are_each_once_most_attended_first(
    rows: int, columns: int, count: int, apart: float, seed: int
) -> None:
    cells = _grid(rows, columns)
    attention = np.random.default_rng(seed).random(len(cells)).astype(np.float32)
    picked = select_evidence(attention, cells, count, apart)
    assert len(set(picked.tolist())) == len(picked) == min(count, len(cells))
    assert picked[0] == attention.argmax()
    assert (np.diff(attention[picked]) <= 0).all()


def test_the_tiles_do_not_crowd_where_there_is_room() -> None:
    cells = _grid(20, 20)
    attention = np.exp(-np.hypot(*(cells - 10).T) / 3).astype(np.float32)
    picked = cells[select_evidence(attention, cells, 8, 2.0)]
    gaps = [np.hypot(*(a - b)) for i, a in enumerate(picked) for b in picked[:i]]
    assert min(gaps) >= 2.0
