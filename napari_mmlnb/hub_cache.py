"""Where files of the Hugging Face hub lie on this machine: in our own cache, or in the hub's, which others fill too.

Only looked for here; nothing in this module goes to the network.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import constants, try_to_load_from_cache
from platformdirs import user_cache_path

_COMMIT = re.compile(r"[0-9a-f]{40}")


def own_cache(repository: str, revision: str) -> Path:
    """The folder of our cache for a repository (OWNER/NAME) at a commit, whether it exists or not."""
    cache = user_cache_path("napari-mmlnb", appauthor=False)
    return cache / "hub" / repository.replace("/", "--") / revision


def hub_cache(repository: str, revision: str, files: Sequence[str]) -> Path | None:
    """The hub's own folder for it, or None where it does not hold all of the files."""
    folders = set()
    for name in files:
        found = try_to_load_from_cache(repository, name, revision=revision)
        if not isinstance(found, str):
            return None
        folders.add(Path(found).parents[len(Path(name).parts) - 1])
    return folders.pop() if len(folders) == 1 else None


def cached_revisions(repository: str) -> tuple[str, ...]:
    """The commits of a repository (OWNER/NAME) of which either cache has a folder, whole or not, in sorted order."""
    hub = Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}" / "snapshots"
    places = (own_cache(repository, ""), hub)
    found = {folder.name for place in places if place.is_dir() for folder in place.iterdir() if folder.is_dir()}
    return tuple(sorted(name for name in found if _COMMIT.fullmatch(name)))
