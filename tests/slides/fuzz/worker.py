"""Reads damaged slides in every way there is, and says of each what happened, one JSON line a slide.

Run as ``python -m tests.slides.fuzz.worker CASES``, with a file of one case a line. A crash or a hang is that of the
next case, which has no line.

Each stored tile that the program gives is compared with the sound slide's; where it differs, with what other readers
(OpenSlide, tifffile, Pillow, zarr) make of the same damaged file. So a tile is

- "same" as the sound slide's,
- "unreadable", and the program says so,
- "as others": other pixels, the same that another reader sees there: the file really says so,
- "wrong": other pixels that nobody else sees there,
- "unjudged": the damaged file speaks of a level that neither the sound slide nor another reader knows.
"""

from __future__ import annotations

import faulthandler
import io
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import openslide
import tifffile
import zarr
from PIL import Image

from napari_mmlnb.cli.main import run
from napari_mmlnb.errors import MppMissingError, SlideError, SlideReadError, TileReadError
from napari_mmlnb.slides.decoded_tiles import damage_pattern
from napari_mmlnb.slides.slide import Slide, open_slide
from napari_mmlnb.slides.tile_grid import build_tile_grid
from napari_mmlnb.slides.tile_reader import TileReader
from napari_mmlnb.slides.tissue import TissueMask, find_tissue
from tests.slides.backends.file_server import serve
from tests.slides.made import RGB

MEMORY = 1 << 30
"""What a damaged slide may ask for, over what the process has when it has read a sound one."""

_TILES_A_LEVEL = 24
_SMALL = 4_000_000
_STATUS = Path("/proc/self/status")


class DisagreementError(Exception):
    """Two ways to read the same pixels gave different ones."""


def main(cases: Path) -> None:
    """Read every case, with a limit of memory that the first, a sound slide, has set."""
    faulthandler.enable()
    lines = [json.loads(line) for line in cases.read_text().splitlines()]
    warm = lines[0] | {"path": lines[0]["sound"]}
    outcome = _outcome(warm)
    if outcome["outcome"] != "opened" or set(outcome["tiles"]) - {"same"}:
        raise SystemExit(f"the sound slide cannot be read: {outcome}")
    limit_memory()
    for case in lines:
        print(json.dumps(_outcome(case)), flush=True)


def limit_memory() -> None:
    """Let the process grow by `MEMORY` and no further."""
    if _STATUS.exists():
        limit = _status("VmSize") + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _status(key: str) -> int:
    """A number of this process, bytes."""
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024


def _outcome(case: dict[str, Any]) -> dict[str, Any]:
    started, before = time.process_time(), _reset_peak()
    said: dict[str, Any] = {"name": case["name"], "error": "", "text": "", "memory_error": False, "tiles": {}}
    with _at(case) as place:
        try:
            said |= _read(place, Path(case["path"]), Path(case["sound"]), case["backend"])
            said["outcome"] = "opened"
        except SlideError as error:
            said |= {"outcome": "refused", "error": type(error).__name__, "text": str(error)}
            said["memory_error"] = _ran_out(error)
        except Exception as error:
            said |= {"outcome": "untyped", "error": type(error).__name__, "text": f"{error} {_where(error)}"}
        said["info"] = _info(str(place), case["backend"])
    said["seconds"] = round(time.process_time() - started, 3)
    said["grown_mb"] = round((_peak() - before) / 1e6)
    return said


@contextmanager
def _at(case: dict[str, Any]) -> Iterator[Path | str]:
    """Where the slide is read: its path, or the URL of a server that serves it."""
    path = Path(case["path"])
    if not case["remote"]:
        yield path
        return
    with serve(path.parent) as web:
        yield f"{web.url}/{path.name}"


def _read(place: Path | str, path: Path, sound: Path, backend: str | None) -> dict[str, Any]:
    """Read it in every way."""
    scale = "file"
    try:
        slide = open_slide(place, backend=backend)
    except MppMissingError:
        scale = "given"
        slide = open_slide(place, backend=backend, mpp=0.5)
    with slide:
        _check_metadata(slide)
        truth = _truth(sound)
        counts: Counter[str] = Counter()
        for level in range(len(slide.grids)):
            counts += _judge_level(slide, level, path, truth)
        _check_windows(slide)
        _check_pyramid(slide)
        _check_tiles(slide)
        _read_whole(slide)
        for name in slide.metadata.associated:
            with suppress(SlideReadError):
                slide.associated_image(name)
        return {
            "backend": slide.backend,
            "scale": scale,
            "mpp": slide.mpp.xy,
            "sizes": [grid.shape for grid in slide.grids],
            "tiles": dict(counts),
        }


# What the file says of itself.


def _check_metadata(slide: Slide) -> None:
    levels = slide.metadata.levels
    sizes = [(level.height, level.width) for level in levels]
    sound = bool(levels) and all(min(level.height, level.width, *level.tiles) > 0 for level in levels)
    sound = sound and sizes == sorted(sizes, reverse=True) and len(set(sizes)) == len(sizes)
    sound = sound and all(min(level.downsample_y, level.downsample_x) >= 1 for level in levels)
    if not sound:
        raise DisagreementError(f"levels that cannot be: {levels}")


# The tiles themselves.

Truth = dict[tuple[int, int], RGB]


@cache
def _truth(sound: Path) -> Truth:
    """All levels of the sound slide, by their size."""
    with open_slide(sound) as slide:
        return {
            (level.height, level.width): slide.read(index, 0, 0, level.height, level.width)
            for index, level in enumerate(slide.metadata.levels)
        }


def _judge_level(slide: Slide, level: int, path: Path, truth: Truth) -> Counter[str]:
    shape = slide.metadata.levels[level]
    expected = truth.get((shape.height, shape.width))
    counts: Counter[str] = Counter()
    for row, column in _places(shape.tiles):
        y, x = row * shape.tile_height, column * shape.tile_width
        height, width = min(shape.tile_height, shape.height - y), min(shape.tile_width, shape.width - x)
        try:
            pixels = slide.tiles.tile(level, row, column)[:height, :width]
        except TileReadError as error:
            if _ran_out(error):
                raise
            counts["unreadable"] += 1
            continue
        if expected is not None and np.array_equal(pixels, expected[y : y + height, x : x + width]):
            counts["same"] += 1
            continue
        others = [other(path, (shape.width, shape.height), x, y, width, height) for other in _OTHERS]
        known = [other for other in others if other is not None]
        if any(np.array_equal(pixels, other) for other in known):
            counts["as others"] += 1
        elif expected is not None:
            counts["wrong"] += 1
        else:
            counts["unjudged"] += 1
    return counts


def _places(tiles: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """All tiles of a small level; some of a large one, the corners among them."""
    rows, columns = tiles
    if rows * columns <= _TILES_A_LEVEL:
        yield from ((row, column) for row in range(rows) for column in range(columns))
        return
    some = [sorted({round(i * (count - 1) / 4) for i in range(5)}) for count in tiles]
    yield from ((row, column) for row in some[0] for column in some[1])


Other = Callable[[Path, tuple[int, int], int, int, int, int], RGB | None]


def _by_openslide(path: Path, size: tuple[int, int], x: int, y: int, width: int, height: int) -> RGB | None:
    """What OpenSlide sees in the level of that size."""
    entry = next((file for file in sorted(path.glob("*.dcm"))), path) if path.is_dir() else path
    try:
        with openslide.OpenSlide(entry) as slide:
            level = slide.level_dimensions.index(size)
            factor = slide.level_downsamples[level]
            rgba = np.asarray(slide.read_region((round(x * factor), round(y * factor)), level, (width, height)))
    except (openslide.OpenSlideError, ValueError):
        return None
    seen: RGB = np.where(rgba[..., 3:] == 0, np.uint8(255), rgba[..., :3])
    return seen


def _by_tifffile(path: Path, size: tuple[int, int], x: int, y: int, width: int, height: int) -> RGB | None:
    """What tifffile and imagecodecs see in the page of that size."""
    if path.is_dir():
        return None
    try:
        with tifffile.TiffFile(path, _multifile=False) as tif:
            for page in _pages(tif):
                if (page.imagewidth, page.imagelength) == size and page.is_tiled:
                    index = y // page.tilelength * -(-page.imagewidth // page.tilewidth) + x // page.tilewidth
                    tif.filehandle.seek(page.dataoffsets[index])
                    data = tif.filehandle.read(page.databytecounts[index])
                    tile = page.decode(data, index, jpegtables=page.jpegtables, _fullsize=True)[0]
                    seen: RGB = np.ascontiguousarray(tile[0, :height, :width, :3])
                    return seen
    except Exception:  # whatever a damaged file trips
        return None
    return None


def _pages(tif: tifffile.TiffFile) -> Iterator[tifffile.TiffPage]:
    for page in tif.pages:
        yield page.aspage()
        yield from (sub.aspage() for sub in page.aspage().pages or ())


def _by_pillow(path: Path, size: tuple[int, int], x: int, y: int, width: int, height: int) -> RGB | None:
    """What Pillow sees in a plain picture of that size."""
    if path.is_dir():
        return None
    try:
        with Image.open(path) as image:
            if image.size != size or image.mode != "RGB":
                return None
            return np.asarray(image.crop((x, y, x + width, y + height)))
    except Exception:  # whatever a damaged file trips
        return None


def _by_zarr(path: Path, size: tuple[int, int], x: int, y: int, width: int, height: int) -> RGB | None:
    """What zarr itself sees in the array of that size, channels first."""
    if not any((path / name).is_file() for name in ("zarr.json", ".zgroup")):
        return None
    try:
        for _, array in zarr.open_group(path, mode="r").arrays():
            if array.shape[-2:] == size[::-1]:
                return np.ascontiguousarray(np.moveaxis(array[..., y : y + height, x : x + width], 0, -1))
    except Exception:  # whatever a damaged document trips
        return None
    return None


_OTHERS: tuple[Other, ...] = (_by_openslide, _by_tifffile, _by_pillow, _by_zarr)


# The ways above the tiles: each must show the same pixels as the tiles, or say that it cannot.


def _check_windows(slide: Slide) -> None:
    """Windows inside a level, over its edges and outside it."""
    for level, shape in enumerate(slide.metadata.levels):
        for y, x in ((-20, -20), (shape.height // 2, shape.width // 3), (shape.height - 9, shape.width - 9)):
            with suppress(TileReadError):
                window = slide.read(level, y, x, 40, 40)
                if y < 0 and not (window[:20] == 255).all():
                    raise DisagreementError(f"level {level}: not white outside")
        if not (slide.read(level, shape.height + 5, 0, 8, 8) == 255).all():
            raise DisagreementError(f"level {level}: not white outside")


def _check_pyramid(slide: Slide) -> None:
    """A corner and the middle of every array; what cannot be decoded is striped, and counted."""
    files = {grid.shape: level for level, grid in reversed(list(enumerate(slide.grids)))}
    finest = max(grid.spacing_um for grid in slide.grids)
    for array, grid in zip(slide.pyramid, slide.pyramid_grids, strict=True):
        height, width = grid.shape
        if grid.spacing_um[0] > 8 * finest[0]:
            return  # computed from so much of a level that claims to be huge that it would take its time
        array[max(0, height // 2 - 8) : height // 2 + 8, max(0, width // 2 - 8) : width // 2 + 8]
        corner = np.asarray(array[: min(height, 256), : min(width, 256)])
        level = files.get(grid.shape)
        if level is not None and not np.array_equal(corner, _striped(slide, level, *corner.shape[:2])):
            raise DisagreementError(f"pyramid: level {level} is not its tiles")


def _striped(slide: Slide, level: int, height: int, width: int) -> RGB:
    """The upper left corner of a level, with stripes where it cannot be decoded."""
    shape = slide.metadata.levels[level]
    th, tw = shape.tile_height, shape.tile_width
    out = np.empty((height, width, 3), np.uint8)
    for row in range(-(-height // th)):
        for column in range(-(-width // tw)):
            part = out[row * th : (row + 1) * th, column * tw : (column + 1) * tw]
            try:
                tile = slide.tiles.tile(level, row, column)
            except TileReadError:
                tile = damage_pattern(th, tw)
            part[:] = tile[: part.shape[0], : part.shape[1]]
    return out


def _check_tiles(slide: Slide) -> None:
    """A grid of tiles at a scale between the levels': readable ones show what a region shows."""
    everywhere = TissueMask(np.ones((4, 4), np.bool_), _quarters(slide))
    spacing = max(slide.mpp.xy) * 1.5
    tiles = build_tile_grid(everywhere, tile_px=64, um_per_px=spacing)
    order = np.unique(np.linspace(0, len(tiles) - 1, min(len(tiles), 12)).round().astype(int)) if len(tiles) else []
    with TileReader(slide, tiles, order=order, batch=5) as reader:
        for batch in reader:
            for index, pixels, readable in zip(batch.indices.tolist(), batch.pixels, batch.readable, strict=True):
                try:
                    expected = slide.read_grid(tiles.pixels(index))
                except TileReadError:
                    expected = None
                if readable != (expected is not None):
                    raise DisagreementError(f"tile {index}: readable {readable}, but its region is not")
                if expected is not None and not np.array_equal(pixels, expected):
                    raise DisagreementError(f"tile {index} is not its region")


def _quarters(slide: Slide) -> Any:
    grid = slide.grids[0]
    extent = grid.region
    return type(grid)((4, 4), (extent.height / 4, extent.width / 4))


def _read_whole(slide: Slide) -> None:
    """The thumbnail and the tissue, of slides that are not absurdly large; nothing at all readable is an error too."""
    if slide.metadata.levels[-1].height * slide.metadata.levels[-1].width > _SMALL:
        return
    with suppress(SlideReadError):
        slide.thumbnail(128)
        find_tissue(slide, um_per_px=max(8.0, 4 * max(slide.mpp.xy)))


# The command line.


def _info(path: str, backend: str | None) -> dict[str, Any]:
    """How `mmlnb info` ends on it: its code, and what it says on stderr."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(["info", "--json", *(["--backend", backend] if backend else []), "--", path])
    answered = False
    with suppress(ValueError):
        answered = isinstance(json.loads(out.getvalue()), dict)
    return {"code": code, "stdout": bool(out.getvalue()), "stderr": err.getvalue(), "answered": answered}


# Memory and blame.


def _reset_peak() -> int:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> int:
    """The most memory that this process has held since `_reset_peak`, bytes; 0 where the system does not tell."""
    return _status("VmHWM") if _STATUS.exists() else 0


def _ran_out(error: BaseException | None) -> bool:
    """Whether the lack of memory is behind an error."""
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _where(error: BaseException) -> str:
    """The innermost line of the program that an error came through."""
    places, trace = [], error.__traceback__
    while trace is not None:
        places.append(f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return " > ".join(places[-6:])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
