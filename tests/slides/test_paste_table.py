from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_mmlnb.slides.paste_table import AxisPieces, PasteTable, Piece


def pieces_of(start: int, length: int, side: int) -> tuple[Piece, ...]:
    """What stored tiles of `side` pixels give of the pixels from `start` on."""
    pixels = range(start, start + length)
    return tuple(
        Piece(
            stored,
            slice(max(start, stored * side) - start, min(pixels.stop, (stored + 1) * side) - start),
            slice(max(start, stored * side) - stored * side, min(pixels.stop, (stored + 1) * side) - stored * side),
        )
        for stored in sorted({pixel // side for pixel in pixels})
    )


def axis_of(spans: dict[int, tuple[int, int]], side: int) -> AxisPieces:
    return AxisPieces({index: pieces_of(*span, side) for index, span in spans.items()}, 20)


SPANS = st.dictionaries(st.integers(0, 9), st.tuples(st.integers(0, 90), st.integers(0, 20)), min_size=1)


@given(
    rows=SPANS,
    columns=SPANS,
    sides=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    batch=st.integers(1, 14),
    data=st.data(),
)
def test_every_pixel_comes_from_the_stored_tile_that_holds_it(rows, columns, sides, batch, data):
    cells = data.draw(st.lists(st.tuples(st.sampled_from(sorted(rows)), st.sampled_from(sorted(columns))), max_size=12))
    picture = np.arange(200 * 200).reshape(200, 200)
    axes = axis_of(rows, sides[0]), axis_of(columns, sides[1])
    tables = PasteTable.of_batches(*axes, np.array(cells, np.int64).reshape(-1, 2), batch)
    assert len(tables) == math.ceil(len(cells) / batch)
    windows = np.full((len(cells), 20, 20), -1)
    for number, table in enumerate(tables):
        of_batch = windows[number * batch : (number + 1) * batch]
        for nth, (row, column) in enumerate(table.stored.tolist()):
            stored = picture[row * sides[0] :, column * sides[1] :][: sides[0], : sides[1]]
            for slot, top, bottom, left, right, *of in table.pastes[table.first[nth] : table.first[nth + 1]].tolist():
                assert (of_batch[slot, top:bottom, left:right] == -1).all(), "no pixel twice"
                of_batch[slot, top:bottom, left:right] = stored[of[0] : of[1], of[2] : of[3]]
    for window, (row, column) in zip(windows, cells, strict=True):
        (top, height), (left, width) = rows[row], columns[column]
        assert (window[:height, :width] == picture[top : top + height, left : left + width]).all()
        assert (window[height:] == -1).all()
        assert (window[:, width:] == -1).all()


@given(spans=SPANS, batch=st.integers(1, 40))
def test_stored_tiles_come_in_the_order_of_the_file_and_once_a_batch(spans, batch):
    axis = axis_of(spans, 7)
    cells = np.array([(row, column) for row in spans for column in spans], np.int64)
    for table in PasteTable.of_batches(axis, axis, cells, batch):
        assert (np.unique(table.stored, axis=0) == table.stored).all()


def test_what_fills_its_window_is_told_from_what_does_not():
    axis = axis_of({0: (0, 20), 1: (15, 20), 4: (30, 12), 5: (0, 0)}, 8)
    assert axis.fills(np.array([5, 4, 1, 0, 0])).tolist() == [False, False, True, True, True]
    first, stop = axis.spans(np.array([5, 4, 1, 0]))
    assert first.tolist() == [0, 3, 1, 0]
    assert stop.tolist() == [0, 6, 5, 3]


def test_a_batch_that_no_stored_tile_reaches():
    axis = axis_of({0: (0, 0), 1: (0, 20)}, 8)
    without, within = PasteTable.of_batches(axis, axis, np.array([[0, 0], [0, 1], [1, 1]]), 2)
    assert len(without.stored) == len(without.pastes) == 0
    assert without.first.tolist() == [0]
    assert len(within.stored) == len(within.pastes) == 9


def test_no_tiles_no_batches():
    assert PasteTable.of_batches(axis_of({}, 8), axis_of({}, 8), np.zeros((0, 2), np.int64), 4) == []
