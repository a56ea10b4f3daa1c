"""The published systems that this program runs, found by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from napari_mmlnb.models.mmlnb import Mmlnb, MmlnbShape
from napari_mmlnb.registry import Registry


@dataclass(frozen=True)
class SystemFacts:
    """A published system.

    Parameters
    ----------
    name : str
        As a bundle names it.
    title, source : str
        What it is, and where it was published.
    build : callable
        Makes the untrained network of given sizes.
    """

    name: str
    title: str
    source: str
    build: Callable[[MmlnbShape], Mmlnb]


SYSTEMS: Registry[SystemFacts] = Registry(
    "system",
    (
        SystemFacts(
            "mmlnb",
            "MMLNB: image and generated text, fused by the PRMF gate",
            "arXiv 2503.12927; Biomedical Signal Processing and Control 126, 110798 (2026)",
            Mmlnb,
        ),
    ),
)
