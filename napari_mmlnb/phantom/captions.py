"""Captions of phantom tiles: the checklist's answers in a pathologist's words, and back.

They name findings, never a class. Each answer can be worded in several ways; every wording is read back to the same
answer. The first one is the formal one: a report that words the same finding in two ways would seem to find two.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

import numpy as np

from napari_mmlnb.phantom.attributes import ATTRIBUTES, Checklist

WORDINGS: MappingProxyType[tuple[str, str], tuple[str, ...]] = MappingProxyType(
    {
        ("neuropil", "absent"): ("Neuropil is absent.", "No neuropil."),
        ("neuropil", "some"): ("There is some neuropil.", "A moderate amount of neuropil."),
        ("neuropil", "abundant"): ("Neuropil is abundant.", "Abundant neuropil."),
        ("differentiating", "absent"): ("Differentiating cells are absent.", "No differentiating cells."),
        ("differentiating", "present"): ("Differentiating cells are present.", "There are differentiating cells."),
        ("mki", "low"): ("The mitosis-karyorrhexis index is low.", "Low mitosis-karyorrhexis index."),
        ("mki", "intermediate"): (
            "The mitosis-karyorrhexis index is intermediate.",
            "Intermediate mitosis-karyorrhexis index.",
        ),
        ("mki", "high"): ("The mitosis-karyorrhexis index is high.", "High mitosis-karyorrhexis index."),
        ("mki", "not countable"): (
            "Too few neuroblastic cells to count mitoses.",
            "Neuroblastic cells are too few for a mitosis-karyorrhexis index.",
        ),
        ("necrosis", "absent"): ("Necrosis is absent.", "No necrosis."),
        ("necrosis", "present"): ("Necrosis is present.", "There is necrosis."),
        ("rosettes", "absent"): ("Rosettes are absent.", "No rosettes."),
        ("rosettes", "present"): ("Homer Wright rosettes are present.", "There are Homer Wright rosettes."),
        ("calcification", "absent"): ("Calcification is absent.", "No calcification."),
        ("calcification", "present"): ("Calcification is present.", "There is calcification."),
    }
)
"""(attribute, band) to the ways of saying it."""

_MEANING = MappingProxyType({wording: said for said, wordings in WORDINGS.items() for wording in wordings})


def caption(answers: Checklist, random: np.random.Generator | None = None) -> str:
    """Put a checklist into words, one sentence an attribute, in the order of `ATTRIBUTES`.

    Formal wordings; with `random` any of them.
    """
    said = [WORDINGS[attribute.name, answers[attribute.name]] for attribute in ATTRIBUTES]
    return " ".join(wordings[random.integers(len(wordings)) if random is not None else 0] for wordings in said)


def read_caption(text: str) -> dict[str, str]:
    """The checklist that a caption gives; attributes that it does not speak of, or contradicts itself on, are left out.

    Only the wordings that `caption` uses are read: a sentence that is nearly right is wrong.
    """
    said: dict[str, set[str]] = {}
    for sentence in sentences_of(text):
        if sentence in _MEANING:
            name, band = _MEANING[sentence]
            said.setdefault(name, set()).add(band)
    return {name: next(iter(bands)) for name, bands in said.items() if len(bands) == 1}


def sentences_of(text: str) -> Iterator[str]:
    """Sentences, each with its full stop."""
    return (f"{part.strip()}." for part in text.split(".") if part.strip())
