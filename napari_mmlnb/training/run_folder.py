"""The folder of a run belongs to one training: what another one left there is never mixed with it, nor lost.

A training that is stopped and asked for again goes on. Asked for with anything changed that its result depends on (the
configuration, the table, the pixels, given weights), it would leave the old weights beside the new tokenizer and card;
so that is refused, or the old folder is moved aside first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from napari_mmlnb.errors import OutputError, RequestError

RUN_FILE = "run.json"
_NAMED = 3
_ABSENT = object()


def claim(
    folders: Sequence[Path], made_of: Mapping[str, Any], *, precious: Sequence[str], replace: bool = False
) -> str:
    """Make the folders of a run, or come back to them.

    Parameters
    ----------
    folders : sequence of Path
        All that the run writes into; `run.json` is in the first.
    made_of : mapping
        All that the result depends on, by name; what JSON can hold, nested. No paths: a folder may be moved.
    precious : sequence of str
        Files, or patterns of them, of which one at least is there where something would be lost.
    replace : bool
        Move another training's folders aside (``NAME.before-1``), instead of refusing.

    Returns
    -------
    str
        SHA-256 of `made_of`: names what may be gone on from.

    Raises
    ------
    RequestError
        If another training's work is there. The message names what differs.
    OutputError
        If the folders cannot be written.
    """
    told = json.dumps(made_of, sort_keys=True)
    there = _read(folders[0] / RUN_FILE)
    kept = any(next(folder.glob(pattern), None) for folder in folders for pattern in precious)
    if kept and there != json.loads(told):
        if not replace:
            raise RequestError(
                f"{folders[-1]} holds another training: {_difference(there, json.loads(told))}.",
                "Give another name or another --out, or say --replace: what is there is moved aside, not lost.",
            )
        for folder in folders:
            _move_aside(folder)
    try:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        fresh = folders[0] / f".{RUN_FILE}.new"
        fresh.write_text(told + "\n", encoding="utf-8")
        fresh.replace(folders[0] / RUN_FILE)
    except OSError as error:
        raise OutputError(folders[0], error.strerror or "it cannot be made") from error
    return hashlib.sha256(told.encode()).hexdigest()


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _difference(there: Any, here: Mapping[str, Any]) -> str:
    if not isinstance(there, dict):
        return "an earlier version of this program made it, and did not write of what"
    old, new = dict(_flat(there)), dict(_flat(here))
    names = [name for name in sorted({*old, *new}) if old.get(name, _ABSENT) != new.get(name, _ABSENT)]
    told = [_told(name, old.get(name, _ABSENT), new.get(name, _ABSENT)) for name in names[:_NAMED]]
    more = f", and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(told) + more


def _told(name: str, old: object, new: object) -> str:
    """A digest says nothing to a person but that it is another."""
    if any(isinstance(value, str) and len(value) == hashlib.sha256().digest_size * 2 for value in (old, new)):
        return f"{name} is another"
    was, is_ = ("not set" if value is _ABSENT or value is None else value for value in (old, new))
    return f"{name} was {was} and is {is_} now"


def _flat(nested: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in nested.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _move_aside(folder: Path) -> None:
    if not folder.exists():
        return
    aside = next(path for n in count(1) if not (path := folder.with_name(f"{folder.name}.before-{n}")).exists())
    try:
        folder.rename(aside)
    except OSError as error:
        raise OutputError(folder, error.strerror or "it cannot be moved aside") from error
