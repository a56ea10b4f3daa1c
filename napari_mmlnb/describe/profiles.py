"""Vision-language models that are known to serve as describers, each with its licence and the memory it needs.

None has a pinned commit: the hub could not be opened where this table was made, and no commit is given from memory. Who
uses one pins it, as NAME@COMMIT; a branch or a tag, which can move, is refused.

Sources: the models' cards and configurations as they are quoted in public repositories that use them. The numbers of
weights are the cards', rounded; what a machine needs is worked out from the files themselves once they are there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from napari_mmlnb.describe.memory import Precision, memory_needed
from napari_mmlnb.describe.vlm_folder import CONFIG_FILE, is_whole
from napari_mmlnb.errors import DescriberError, RevisionMissingError
from napari_mmlnb.hub_cache import cached_revisions, hub_cache, own_cache
from napari_mmlnb.registry import Registry

_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class VlmProfile:
    """What is known of a describing model before it is here.

    Parameters
    ----------
    name : str
        As `--describer` takes it, with "@" and a commit behind it.
    repository : str
        OWNER/NAME on the hub.
    licence : str
        Of its weights.
    terms : str
        What the licence asks for, in a few words.
    gated : bool
        Whether its owner must grant access first.
    commercial : bool
        Whether the licence allows commercial use.
    weights : int
        How many, rounded.
    summary : str
        One line.
    remark : str
        What a person should know who chooses it.
    revision : str
        Commit; empty until it is given.
    """

    name: str
    repository: str
    licence: str
    terms: str
    gated: bool
    commercial: bool
    weights: int
    summary: str
    remark: str
    revision: str = ""

    @property
    def source(self) -> str:
        """As for encoders: "hub:OWNER/NAME"."""
        return f"hub:{self.repository}"

    def memory(self, precision: Precision) -> int:
        """Bytes of memory that it needs, an estimate from the number of weights."""
        return memory_needed(self.weights, precision)


_APACHE = "no conditions beyond naming its source"

PROFILES: Registry[VlmProfile] = Registry(
    "describing model",
    (
        VlmProfile(
            name="qwen2_5_vl_7b",
            repository="Qwen/Qwen2.5-VL-7B-Instruct",
            licence="Apache-2.0",
            terms=_APACHE,
            gated=False,
            commercial=True,
            weights=8_292_000_000,
            summary="Qwen2.5-VL 7B, the model that MMLNB fine-tunes; takes its LoRA adapter.",
            remark="For a graphics card with 24 GB, or 12 GB in 4 bits; too slow without one.",
        ),
        VlmProfile(
            name="qwen2_5_vl_3b",
            repository="Qwen/Qwen2.5-VL-3B-Instruct",
            licence="Qwen Research",
            terms="research only, no commercial use",
            gated=False,
            commercial=False,
            weights=3_755_000_000,
            summary="Qwen2.5-VL 3B.",
            remark="For a graphics card with 12 GB, or 6 GB in 4 bits. Its licence is not that of the 7B model.",
        ),
        VlmProfile(
            name="smolvlm2_256m",
            repository="HuggingFaceTB/SmolVLM2-256M-Video-Instruct",
            licence="Apache-2.0",
            terms=_APACHE,
            gated=False,
            commercial=True,
            weights=256_000_000,
            summary="SmolVLM2 256M, for processors.",
            remark="The smallest; knows little of tissue unless it is fine-tuned.",
        ),
        VlmProfile(
            name="smolvlm2_500m",
            repository="HuggingFaceTB/SmolVLM2-500M-Video-Instruct",
            licence="Apache-2.0",
            terms=_APACHE,
            gated=False,
            commercial=True,
            weights=507_000_000,
            summary="SmolVLM2 500M, for processors.",
            remark="Knows little of tissue unless it is fine-tuned.",
        ),
        VlmProfile(
            name="smolvlm2_2_2b",
            repository="HuggingFaceTB/SmolVLM2-2.2B-Instruct",
            licence="Apache-2.0",
            terms=_APACHE,
            gated=False,
            commercial=True,
            weights=2_247_000_000,
            summary="SmolVLM2 2.2B, for patient processors and small graphics cards.",
            remark="Knows little of tissue unless it is fine-tuned.",
        ),
        VlmProfile(
            name="medgemma_1_5_4b",
            repository="google/medgemma-1.5-4b-it",
            licence="Health AI Developer Foundations terms of use",
            terms="the owner's own, with prohibited uses; no clinical use without one's own validation",
            gated=True,
            commercial=True,
            weights=4_300_000_000,
            summary="MedGemma 1.5 4B, trained on medical images (Google).",
            remark="For a graphics card with 12 GB, or 6 GB in 4 bits. Read the terms before accepting them.",
        ),
    ),
)


def is_commit(name: object) -> bool:
    """Whether this is a commit, which cannot move, and no branch or tag."""
    return isinstance(name, str) and _COMMIT.fullmatch(name) is not None


def is_profile(name: str) -> bool:
    """Whether this is NAME or NAME@COMMIT of a profile."""
    return name.partition("@")[0] in PROFILES


def pinned_profile(name: str) -> VlmProfile:
    """The profile of NAME@COMMIT, at that commit.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    RevisionMissingError
        If no commit is given.
    DescriberError
        If what stands behind the @ is no commit.
    """
    stem, _, commit = name.partition("@")
    profile = PROFILES.get(stem)
    if "@" not in name:
        raise RevisionMissingError(name, profile.repository)
    if not is_commit(commit):
        raise DescriberError(
            name,
            f"{commit!r} is not a commit: 40 digits and letters a to f.",
            f"See https://huggingface.co/{profile.repository}/commits/main; a branch or a tag can move.",
        )
    return replace(profile, name=name, revision=commit)


def profile_folder(profile: VlmProfile) -> Path | None:
    """The folder of a pinned profile's files on this machine, or None where it is not here, or not all of it.

    Our own cache comes before the hub's.
    """
    known = profile.repository, profile.revision
    for folder in (own_cache(*known), hub_cache(*known, (CONFIG_FILE,))):
        if folder is not None and is_whole(profile.name, folder):
            return folder
    return None


def cached_profiles(stem: str) -> tuple[VlmProfile, ...]:
    """A profile at each commit of which this machine has the whole model; its name is NAME@COMMIT.

    Parameters
    ----------
    stem : str
        NAME of the profile.
    """
    pinned = [pinned_profile(f"{stem}@{commit}") for commit in cached_revisions(PROFILES.get(stem).repository)]
    return tuple(profile for profile in pinned if profile_folder(profile) is not None)
