"""Describers by name. A new one is a new file and a line here.

Listing them loads nothing. Making one looks whether all that it needs is there; weights come with the first tile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from napari_mmlnb.describe import measured, server
from napari_mmlnb.describe.adapter_base import find_base, possible_bases
from napari_mmlnb.describe.base import Describer, DescriberFacts
from napari_mmlnb.describe.describing_facts import read_facts
from napari_mmlnb.describe.profiles import PROFILES, cached_profiles, is_profile, pinned_profile, profile_folder
from napari_mmlnb.describe.request import AS_THE_PROGRAM_ASKS, UNSTATED, DescriberRequest
from napari_mmlnb.describe.vlm_folder import check_adapter, is_adapter, open_vlm_folder
from napari_mmlnb.errors import DescriberError, MissingExtraError, UnknownNameError, WeightsMissingError
from napari_mmlnb.registry import Registry

OWN = "own"
"""The describing model that comes with a bundle."""
FOLDER = "folder"
"""What stands for a folder of the user's choice where describers are offered."""
_EXTRA = "transformers"


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
        if find_spec("peft") is None:
            raise MissingExtraError("peft, which adapters need,", "train")
    from napari_mmlnb.describe.vlm import VlmDescriber  # noqa: PLC0415

    return VlmDescriber(facts, opened, request)


_OWN_FACTS = _vlm_facts(OWN, "The describing model that comes with the bundle.", "the bundle's")


def _make_own(name: str, request: DescriberRequest) -> Describer:
    if request.folder is None:
        raise DescriberError(name, "This bundle has no describing model of its own.", "Use --describer measured.")
    facts = _vlm_facts(name, _OWN_FACTS.summary, request.licence)
    return _vlm(facts, request.folder, settled_request(name, request))


def _make_profile(name: str, request: DescriberRequest) -> Describer:
    profile = pinned_profile(name)
    folder = profile_folder(profile)
    if folder is None:
        raise WeightsMissingError(name, profile.source)
    facts = _vlm_facts(name, profile.summary, profile.licence)
    return _vlm(replace(facts, revision=profile.revision), folder, request)


def _make_local(name: str, request: DescriberRequest) -> Describer:
    # A path never leaves the program: the record names the folder only.
    folder = Path(name).resolve()
    request = settled_request(name, request)
    if not is_adapter(folder):
        return _vlm(_vlm_facts(folder.name, "A describing model in a folder.", request.licence), folder, request)
    facts = _vlm_facts(folder.name, "A LoRA adapter in a folder, on its base.", request.licence)
    base = find_base(folder.name, folder, request.base)
    return _vlm(facts, base, replace(request, adapter=folder))


def _shown_as_trained(name: str, folder: Path, request: DescriberRequest) -> DescriberRequest:
    """With the size of the images that a model was trained with, and the end of its answers."""
    known = read_facts(name, folder)
    return request if known is None else replace(request, image_px=known.image_px, end_token=known.end_token)


def check_folder(folder: Path) -> None:
    """Whether a folder can be asked for as a describer; no weights are read.

    Raises
    ------
    DescriberError
        If it is no describing model and no adapter, or the base of the adapter is not on this machine.
    """
    folder = folder.resolve()
    read_facts(folder.name, folder)
    models = possible_bases(folder.name, folder) if is_adapter(folder) else (folder,)
    for model in models:
        open_vlm_folder(folder.name, model)


def settled_request(name: str, request: DescriberRequest) -> DescriberRequest:
    """What a describer is asked in the end: what stands beside a model in a folder comes before the defaults.

    Of a bundle's own model prompt and generation are the bundle's to say; only how images are shown to it is read here.

    Parameters
    ----------
    name : str
        As `create_describer` takes it.
    request : DescriberRequest
        What is asked for.

    Raises
    ------
    DescriberError
        If `describing.json` cannot be read.
    """
    if name == OWN and request.folder is not None:
        return _shown_as_trained(name, request.folder, request)
    if name in _DESCRIBERS or is_profile(name) or not Path(name).is_dir():
        return request
    folder = Path(name).resolve()
    known = read_facts(folder.name, folder)
    if known is None:
        return request
    default = DescriberRequest()
    asked = _shown_as_trained(folder.name, folder, request)
    if request.prompt == default.prompt:
        asked = replace(asked, prompt=known.prompt)
    if request.generation == default.generation and known.generation is not None:
        asked = replace(asked, generation=known.generation)
    if request.licence == UNSTATED and known.stated_licence:
        asked = replace(asked, licence=known.stated_licence)
    return asked


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


def offered_describers() -> tuple[DescriberFacts, ...]:
    """The same as a person chooses from: models of the hub at the commits that are here, others with what they need.

    Last a place for a folder of one's own, by the name `FOLDER`.
    """
    offered: list[DescriberFacts] = []
    for facts in describers():
        if facts.name not in PROFILES:
            offered.append(facts)
            continue
        here = cached_profiles(facts.name)
        offered += [replace(facts, name=profile.name, revision=profile.revision) for profile in here]
        if not here:
            fetch = f"mmlnb models fetch {facts.name}@COMMIT --yes"
            offered.append(replace(facts, needs=f"Not on this machine. Fetch it with: {fetch}"))
    summary = "A describing model of your own: its folder as transformers saves it, or that of a LoRA adapter."
    return (*offered, _vlm_facts(FOLDER, summary, ""))


def is_describer(name: str) -> bool:
    """Whether `create_describer` knows what this name means; not whether all that it needs is here."""
    return name in _DESCRIBERS or is_profile(name) or Path(name).is_dir()


def create_describer(name: str, request: DescriberRequest = AS_THE_PROGRAM_ASKS) -> Describer:
    """The describer of that name. Nothing is loaded yet; whether all that it needs is here is looked at.

    Parameters
    ----------
    name : str
        One of `describers()`; a profile of a model with its commit (NAME@COMMIT); or the folder of a model, or of a
        LoRA adapter whose base is on this machine.
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
