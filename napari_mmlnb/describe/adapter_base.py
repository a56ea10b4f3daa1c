"""The model that a LoRA adapter was trained on: found on this machine by what the adapter says of it, and checked.

An adapter is a few hundred megabytes that mean nothing without the very weights that it was trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from napari_mmlnb.describe.describing_facts import DescribingFacts, folder_digest, read_facts
from napari_mmlnb.describe.profiles import PROFILES, is_commit, is_profile, pinned_profile, profile_folder
from napari_mmlnb.describe.vlm_folder import CONFIG_FILE, check_adapter, is_whole
from napari_mmlnb.errors import DescriberError, WeightsMissingError
from napari_mmlnb.hub_cache import cached_revisions, hub_cache, own_cache

_BASE_KEY = "base_model_name_or_path"


def find_base(describer: str, adapter: Path, given: str = "") -> Path:
    """The folder of the model that an adapter belongs to; its digest is compared by `check_base`, before it is loaded.

    Parameters
    ----------
    describer : str
        For errors, which do not give paths.
    adapter : Path
        Folder of the adapter, as peft or `mmlnb finetune-vlm` writes it.
    given : str
        The base as the user gives it: a folder, or NAME@COMMIT. Else it is looked for by the name that stands in
        `describing.json` or `adapter_config.json`: a folder of this machine, a folder of that name beside the
        adapter's, or a repository in this machine's caches.

    Raises
    ------
    DescriberError
        If it is not on this machine, or several commits of it are and nothing says which.
    RevisionMissingError, WeightsMissingError
        If what is given is a profile without a commit, or one that is not here.
    """
    if given:
        check_adapter(describer, adapter)
        return _given(describer, given)
    facts = read_facts(describer, adapter)
    found = possible_bases(describer, adapter)
    if len(found) == 1:
        return found[0]
    if facts is not None:
        return next((folder for folder in found if folder_digest(folder) == facts.base_sha256), found[0])
    raise DescriberError(
        describer,
        f"{len(found)} folders on this machine may be the model that the adapter {describer} was trained on.",
        "Say which one with --describer-base DIR or NAME@COMMIT.",
    )


def possible_bases(describer: str, adapter: Path) -> tuple[Path, ...]:
    """The folders on this machine that bear the name of an adapter's base; no weights are read.

    Raises
    ------
    DescriberError
        If there is none, or what is beside the adapter cannot be read.
    """
    config = check_adapter(describer, adapter)
    facts = read_facts(describer, adapter)
    stated = config.get(_BASE_KEY) or ""
    names = dict.fromkeys(name for name in (facts.base if facts else "", str(stated)) if name)
    found = dict.fromkeys(folder for name in names for folder in _folders(name, adapter, config.get("revision")))
    if not found:
        raise _missing(describer, next(iter(names), ""))
    return tuple(found)


def check_base(describer: str, base: Path, facts: DescribingFacts | None) -> None:
    """Refuse a model that is not the one that the adapter was trained on, where the adapter says which that is.

    Reads all of its weights, once in a process.

    Raises
    ------
    DescriberError
        If it is another one.
    """
    if facts is not None and folder_digest(base) != facts.base_sha256:
        raise DescriberError(
            describer,
            f"The adapter {describer} was trained on another model than the {_shown(facts.base)} that is here "
            f"(SHA-256 {facts.base_sha256[:12]}...).",
            f"Give the folder of the very files that {_shown(facts.base)} had then, with --describer-base DIR.",
        )


def _given(describer: str, given: str) -> Path:
    if is_profile(given):
        profile = pinned_profile(given)
        folder = profile_folder(profile)
        if folder is None:
            raise WeightsMissingError(given, profile.source)
        return folder
    if not (Path(given) / CONFIG_FILE).is_file():
        raise DescriberError(
            describer,
            f"What is given as the base of {describer} is no model: neither NAME@COMMIT nor a folder with a "
            f"{CONFIG_FILE}.",
            "Give the folder of the model that it was trained on.",
        )
    return Path(given).resolve()


def _folders(name: str, adapter: Path, revision: object) -> Iterator[Path]:
    """Where a model of that name lies here."""
    # "base" alone is the name of a folder; where that lay, whoever trained the adapter kept to himself.
    places = [Path(name)] if Path(name).is_absolute() else []
    places.append(adapter.resolve().parent / Path(name).name)
    for place in places:
        if (place / CONFIG_FILE).is_file():
            yield place.resolve()
    if name.count("/") != 1 or Path(name).is_absolute():
        return
    for commit in cached_revisions(name):
        if is_commit(revision) and revision != commit:
            continue
        for folder in (own_cache(name, commit), hub_cache(name, commit, (CONFIG_FILE,))):
            if folder is not None and is_whole(name, folder):
                yield folder
                break


def _missing(describer: str, name: str) -> DescriberError:
    if not name:
        return DescriberError(
            describer,
            f"The adapter {describer} does not say which model it was trained on.",
            "Give the folder of that model with --describer-base DIR.",
        )
    profile = next((p.name for p in PROFILES if p.repository == name), "")
    fetch = f"Fetch it with: mmlnb models fetch {profile}@COMMIT --yes. Or give" if profile else "Give"
    return DescriberError(
        describer,
        f"The adapter {describer} was trained on {_shown(name)}, which is not on this machine.",
        f"{fetch} its folder with --describer-base DIR, or put the folder, by that name, beside the adapter's.",
    )


def _shown(name: str) -> str:
    """A base by name; of a path the last part only."""
    return Path(name).name if Path(name).is_absolute() else name
