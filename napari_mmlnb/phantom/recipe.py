"""What a phantom is to contain: drawn once a slide, before anything is laid out.

Attributes go together as in the disease (mitoses and karyorrhexis fall, rosettes and neuropil rise with
differentiation), with so much noise that none of them decides alone. What a slide looks like from afar (share and
density of blue cells, pink tissue, blood, glass) is drawn without regard to the subtype.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_mmlnb.phantom.truth import Subtype

TISSUES = (
    "solid",
    "neuropil",
    "differentiating",
    "stroma",
    "necrosis",
    "haemorrhage",
    "lymphoid",
    "fat",
    "hyaline",
    "muscle",
    "oedema",
)
"""Kinds of tissue; a layout's label is the index + 1, and 0 is glass."""

LABEL = {name: index + 1 for index, name in enumerate(TISSUES)}

DECISIVE: dict[str, str] = {"ud": "solid", "pd": "neuropil", "d": "differentiating"}
"""The tissue that decides each subtype."""

NEUROPIL_BEARING = ("neuropil", "differentiating")
TUMOUR = ("solid", "neuropil", "differentiating")
FIBROUS = ("stroma", "muscle", "hyaline", "oedema")

_MKI_MEDIAN = {"ud": 3.2, "pd": 2.2, "d": 1.3}


@dataclass(frozen=True)
class Recipe:
    """Contents of one phantom.

    Parameters
    ----------
    subtype : str
        "ud", "pd" or "d".
    shares : dict of str to float
        Wanted share of the tissue a kind; adds up to 1.
    spacing_um : float
        Distance between neighbouring tumour cells where they are packed, micrometres.
    nucleus_um : float
        Typical radius of a neuroblast's nucleus, micrometres.
    large_nuclei : float
        Share of the neuroblasts with a large vesicular nucleus and prominent nucleoli: many in UD, few elsewhere.
    neuropil_amount : float
        Share of a neuropil-bearing area that is neuropil rather than nests of cells, 0 to 1.
    differentiating : float
        Wanted share of differentiating cells: in the differentiating areas of D, in the neuropil-bearing ones of PD.
    ganglion : float
        Share of the differentiating cells that have come as far as a ganglion cell.
    mki : float
        Mitotic and karyorrhectic cells per 100 neuroblastic cells.
    rosettes_per_mm2 : float
        In neuropil-bearing areas.
    calcification_per_mm2 : float
        Deposits in tumour and necrosis.
    lymphocytes_per_mm2 : float
        Scattered ones, outside the aggregates.
    eosin : dict of str to float
        Strength of eosin a kind of tissue, relative to its usual one.
    background_haematoxylin : float
        Bluish haze of the whole section.
    """

    subtype: Subtype
    shares: dict[str, float]
    spacing_um: float
    nucleus_um: float
    large_nuclei: float
    neuropil_amount: float
    differentiating: float
    ganglion: float
    mki: float
    rosettes_per_mm2: float
    calcification_per_mm2: float
    lymphocytes_per_mm2: float
    eosin: dict[str, float]
    background_haematoxylin: float


def draw_recipe(rng: np.random.Generator, subtype: Subtype) -> Recipe:
    """Draw the contents of a slide of a subtype."""
    decided = subtype == "d"
    return Recipe(
        subtype=subtype,
        shares=_draw_shares(rng, subtype),
        spacing_um=float(rng.uniform(8.0, 10.8)),
        nucleus_um=float(rng.uniform(3.3, 4.3)),
        neuropil_amount=float(rng.uniform(0.35, 0.78)),
        differentiating=float(rng.uniform(0.12, 0.34) if decided else rng.uniform(0.0, 0.03)),
        ganglion=float(rng.uniform(0.05, 0.45)),
        mki=float(np.clip(_MKI_MEDIAN[subtype] * np.exp(rng.normal(0.0, 0.55)), 0.2, 9.0)),
        rosettes_per_mm2=float(0.0 if subtype == "ud" else rng.gamma(1.5, 9.0 if subtype == "pd" else 6.0)),
        calcification_per_mm2=float(rng.choice((0.0, rng.gamma(1.5, 9.0)), p=(0.35, 0.65))),
        lymphocytes_per_mm2=float(rng.gamma(1.6, 60.0)),
        eosin={name: float(np.exp(rng.normal(0.0, 0.16))) for name in TISSUES},
        background_haematoxylin=float(rng.uniform(0.015, 0.06)),
        large_nuclei=float(rng.uniform(0.35, 0.85) if subtype == "ud" else rng.uniform(0.0, 0.06)),
    )


def _draw_shares(rng: np.random.Generator, subtype: Subtype) -> dict[str, float]:
    """Shares of tissue: the decisive one from one range for all subtypes, the rest so that colours even out."""
    decisive = float(rng.uniform(0.14, 0.50))
    shares = dict.fromkeys(TISSUES, 0.0)
    shares[DECISIVE[subtype]] = decisive
    if subtype == "d":
        shares["neuropil"] = decisive * float(rng.uniform(0.25, 0.6))
        shares["solid"] = decisive * float(rng.uniform(0.2, 0.7))
    elif subtype == "pd":
        shares["solid"] = decisive * float(rng.uniform(0.35, 1.0))
    rest = max(1.0 - sum(shares.values()), 0.12)
    # Lymphoid tissue stands in for blue tumour and fibrous tissue for neuropil, so that colour alone tells little.
    blue = float(rng.uniform(0.15, 0.55))
    lymphoid = float(np.clip(blue - shares["solid"], 0.03, 0.25)) * float(rng.uniform(0.4, 1.0))
    shares["lymphoid"] = min(lymphoid, 0.5 * rest)
    rest -= shares["lymphoid"]
    others = ("stroma", "necrosis", "haemorrhage", "fat", "hyaline", "muscle", "oedema")
    weights = rng.gamma((1.1, 0.8, 0.4, 0.35, 0.7, 0.6, 0.6)) + 0.02
    for name, weight in zip(others, weights / weights.sum(), strict=True):
        shares[name] = rest * float(weight)
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}
