"""Describers by name. A new one is a new file and a line here.

Listing them loads nothing. Making one looks whether all that it needs is there; weights come with the first tile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from napari_mmlnb.describe import measured, server
from napari_mmlnb.describe.base import Describer, DescriberFacts
from napari_mmlnb.describe.profiles import PROFILES, is_profile, pinned_profile, profile_folder
from napari_mmlnb.describe.prompt import DEFAULT_PROMPT, Generation
from napari_mmlnb.describe.vlm_folder import check_adapter, open_vlm_folder
from napari_mmlnb.errors import DescriberError, MissingExtraError, UnknownNameError, WeightsMissingError
from napari_mmlnb.registry import Registry

OWN = "own"
"""The describing model that comes with a bundle."""
_EXTRA = "transformers"


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
    licence : str
        Of the bundle's own model, or of one in a folder.
    adapter : Path, optional
        Folder of a LoRA adapter (peft) for a model in this process.
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
    licence: str = "not stated"
    adapter: Path | None = None
    server: str = ""
    server_model: str = ""
    may_send: bool = False
    seconds_a_tile: float = 120.0


@dataclass(frozen=True)
class _Entry:
    facts: DescriberFacts
    make: Callable[[str, DescriberRequest], Describer]

    @property
    def name(self) -> str:
        return self.facts.name


def _vlm_facts(name: str, summary: str, licence: str) -> DescriberFacts:
    return DescriberFacts(name=name, summary=summary, licence=licence, extra=_EXTRA, generates=True)


def _vlm(facts: DescriberFacts, folder: Path, request: DescriberRequest) -> Describer:
    """Looks at everything first; what takes seconds (torch, transformers) is imported last."""
    if find_spec("transformers") is None:
        raise MissingExtraError(f"transformers, which {facts.name} needs,", _EXTRA)
    opened = open_vlm_folder(facts.name, folder)
    if request.adapter is not None:
        check_adapter(facts.name, request.adapter)
    from napari_mmlnb.describe.vlm import VlmDescriber  # noqa: PLC0415

    return VlmDescriber(facts, opened, request)


_OWN_FACTS = _vlm_facts(OWN, "The describing model that comes with the bundle.", "the bundle's")


def _make_own(name: str, request: DescriberRequest) -> Describer:
    if request.folder is None:
        raise DescriberError(name, "This bundle has no describing model of its own.", "Use --describer measured.")
    return _vlm(_vlm_facts(name, _OWN_FACTS.summary, request.licence), request.folder, request)


def _make_profile(name: str, request: DescriberRequest) -> Describer:
    profile = pinned_profile(name)
    folder = profile_folder(profile)
    if folder is None:
        raise WeightsMissingError(name, profile.source)
    return _vlm(_vlm_facts(name, profile.summary, profile.licence), folder, request)


def _make_local(name: str, request: DescriberRequest) -> Describer:
    # A path never leaves the program: the record names the folder only.
    folder = Path(name).resolve()
    facts = _vlm_facts(folder.name, "A describing model in a folder of this machine.", request.licence)
    return _vlm(facts, folder, request)


_DESCRIBERS: Registry[_Entry] = Registry(
    "describer",
    (
        _Entry(measured.FACTS, lambda *_: measured.MeasuredDescriber()),
        _Entry(_OWN_FACTS, _make_own),
        *(_Entry(_vlm_facts(p.name, p.summary, p.licence), _make_profile) for p in PROFILES),
        _Entry(server.server_facts(), lambda _, request: server.ServerDescriber(request)),
    ),
)


def describers() -> tuple[DescriberFacts, ...]:
    """What there is, with what a person needs to know of it."""
    return tuple(entry.facts for entry in _DESCRIBERS)


def is_describer(name: str) -> bool:
    """Whether `create_describer` knows what this name means; not whether all that it needs is here."""
    return name in _DESCRIBERS or is_profile(name) or Path(name).is_dir()


def create_describer(name: str, request: DescriberRequest = DescriberRequest()) -> Describer:
    """The describer of that name. Nothing is loaded yet; whether all that it needs is here is looked at.

    Parameters
    ----------
    name : str
        One of `describers()`; a profile of a model with its commit (NAME@COMMIT); or a folder.
    request : DescriberRequest
        What it is made for.

    Raises
    ------
    UnknownNameError
        If there is none.
    RevisionMissingError, WeightsMissingError
        If the model of a profile is not pinned, or not on this machine.
    MissingExtraError
        If a package that it needs is not installed.
    DescriberError
        If it cannot be used as it is asked for.
    """
    if name in _DESCRIBERS:
        return _DESCRIBERS.get(name).make(name, request)
    if is_profile(name):
        return _make_profile(name, request)
    if Path(name).is_dir():
        return _make_local(name, request)
    raise UnknownNameError("describer", name, (*_DESCRIBERS.names, "NAME@COMMIT", "a folder"))
