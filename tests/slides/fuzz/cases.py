"""Damaged slides on the disk: every seed, damaged in many ways, the same ones in every run."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.slides.fuzz.damage import (
    BYTE_DAMAGES,
    TIFF_DAMAGES,
    ByteMutator,
    DoesNotApplyError,
    Hits,
    TiffMutator,
)
from tests.slides.fuzz.folder_damage import FOLDER_DAMAGES
from tests.slides.fuzz.seeds import Kind, Seed
from tests.slides.fuzz.tiff_layout import TiffLayout


@dataclass(frozen=True)
class Case:
    """A damaged slide.

    Parameters
    ----------
    name : str
        Of seed, damage and round.
    seed : str
        The seed's name.
    damage : str
        What was done.
    hits : str
        What it hit; see `tests.slides.fuzz.damage`.
    codec : str
        Whether the pixels carry a checksum; see `tests.slides.fuzz.seeds`.
    path : str
        The damaged slide.
    sound : str
        The sound one.
    backend : str or None
        A backend to ask for by name.
    remote : bool
        Whether it is read from a server.
    """

    name: str
    seed: str
    damage: str
    hits: str
    codec: str
    path: str
    sound: str
    backend: str | None
    remote: bool

    def to_json(self) -> str:
        """One line, for the worker."""
        return json.dumps(asdict(self))


def make_cases(seed: Seed, folder: Path, rounds: Sequence[int] = (0,), every: int = 1) -> list[Case]:
    """Write a seed and its damaged copies.

    Parameters
    ----------
    seed : Seed
        What to damage.
    folder : Path
        An empty folder.
    rounds : sequence of int
        Each does all kinds of damage once, at other places.
    every : int
        Do only each so-manieth kind, other ones for other seeds.
    """
    (folder / "sound").mkdir(parents=True)
    sound = seed.make(folder / "sound")
    first = sum(seed.name.encode()) % every
    damages = list(_DAMAGES[seed.kind](sound))[first::every]
    return [
        case
        for number in rounds
        for damage in damages
        if (case := _case(seed, sound, damage, folder / damage.name / str(number), number)) is not None
    ]


@dataclass(frozen=True)
class _Damage:
    """What can be done to one sound slide; `do` is given a copy of it."""

    name: str
    hits: Hits
    do: Callable[[Path, random.Random], None]


def _case(seed: Seed, sound: Path, damage: _Damage, folder: Path, number: int) -> Case | None:
    """A damaged copy; None where it has nothing that could be damaged so, or is none the worse for it."""
    path = folder / sound.name
    copy = shutil.copytree if sound.is_dir() else shutil.copyfile
    folder.mkdir(parents=True)
    copy(sound, path)
    try:
        damage.do(path, random.Random(f"{seed.name}/{damage.name}/{number}"))  # noqa: S311
    except DoesNotApplyError:
        return None
    if path.is_file() and path.read_bytes() == sound.read_bytes():
        return None
    name = f"{seed.name}/{damage.name}/{number}"
    asked = seed.backend if seed.forced else None
    return Case(name, seed.name, damage.name, damage.hits, seed.codec, str(path), str(sound), asked, seed.remote)


def _of_tiff(sound: Path) -> Iterator[_Damage]:
    layout = TiffLayout(sound)

    def at(do: TiffMutator) -> ByteMutator:
        def mutate(data: bytearray, rng: random.Random) -> None:
            try:
                do(data, layout, rng)
            except IndexError:
                raise DoesNotApplyError("a further level") from None

        return mutate

    for damage in TIFF_DAMAGES:
        yield _Damage(damage.name, damage.hits, _in_file(at(damage.do)))


def _of_file(_: Path) -> Iterator[_Damage]:
    for name, (hits, do) in BYTE_DAMAGES.items():
        yield _Damage(name, hits, _in_file(do))


def _of_folder(_: Path) -> Iterator[_Damage]:
    for name, (hits, do) in BYTE_DAMAGES.items():
        yield _Damage(name, hits, _in_member(do))
    for name, damage in FOLDER_DAMAGES.items():
        yield _Damage(name, Hits.STRUCTURE, damage)


_DAMAGES = {Kind.TIFF: _of_tiff, Kind.BYTES: _of_file, Kind.FOLDER: _of_folder}


def _in_file(do: ByteMutator) -> Callable[[Path, random.Random], None]:
    def damage(path: Path, rng: random.Random) -> None:
        data = bytearray(path.read_bytes())
        do(data, rng)
        path.write_bytes(data)

    return damage


def _in_member(do: ByteMutator) -> Callable[[Path, random.Random], None]:
    def damage(folder: Path, rng: random.Random) -> None:
        _in_file(do)(rng.choice(sorted(path for path in folder.rglob("*") if path.is_file())), rng)

    return damage
