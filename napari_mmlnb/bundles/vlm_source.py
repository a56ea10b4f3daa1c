"""Describing models on the hub: which files of a repository are fetched, and what a person is told before."""

from __future__ import annotations

import re
from dataclasses import dataclass

from napari_mmlnb.bundles.hub import list_files
from napari_mmlnb.describe.profiles import VlmProfile
from napari_mmlnb.errors import HubError

_WANTED = re.compile(r"model(-\d+-of-\d+)?\.safetensors|[^/]+\.(json|jinja)|merges\.txt|vocab\.txt|[^/]*\.model")
"""Weights as safetensors, settings, tokenizer and chat template; no pickles, no code, no copies for other programs."""


@dataclass(frozen=True)
class VlmDownload:
    """A describing model at its commit, with the names of the files that it needs.

    Parameters
    ----------
    profile : VlmProfile
        With a revision.
    files : tuple of str
        In the repository.
    """

    profile: VlmProfile
    files: tuple[str, ...]
    file: str = ""
    sha256: str = ""

    @property
    def name(self) -> str:
        """Of the profile, with its commit."""
        return self.profile.name

    @property
    def repository(self) -> str:
        """OWNER/NAME."""
        return self.profile.repository

    @property
    def revision(self) -> str:
        """Commit."""
        return self.profile.revision

    @property
    def gated(self) -> bool:
        """Whether its owner must grant access first."""
        return self.profile.gated


def vlm_download(profile: VlmProfile) -> VlmDownload:
    """Ask the hub which files there are.

    Parameters
    ----------
    profile : VlmProfile
        With a revision.

    Raises
    ------
    GatedModelError
        If its owner has not granted access.
    HubError
        If the hub cannot be asked, or has no weights as safetensors at that commit.
    """
    names = list_files(profile.name, profile.repository, profile.revision, gated=profile.gated)
    wanted = [name for name in names if _WANTED.fullmatch(name)]
    if not any(name.endswith(".safetensors") for name in wanted):
        raise HubError(
            profile.name,
            f"{profile.repository} has no weights as safetensors at revision {profile.revision}.",
            "Choose another commit; pickled weights are not read.",
        )
    # Weights last: where they are whole, so is all the rest.
    return VlmDownload(profile, tuple(sorted(wanted, key=lambda name: (name.endswith(".safetensors"), name))))
