"""Damaged slides of every format, read in child processes: never a crash, a hang, an untyped error or a wrong picture.

What can be decided. A *cut* file must give, tile by tile, the sound slide's pixels or none. Where *pixels with a
checksum* (deflate, PNG) are changed, the same; only that Adler-32, the checksum of deflate, lets some changes of place
pass. Where *pixels without one* (JPEG, LZW, raw) are changed, a decoder often cannot know: other pixels are accepted
if another reader of the same file sees exactly the same ones, and the share that went unnoticed is printed. Where *what
the file says of itself* is changed, it may consistently say something else (another tile's offset, another colour
space): then, too, another reader must see the same.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import imagecodecs
import numpy as np
import pytest
import simplejpeg

from napari_mmlnb.slides.backends.jpeg_stream import JpegError, JpegStream
from tests.slides.fuzz.cases import Case, make_cases
from tests.slides.fuzz.child import read_cases
from tests.slides.fuzz.damage import Hits
from tests.slides.fuzz.seeds import SEEDS, TILE, Codec, picture

SECONDS = 20
"""Of the processor that one slide may take, in all ways of reading it; one that only waits is ended by `read_cases`."""
MEGABYTES = 300
"""By how much the process may have grown while it read one, for a moment."""
ADLER_COLLISIONS = 0.02
"""Share of changed tiles with a checksum whose change that sum does not show."""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs limits of memory for a process")


@dataclass(frozen=True)
class Family:
    """Seeds that are read in one child process.

    Parameters
    ----------
    whole : tuple of str
        Seeds that get every kind of damage.
    part : tuple of str
        Seeds that get some.
    every : int
        How many kinds of damage lie between two of those.
    at_least : int
        How many damaged slides there must be.
    """

    whole: tuple[str, ...] = ()
    part: tuple[str, ...] = ()
    every: int = 4
    at_least: int = 1


FAMILIES = {
    "tiff": Family(("tiff-jpeg", "tiff-deflate"), ("tiff-jpeg-rgb", "tiff-lzw", "tiff-raw", "bigtiff-jpeg"), 4, 120),
    "svs and ome-tiff": Family(("svs-jpeg", "ome-jpeg"), ("ome-deflate",), 4, 100),
    "openslide": Family((), ("svs-openslide", "ndpi", "scn", "bif"), 3, 50),
    "dicom": Family((), ("dicom-jpeg", "dicom-raw"), 2, 16),
    "ome-zarr": Family((), ("ome-zarr-0.4", "ome-zarr-0.5", "ome-zarr-sharded"), 2, 30),
    "plain": Family(("png", "jpeg"), ("tiff-strips",), 3, 25),
    "remote": Family((), ("remote-svs",), 5, 8),
    "real": Family((), ("real-svs", "real-ome", "real-dicom"), 6, 1),
}
GENERATED = [name for name in FAMILIES if name != "real"]


def test_there_are_enough_of_them():
    assert sum(FAMILIES[name].at_least for name in GENERATED) >= 200
    listed = [seed for family in FAMILIES.values() for seed in (*family.whole, *family.part)]
    assert sorted(listed) == sorted(seed.name for seed in SEEDS)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_damaged_slide_is_refused_or_read_right(name, tmp_path):
    family = FAMILIES[name]
    cases = [
        *_cases(family.whole, tmp_path, every=1),
        *_cases(family.part, tmp_path, every=family.every),
    ]
    assert len(cases) >= family.at_least
    _judge(cases, read_cases(cases, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_many_more_of_them(name, tmp_path):
    """As many as wanted: MMLNB_FUZZ_ROUNDS rounds of every kind of damage to every seed."""
    rounds = range(1, 1 + int(os.environ.get("MMLNB_FUZZ_ROUNDS", "4")))
    for seed in (*FAMILIES[name].whole, *FAMILIES[name].part):
        cases = _cases((seed,), tmp_path, every=1, rounds=rounds)
        _judge(cases, read_cases(cases, tmp_path))


def _cases(seeds: Sequence[str], folder: Path, every: int, rounds: Sequence[int] = (0,)) -> list[Case]:
    wanted = [seed for seed in SEEDS if seed.name in seeds]
    made = [case for seed in wanted if seed.needs() for case in make_cases(seed, folder / seed.name, rounds, every)]
    if wanted and not made and not any(seed.needs() for seed in wanted):
        pytest.skip("no real slides found: MMLNB_TEST_SLIDES names no folder")
    return made


def _judge(cases: Sequence[Case], outcomes: Sequence[dict[str, Any]]) -> None:
    problems = [
        f"{case.name} ({case.path}): {problem}\n  {outcome}"
        for case, outcome in zip(cases, outcomes, strict=True)
        for problem in _problems(case, outcome)
    ]
    for line in _table(cases, outcomes):
        print(line)
    assert not problems, "\n".join(problems)
    checked = _tiles(cases, outcomes, Hits.PIXELS, Codec.CHECKED)
    assert checked["as others"] <= ADLER_COLLISIONS * (checked["as others"] + checked["unreadable"])


def _problems(case: Case, outcome: dict[str, Any]) -> list[str]:
    """What is wrong with how a slide was read."""
    how = outcome["outcome"]
    if how not in ("opened", "refused"):
        return [f"{how}, not opened or refused"]
    tiles, info = outcome["tiles"], outcome["info"]
    lines = info["stderr"].count("\n")
    refused_in_a_line = info["code"] == 2 and lines == 1 and not info["stdout"] and info["stderr"].startswith("mmlnb: ")
    found = {
        "took all memory that there was": outcome["memory_error"],
        f"grew by {outcome['grown_mb']} MB": outcome["grown_mb"] > MEGABYTES,
        f"took {outcome['seconds']} s": outcome["seconds"] > SECONDS,
        "gave wrong pixels": tiles.get("wrong", 0),
        "gave other pixels after a cut": case.hits == Hits.CUT and tiles.get("as others", 0),
        "gave a level that is none after a cut": case.hits == Hits.CUT and tiles.get("unjudged", 0),
        "was refused, but not in one line": how == "refused" and not refused_in_a_line,
        "was opened, but `mmlnb info` did not say what it holds": how == "opened"
        and not (info["code"] == 0 and info["answered"]),
        "was refused without a word": how == "refused" and len(outcome["text"]) < 20,
    }
    return [problem for problem, is_so in found.items() if is_so]


def _tiles(cases: Sequence[Case], outcomes: Sequence[dict[str, Any]], hits: Hits, codec: Codec) -> Counter[str]:
    counts: Counter[str] = Counter()
    for case, outcome in zip(cases, outcomes, strict=True):
        if (case.hits, case.codec) == (hits, codec):
            counts.update(outcome.get("tiles", {}))
    return counts


def _table(cases: Sequence[Case], outcomes: Sequence[dict[str, Any]]) -> list[str]:
    """A line a seed: how many were opened and refused, and what became of their tiles."""
    lines = []
    for seed in dict.fromkeys(case.seed for case in cases):
        mine = [(case, outcome) for case, outcome in zip(cases, outcomes, strict=True) if case.seed == seed]
        how = Counter(outcome["outcome"] for _, outcome in mine)
        tiles: Counter[str] = Counter()
        hidden: Counter[str] = Counter()
        for case, outcome in mine:
            tiles.update(outcome.get("tiles", {}))
            if case.hits == Hits.PIXELS:
                hidden.update(outcome.get("tiles", {}))
        noticed = f"{hidden['unreadable']} of {hidden['unreadable'] + hidden['as others']} changed tiles noticed"
        lines.append(f"{seed:<18}{len(mine):>4} slides {dict(how)} tiles {dict(tiles)}; {noticed}")
    return lines


# What no decoder can notice.


@pytest.mark.parametrize("subsampling", ["444", "420"])
def test_flipped_bits_in_jpeg_are_noticed_as_far_as_they_can_be(subsampling):
    """A bit of a JPEG may be flipped so that the stream stays in order: other pixels, and nothing that tells.

    Every decoder has that limit. Ours must notice all that libjpeg warns of, and give what others give where there is
    nothing to notice.
    """
    tile = np.ascontiguousarray(picture()[40 : 40 + TILE, 120 : 120 + TILE])
    sound = simplejpeg.encode_jpeg(tile, 85, colorsubsampling=subsampling)
    stream = JpegStream(SimpleNamespace(photometric=6, jpegtables=None, tilelength=TILE, tilewidth=TILE))
    expected = stream.decode(sound)
    rng = np.random.default_rng(11)
    start = sound.index(b"\xff\xda") + 14
    seen: Counter[str] = Counter()
    hidden = []
    for _ in range(400):
        data = bytearray(sound)
        data[rng.integers(start, len(data) - 2)] ^= 1 << rng.integers(8)
        seen["refused by others"] += _lax(bytes(data)) is None
        try:
            pixels = stream.decode(bytes(data))
        except JpegError:
            seen["noticed"] += 1
            continue
        assert np.array_equal(pixels, _lax(bytes(data)))
        hidden.append(float(np.abs(pixels.astype(int) - expected).mean()))
    visible = sum(error > 1 for error in hidden)
    print(
        f"4:{subsampling[1]}:{subsampling[2]}, single flipped bits: {seen['noticed'] / 400:.0%} noticed "
        f"({seen['refused by others'] / 400:.0%} by one that lets warnings pass), {len(hidden) / 400:.0%} hidden, "
        f"{visible / 400:.0%} with more than one grey level over the tile, {max(hidden):.0f} at most"
    )
    assert seen["noticed"] > 1.5 * seen["refused by others"]
    assert len(hidden) > visible


def _lax(data: bytes) -> Any:
    """What a decoder makes of a stream that lets warnings pass; None where it refuses."""
    try:
        return imagecodecs.jpeg8_decode(data)
    except Exception:  # the codec's own error
        return None
