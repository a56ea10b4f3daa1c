"""Describers by name. A new one is a new file and a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from napari_mmlnb.describe import measured
from napari_mmlnb.describe.base import Describer, DescriberFacts
from napari_mmlnb.describe.prompt import DEFAULT_PROMPT, Generation
from napari_mmlnb.registry import Registry

OWN = "own"
"""The describing model that comes with a bundle."""


@dataclass(frozen=True)
class DescriberRequest:
    """What a describer is to be made for.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    prompt : str
        What a model is asked.
    generation : Generation
        How it may answer.
    forbidden : tuple of str
        Words that no sentence may hold: the classes' ids and labels.
    folder : Path, optional
        Of the bundle's own model.
    server : str
        Address of an OpenAI-compatible server, with its path, for example "http://127.0.0.1:8000/v1".
    server_model : str
        The model that the server is asked for.
    may_send : bool
        Whether the user has said that tiles may be sent to an address that is not this machine's.
    seconds_a_tile : float
        After so long a tile's description is given up.
    """

    device: str = "auto"
    prompt: str = DEFAULT_PROMPT
    generation: Generation = Generation()  # noqa: RUF009 - frozen
    forbidden: tuple[str, ...] = ()
    folder: Path | None = None
    server: str = ""
    server_model: str = ""
    may_send: bool = False
    seconds_a_tile: float = 120.0


@dataclass(frozen=True)
class _Entry:
    facts: DescriberFacts
    make: Callable[[DescriberRequest], Describer]

    @property
    def name(self) -> str:
        return self.facts.name


_DESCRIBERS: Registry[_Entry] = Registry("describer", (_Entry(measured.FACTS, lambda _: measured.MeasuredDescriber()),))


def describers() -> tuple[DescriberFacts, ...]:
    """What there is, with what a person needs to know of it."""
    return tuple(entry.facts for entry in _DESCRIBERS)


def create_describer(name: str, request: DescriberRequest = DescriberRequest()) -> Describer:
    """The describer of that name.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    return _DESCRIBERS.get(name).make(request)
