"""Describers by name. A new one is a new file and a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from napari_mmlnb.describe import measured
from napari_mmlnb.describe.base import Describer, DescriberFacts
from napari_mmlnb.registry import Registry


@dataclass(frozen=True)
class _Entry:
    facts: DescriberFacts
    make: Callable[[], Describer]

    @property
    def name(self) -> str:
        return self.facts.name


_DESCRIBERS: Registry[_Entry] = Registry("describer", (_Entry(measured.FACTS, measured.MeasuredDescriber),))


def describers() -> tuple[DescriberFacts, ...]:
    """What there is, with what a person needs to know of it."""
    return tuple(entry.facts for entry in _DESCRIBERS)


def create_describer(name: str) -> Describer:
    """The describer of that name.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    return _DESCRIBERS.get(name).make()
