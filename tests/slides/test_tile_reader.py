from __future__ import annotations

import threading
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_mmlnb.errors import SlideReadError
from napari_mmlnb.geometry import PixelGrid
from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.slides.tile_grid import TileGrid, build_tile_grid
from napari_mmlnb.slides.tile_reader import TileReader
from napari_mmlnb.slides.tissue import TissueMask, find_tissue
from tests.slides.made import MadeReader, made_slide, noise

ENOUGH = 2**24


def tiles_of(rows: int, columns: int) -> TileGrid:
    """Tiles of 8 px at 1 um."""
    everywhere = TissueMask(np.ones((rows, columns), bool), PixelGrid((rows, columns), (8.0, 8.0)))
    return build_tile_grid(everywhere, tile_px=8, um_per_px=1.0)


def reader_of(rows: int, columns: int, **options) -> MadeReader:
    """A slide on which each tile of `tiles_of` is one stored tile."""
    return MadeReader([noise(8 * rows, 8 * columns)], [(8, 8)], **options)


def until(holds, seconds: float = 20.0) -> None:
    """Wait for something that another thread does."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.002)


def decoding_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("decode")}


def all_of(reader: TileReader) -> dict[int, np.ndarray]:
    """Index to pixels, all of them readable."""
    out = {}
    for batch in reader:
        assert batch.readable.all()
        out |= dict(zip(batch.indices.tolist(), batch.pixels.copy(), strict=True))
    return out


def test_every_tile_once_in_the_order_asked_for():
    tiles = tiles_of(10, 10)
    order = np.random.default_rng(0).permutation(100)[:83]
    with made_slide(made := reader_of(10, 10)) as slide:
        with TileReader(slide, tiles, order=order, batch=16, threads=3) as reader:
            batches = list(reader)
        assert len(reader) == len(batches) == 6
        assert np.concatenate([batch.indices for batch in batches]).tolist() == order.tolist()
        assert [len(batch) for batch in batches] == [16] * 5 + [3]
        assert all(batch.readable.all() for batch in batches)
        row, column = tiles.cells[order[0]]
        expected = noise(80, 80)[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8]
        assert (batches[0].pixels[0] == expected).all()
        assert len(made.reads) == 83


def test_the_content_does_not_depend_on_the_threads(small_slide):
    with open_slide(small_slide) as slide:
        tiles = build_tile_grid(find_tissue(slide), tile_px=96, um_per_px=0.77)
        assert len(tiles) > 5
        pictures = []
        for threads, batch in ((1, 4), (4, 7), (None, 5)):
            with TileReader(slide, tiles, batch=batch, threads=threads) as reader:
                pictures.append(np.concatenate([part.pixels for part in reader]))
    assert (pictures[0] == pictures[1]).all()
    assert (pictures[0] == pictures[2]).all()
    assert pictures[0].std() > 10


DOWNSAMPLES = st.lists(st.sampled_from([2.0, 2.5, 3.2, 3.9998, 4.0]), max_size=2)
SIDES = st.sampled_from([1, 5, 16, 17, 24, 30, 32, 48])
MPP = st.sampled_from([0.25, 0.2499, 0.31, 0.5])


@st.composite
def slides(draw, reductions: tuple[int, ...] = (1,)) -> tuple[MadeReader, tuple[float, float]]:
    """A slide's reader with levels and tiles of any size, and its (x, y) mpp."""
    height, width = draw(st.integers(20, 150)), draw(st.integers(20, 150))
    sizes, factor = [(height, width)], 1.0
    for downsample in draw(DOWNSAMPLES):
        factor *= downsample
        sizes.append((max(1, round(height / factor)), max(1, round(width / factor))))
    pictures = [noise(*size, seed) for seed, size in enumerate(sizes)]
    sides = draw(st.lists(st.tuples(SIDES, SIDES), min_size=len(sizes), max_size=len(sizes)))
    x = draw(MPP)
    return MadeReader(pictures, sides, reductions=reductions), (x, x * draw(st.sampled_from([1.0, 1.0, 2.0, 1.24])))


@st.composite
def grids(draw, mpp: tuple[float, float], extent_um: tuple[float, float]) -> TileGrid:
    """Tiles at any scale, side by side, overlapping or apart, over the slide and past its edges."""
    um_per_px = draw(
        st.one_of(
            st.sampled_from([1.0, 2.0, 3.0, 4.0, 1.5, 2.5]).map(lambda k: k * mpp[0]),
            st.floats(0.5, 6.0).map(lambda k: k * mpp[0]),
        )
    )
    tile_px = draw(st.integers(1, 30))
    spacing = tile_px * um_per_px * draw(st.sampled_from([1.0, 1.0, 1.0, 0.5, 1.3]))
    origin = draw(st.sampled_from([(0.0, 0.0), (0.0, 0.0), (mpp[1], 2 * mpp[0]), (-1.37, 0.61)]))
    shape = tuple(min(9, int(extent / spacing) + 2) for extent in extent_um)
    all_cells = [(row, column) for row in range(shape[0]) for column in range(shape[1])]
    cells = draw(st.lists(st.sampled_from(all_cells), min_size=1, max_size=25, unique=True))
    grid = PixelGrid((shape[0], shape[1]), (spacing, spacing), origin)
    return TileGrid(grid, np.array(sorted(cells), np.int32), tile_px, um_per_px)


@settings(max_examples=100)
@given(data=st.data())
def test_pixels_are_those_of_read_grid_and_each_stored_tile_is_decoded_once(data):
    made, mpp = data.draw(slides())
    height, width = made.pictures[0].shape[:2]
    tiles = data.draw(grids(mpp, (height * mpp[1], width * mpp[0])))
    order = data.draw(st.permutations(range(len(tiles))))[: data.draw(st.integers(1, 25))]
    small = data.draw(st.sampled_from([False, False, True]))
    with made_slide(made, mpp, cache_bytes=3000 if small else ENOUGH) as slide:
        batch, threads = data.draw(st.integers(1, 9)), data.draw(st.sampled_from([None, 1, 3]))
        with TileReader(slide, tiles, order=order, batch=batch, threads=threads) as reader:
            found = all_of(reader)
            assert slide.cache.used_bytes == 0
        read = Counter(made.reads)
        assert list(found) == order
        expected = {index: slide.read_grid(tiles.pixels(index)) for index in order}
        assert all((found[index] == expected[index]).all() for index in order)
        # A fresh slide, read tile by tile, needs the same stored tiles.
        assert set(read) == set(made.reads[read.total() :])
        assert reader.decoded == read.total()
        assert reader.decoded_again == read.total() - len(read)
        assert small or reader.decoded_again == 0


def test_where_memory_is_short_stored_tiles_are_decoded_again_and_counted():
    """Every tile of 8 px touches four stored tiles; of one column at a time, each is wanted four times."""
    made = MadeReader([noise(100, 100)], [(8, 8)])
    tiles = TileGrid(
        PixelGrid((11, 11), (8.0, 8.0), (4.0, 4.0)), np.argwhere(np.ones((11, 11))).astype(np.int32), 8, 1.0
    )
    with made_slide(made, cache_bytes=2 * 10 * 8 * 8 * 3) as slide:  # room for ten to be held
        with TileReader(slide, tiles, batch=3, threads=2) as reader:
            found = all_of(reader)
        assert all((found[i] == slide.read_grid(tiles.pixels(i))).all() for i in range(121))
    assert 144 < reader.decoded < 4 * 121
    assert reader.decoded_again == reader.decoded - 144
    with made_slide(MadeReader([noise(100, 100)], [(8, 8)])) as slide:
        with TileReader(slide, tiles, batch=3, threads=2) as reader:
            list(reader)
        assert (reader.decoded, reader.decoded_again) == (144, 0)


@given(order=st.permutations(range(36)), batch=st.integers(1, 40), threads=st.sampled_from([1, 2, 5]))
def test_in_any_order_nothing_is_decoded_twice(order, batch, threads):
    made = MadeReader([noise(60, 60)], [(16, 16)])
    tiles = TileGrid(PixelGrid((6, 6), (10.0, 10.0)), np.argwhere(np.ones((6, 6))).astype(np.int32), 10, 1.0)
    with made_slide(made) as slide:
        with TileReader(slide, tiles, order=order, batch=batch, threads=threads) as reader:
            found = all_of(reader)
        assert len(made.reads) == len(set(made.reads)) == 16 == reader.decoded
        assert slide.cache.used_bytes == 0
        picture = noise(60, 60)
    for index, (row, column) in enumerate(tiles.cells.tolist()):
        assert (found[index] == picture[10 * row : 10 * row + 10, 10 * column : 10 * column + 10]).all()


@pytest.mark.parametrize("side", [24, 18])
def test_reduction_in_the_decoder_asks_the_decoder(side):
    picture = noise(96, 96)
    made = MadeReader([picture], [(side, side)], reductions=(1, 2))
    inside = 96 // side
    tiles = TileGrid(PixelGrid((4, 4), (12.0, 12.0)), np.argwhere(np.ones((4, 4))).astype(np.int32), 12, 1.0)
    mean = picture.reshape(48, 2, 48, 2, 3).mean(axis=(1, 3))
    with made_slide(made, (0.5, 0.5)) as slide, TileReader(slide, tiles, reduce_in_decoder=True) as reader:
        found = all_of(reader)
    assert {reduce for _, row, column, reduce in made.reads if max(row, column) < inside} == {2}
    assert len(made.reads) == len(set(made.reads))
    for index, (row, column) in enumerate(tiles.cells.tolist()):
        expected = mean[12 * row : 12 * row + 12, 12 * column : 12 * column + 12]
        assert np.abs(found[index] - expected).max() <= 0.5


@settings(max_examples=50)
@given(data=st.data())
def test_reduced_in_the_decoder_pixels_are_nearly_those_of_read_grid(data):
    """The decoder of these slides takes exact means, so that only the rounding in between differs."""
    made, mpp = data.draw(slides(reductions=(1, 2, 4)))
    height, width = made.pictures[0].shape[:2]
    tiles = data.draw(grids(mpp, (height * mpp[1], width * mpp[0])))
    order = data.draw(st.permutations(range(len(tiles))))
    with made_slide(made, mpp) as slide:
        with TileReader(slide, tiles, order=order, batch=3, reduce_in_decoder=True) as reader:
            found = all_of(reader)
        assert len(made.reads) == len(set(made.reads)) == reader.decoded
        assert {read[3] for read in made.reads} <= {1, reader.decoder_reduction}
        for index in order:
            difference = found[index].astype(int) - slide.read_grid(tiles.pixels(index))
            assert np.abs(difference).max() <= (0 if reader.decoder_reduction == 1 else 2)


@settings(max_examples=50)
@given(data=st.data())
def test_unreadable_are_exactly_the_tiles_that_touch_what_cannot_be_decoded(data):
    made, mpp = data.draw(slides())
    height, width = made.pictures[0].shape[:2]
    tiles = data.draw(grids(mpp, (height * mpp[1], width * mpp[0])))
    level_tiles = [shape.tiles for shape in made.metadata.levels]
    everything = [
        (v, r, c) for v, (rows, columns) in enumerate(level_tiles) for r in range(rows) for c in range(columns)
    ]
    made.damaged = set(data.draw(st.lists(st.sampled_from(everything), max_size=6)))
    with made_slide(made, mpp) as slide:
        with TileReader(slide, tiles, batch=4, threads=2) as reader:
            batches = list(reader)
        touched = set()
        for batch in batches:
            for index, pixels, readable in zip(batch.indices, batch.pixels, batch.readable, strict=True):
                before = len(made.reads)
                try:
                    expected = slide.read_grid(tiles.pixels(int(index)))
                except SlideReadError:
                    assert not readable
                    assert (pixels == 0).all()
                    touched.add(made.reads[-1][:3])
                else:
                    assert readable
                    assert (pixels == expected).all()
                    assert made.damaged.isdisjoint(read[:3] for read in made.reads[before:])
        noted = {(tile.level, tile.row, tile.column) for tile in slide.damage.tiles}
        assert touched <= noted <= made.damaged
        assert slide.cache.used_bytes <= ENOUGH


def test_one_bad_stored_tile_loses_only_its_tiles():
    made = MadeReader([noise(80, 80)], [(16, 16)], damaged=[(0, 2, 3)])
    tiles = TileGrid(PixelGrid((8, 8), (10.0, 10.0)), np.argwhere(np.ones((8, 8))).astype(np.int32), 10, 1.0)
    with made_slide(made) as slide, TileReader(slide, tiles, batch=5) as reader:
        readable = np.concatenate([batch.readable for batch in reader])
        assert [(tile.level, tile.row, tile.column) for tile in slide.damage.tiles] == [(0, 2, 3)]
    # Rows 32 to 48 lie in tiles 3 and 4, columns 48 to 64 in 4, 5 and 6.
    lost = {tuple(cell) for cell in tiles.cells[~readable].tolist()}
    assert lost == {(row, column) for row in (3, 4) for column in (4, 5, 6)}
    assert made.reads.count((0, 2, 3, 1)) == 1


def test_reading_ahead_is_bounded_when_the_consumer_is_slow():
    made = reader_of(30, 30)
    with made_slide(made) as slide, TileReader(slide, tiles_of(30, 30), batch=10, threads=2) as reader:
        iterator = iter(reader)
        next(iterator)
        time.sleep(0.3)
        assert len(made.reads) <= 30
        next(iterator)
        time.sleep(0.3)
        assert len(made.reads) <= 40


def test_close_stops_soon_and_leaves_no_threads():
    before = decoding_threads()
    with made_slide(made := reader_of(50, 50, seconds=0.01)) as slide:
        reader = TileReader(slide, tiles_of(50, 50), batch=50, threads=2)
        iterator = iter(reader)
        next(iterator)
        reader.close()
        asked = len(made.reads)
        assert asked < 300
        assert list(iterator) == []
        reader.close()
        time.sleep(0.1)
        assert len(made.reads) == asked
        assert decoding_threads() <= before


def test_closing_leaves_the_slides_own_threads_to_the_slide():
    before = decoding_threads()
    with made_slide(reader_of(10, 10)) as slide:
        with TileReader(slide, tiles_of(10, 10)) as reader:
            next(iter(reader))
        with TileReader(slide, tiles_of(10, 10)) as reader:
            assert len(all_of(reader)) == 100
    assert decoding_threads() <= before


def test_close_from_another_thread_ends_the_iteration():
    with made_slide(reader_of(60, 60, seconds=0.005)) as slide:
        reader = TileReader(slide, tiles_of(60, 60), batch=20, threads=2)
        threading.Timer(0.4, reader.close).start()
        assert 0 < len(list(reader)) < len(reader)


def test_whoever_waits_for_storage_that_hangs_can_give_up(monkeypatch):
    answers, gave_up = threading.Event(), threading.Event()
    with made_slide(reader_of(10, 10)) as slide:
        read = slide.tiles.tile

        def hanging(*args, **kwargs):
            assert answers.wait(20)
            return read(*args, **kwargs)

        monkeypatch.setattr(slide.tiles, "tile", hanging)
        reader = TileReader(slide, tiles_of(10, 10), batch=10, threads=2, stopped=gave_up.is_set)
        threading.Timer(0.2, gave_up.set).start()
        assert list(reader) == []
        assert not answers.is_set(), "it ended although nothing came"
        answers.set()
        reader.close()
        assert slide.cache.used_bytes == 0


@pytest.mark.parametrize("um_per_px", [1.0, 1.37])
@pytest.mark.parametrize("threads", [None, 1, 2])
def test_closing_at_any_moment_gives_no_half_read_batch_and_all_memory_back(threads, um_per_px):
    picture = noise(200, 200)
    tiles = TileGrid(PixelGrid((12, 12), (11.0, 11.0)), np.argwhere(np.ones((12, 12))).astype(np.int32), 8, um_per_px)
    with made_slide(MadeReader([picture], [(16, 16)])) as slide:
        truth = [slide.read_grid(tiles.pixels(index)) for index in range(len(tiles))]
    for round_ in range(40):
        with made_slide(MadeReader([picture], [(16, 16)], seconds=0.0003)) as slide:
            order = np.random.default_rng(round_).permutation(len(tiles))
            reader = TileReader(slide, tiles, order=order, batch=4, threads=threads)
            closing = threading.Timer(0.001 + 0.001 * round_, reader.close)
            closing.start()
            for batch in reader:
                assert batch.readable.all()
                assert all((batch.pixels[slot] == truth[index]).all() for slot, index in enumerate(batch.indices))
            closing.join(20)
            assert not closing.is_alive()
            assert slide.cache.used_bytes == 0


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_an_early_end_gives_all_memory_back(taken):
    made = MadeReader([noise(160, 160)], [(32, 32)])
    tiles = TileGrid(PixelGrid((16, 16), (10.0, 10.0)), np.argwhere(np.ones((16, 16))).astype(np.int32), 10, 1.0)
    order = np.random.default_rng(5).permutation(256)
    with made_slide(made) as slide:
        with TileReader(slide, tiles, order=order, batch=8, threads=2) as reader:
            iterator = iter(reader)
            for _ in range(taken):
                next(iterator)
            assert taken == 0 or slide.cache.used_bytes > 0
        assert slide.cache.used_bytes == 0


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_a_fault_of_the_program_is_not_taken_for_a_bad_tile(threads):
    made = MadeReader([noise(160, 160)], [(32, 32)])
    tiles = TileGrid(PixelGrid((16, 16), (10.0, 10.0)), np.argwhere(np.ones((16, 16))).astype(np.int32), 10, 1.0)
    with made_slide(made) as slide:
        reader = TileReader(slide, tiles, order=np.random.default_rng(5).permutation(256), batch=4, threads=threads)
        iterator = iter(reader)
        assert next(iterator).readable.all()
        made.fault = ZeroDivisionError()
        with pytest.raises(ZeroDivisionError):
            list(iterator)
        reader.close()
        assert slide.cache.used_bytes == 0
        assert len(slide.damage) == 0


def test_a_fault_leaves_no_thread_waiting_for_what_never_comes():
    """Nobody closes the reader here, and the slide's threads must end all the same."""
    made = MadeReader([noise(320, 320)], [(16, 16)])
    tiles = TileGrid(PixelGrid((32, 32), (10.0, 10.0)), np.argwhere(np.ones((32, 32))).astype(np.int32), 10, 1.0)
    made.fault = ZeroDivisionError()
    slide = made_slide(made)
    with pytest.raises(ZeroDivisionError):
        list(TileReader(slide, tiles, batch=200))
    closing = threading.Thread(target=slide.close, daemon=True)
    closing.start()
    closing.join(20)
    assert not closing.is_alive()


@pytest.mark.parametrize("um_per_px", [1.0, 1.37])
@pytest.mark.parametrize("threads", [None, 2])
def test_a_slide_that_is_closed_meanwhile_ends_the_reading(threads, um_per_px):
    for round_ in range(25):
        made = MadeReader([noise(200, 200)], [(16, 16)], seconds=0.0003)
        tiles = TileGrid(
            PixelGrid((12, 12), (11.0, 11.0)), np.argwhere(np.ones((12, 12))).astype(np.int32), 8, um_per_px
        )
        slide = made_slide(made)
        closing = threading.Timer(0.001 * round_, slide.close)
        with TileReader(slide, tiles, batch=4, threads=threads) as reader:
            closing.start()
            try:
                assert all(batch.readable.all() for batch in reader)
            except SlideReadError as error:
                assert "closed" in str(error)
        closing.join(20)
        assert not closing.is_alive()
        assert slide.cache.used_bytes == 0


def test_the_viewer_is_served_ahead_of_a_run():
    made = MadeReader([noise(320, 320), noise(160, 160)], [(8, 8), (160, 160)])
    with made_slide(made) as slide:
        slide.pyramid[1]  # laid out
        slide.pool.submit(0, int).result(20)
        submitted = threading.Event()
        submit = slide.pool.submit

        def spy(priority, *args):
            task = submit(priority, *args)
            if priority == 0:
                submitted.set()
            return task

        slide.pool.submit = spy
        made.gate.clear()
        with TileReader(slide, tiles_of(40, 40), batch=500) as reader:
            run = threading.Thread(target=lambda: [None for _ in reader])
            run.start()
            until(lambda: made.waiting == slide.pool.threads)
            before = len(made.reads)
            shown = []
            view = threading.Thread(target=lambda: shown.append(slide.pyramid[1][:]))
            view.start()
            assert submitted.wait(20)
            made.gate.set()
            view.join(20)
            run.join(20)
        position = [read[0] for read in made.reads].index(1)
        assert position - before <= 20 * slide.pool.threads
        assert len(made.reads) > 1600
        assert (shown[0] == noise(160, 160)).all()


def test_tiles_are_read_into_the_arrays_that_the_consumer_gives():
    given_out = []

    def allocate(shape):
        given_out.append(np.full(shape, 99, np.uint8))
        return given_out[-1]

    tiles = TileGrid(PixelGrid((5, 5), (8.0, 8.0)), np.array([(0, 0), (1, 1), (4, 4)], np.int32), 8, 1.0)
    made = MadeReader([noise(33, 33)], [(16, 16)], damaged=[(0, 0, 0)])
    with made_slide(made) as slide, TileReader(slide, tiles, batch=2, allocate=allocate) as reader:
        batches = list(reader)
    assert all(np.shares_memory(batch.pixels, array) for batch, array in zip(batches, given_out, strict=True))
    assert batches[0].readable.tolist() == [False, False]
    assert (batches[0].pixels == 0).all()
    corner = np.full((8, 8, 3), 255, np.uint8)
    corner[0, 0] = noise(33, 33)[32, 32]
    assert (batches[1].pixels[0] == corner).all()


def test_a_tile_past_the_edge_is_white():
    tiles = TileGrid(PixelGrid((9, 9), (8.0, 8.0)), np.array([(7, 7), (0, 8)], np.int32), 8, 1.0)
    with made_slide(made := reader_of(3, 3)) as slide, TileReader(slide, tiles, batch=1) as reader:
        batches = list(reader)
    assert all((batch.pixels == 255).all() and batch.readable.all() for batch in batches)
    assert made.reads == []


def test_no_tiles_no_batches():
    with made_slide(reader_of(4, 4)) as slide, TileReader(slide, tiles_of(4, 4), order=[]) as reader:
        assert list(reader) == []


def test_it_reads_once():
    with made_slide(reader_of(4, 4)) as slide, TileReader(slide, tiles_of(4, 4)) as reader:
        assert len(list(reader)) == 1
        with pytest.raises(RuntimeError, match="once"):
            list(reader)


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"threads": 0}])
def test_impossible_requests_are_refused(wrong):
    with made_slide(reader_of(4, 4)) as slide, pytest.raises(ValueError, match="at least 1"):
        TileReader(slide, tiles_of(4, 4), **wrong)
