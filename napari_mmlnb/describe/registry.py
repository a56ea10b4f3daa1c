"""Describers by name. A new one is a new file and a line here."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from napari_mmlnb.describe import measured
from napari_mmlnb.describe.base import Describer, DescriberFacts
from napari_mmlnb.errors import UnknownNameError

_ENTRIES: tuple[tuple[DescriberFacts, Callable[[], Describer]], ...] = ((measured.FACTS, measured.MeasuredDescriber),)
_BY_NAME = MappingProxyType({facts.name: make for facts, make in _ENTRIES})


def describers() -> tuple[DescriberFacts, ...]:
    """What there is, with what a person needs to know of it."""
    return tuple(facts for facts, _ in _ENTRIES)


def create_describer(name: str) -> Describer:
    """The describer of that name.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    try:
        make = _BY_NAME[name]
    except KeyError:
        raise UnknownNameError("describer", name, tuple(_BY_NAME)) from None
    return make()
