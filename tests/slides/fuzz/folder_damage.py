"""What can happen to a slide that is a folder."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.slides.fuzz.damage import DoesNotApplyError

# Each works on a copy of the folder, in place.
FolderMutator = Callable[[Path, random.Random], None]

FOLDER_DAMAGES: dict[str, FolderMutator] = {}


def _folder(do: FolderMutator) -> FolderMutator:
    FOLDER_DAMAGES[do.__name__] = do
    return do


def _files(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise DoesNotApplyError("files")
    return files


@_folder
def lose_a_file(folder: Path, rng: random.Random) -> None:
    rng.choice(_files(folder)).unlink()


@_folder
def lose_all_files_but_one(folder: Path, rng: random.Random) -> None:
    files = _files(folder)
    kept = rng.choice(files)
    for path in files:
        if path != kept:
            path.unlink()


@_folder
def lose_all_files(folder: Path, rng: random.Random) -> None:
    for path in _files(folder):
        path.unlink()


@_folder
def swap_two_files(folder: Path, rng: random.Random) -> None:
    a, b = rng.sample(_files(folder), 2)
    content = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(content)


@_folder
def copy_a_file_over_another(folder: Path, rng: random.Random) -> None:
    a, b = rng.sample(_files(folder), 2)
    shutil.copyfile(a, b)


@_folder
def double_a_file(folder: Path, rng: random.Random) -> None:
    path = rng.choice(_files(folder))
    shutil.copyfile(path, path.with_name(f"copy of {path.name}"))


@_folder
def a_folder_in_place_of_a_file(folder: Path, rng: random.Random) -> None:
    path = rng.choice(_files(folder))
    path.unlink()
    path.mkdir()


@_folder
def a_text_among_the_files(folder: Path, rng: random.Random) -> None:
    path = rng.choice(_files(folder))
    path.with_name(f"0{path.name}").write_text("Dear colleague")


def _document(folder: Path, rng: random.Random) -> tuple[Path, Any]:
    """A JSON document of the folder, and what it holds."""
    documents = [path for path in _files(folder) if path.name in (".zattrs", ".zarray", ".zgroup", "zarr.json")]
    if not documents:
        raise DoesNotApplyError("documents")
    path = rng.choice(documents)
    return path, json.loads(path.read_text())


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container of a document with every key of it."""
    keys = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in keys for place in ((value, key), *_places(inner))]


def _of_kind(document: Any, kinds: tuple[type, ...], rng: random.Random) -> tuple[Any, Any]:
    found = [(where, key) for where, key in _places(document) if type(where[key]) in kinds]
    if not found:
        raise DoesNotApplyError(kinds)
    return rng.choice(found)


@_folder
def another_number_in_a_document(folder: Path, rng: random.Random) -> None:
    path, document = _document(folder, rng)
    where, key = _of_kind(document, (int, float), rng)
    where[key] = rng.choice((0, -1, 3, 0.5, 2**31, 10**12, 10**30, float("nan"), float("inf")))
    path.write_text(json.dumps(document))


@_folder
def another_shape_in_a_document(folder: Path, rng: random.Random) -> None:
    documents = [path for path in _files(folder) if path.name in (".zarray", "zarr.json") and path.parent != folder]
    if not documents:
        raise DoesNotApplyError("arrays")
    path = rng.choice(documents)
    document = json.loads(path.read_text())
    document["shape"] = [side * rng.choice((1, 2, 1000, 0)) for side in document["shape"]]
    path.write_text(json.dumps(document))


@_folder
def another_word_in_a_document(folder: Path, rng: random.Random) -> None:
    path, document = _document(folder, rng)
    where, key = _of_kind(document, (str,), rng)
    where[key] = rng.choice(("", "nonsense", "../../../etc/passwd", "meter", "float64", "\0", "9" * 5000))
    path.write_text(json.dumps(document))


@_folder
def another_type_in_a_document(folder: Path, rng: random.Random) -> None:
    path, document = _document(folder, rng)
    where, key = rng.choice(_places(document) or [({"": 0}, "")])
    where[key] = rng.choice((None, [], {}, "text", 5, True, [[]], {"a": {}}))
    path.write_text(json.dumps(document))


@_folder
def a_document_without_end(folder: Path, rng: random.Random) -> None:
    path, _ = _document(folder, rng)
    path.write_text("[" * 100_000)


@_folder
def a_key_lost_from_a_document(folder: Path, rng: random.Random) -> None:
    path, document = _document(folder, rng)
    where, key = rng.choice(_places(document) or [({"": 0}, "")])
    del where[key]
    path.write_text(json.dumps(document))
