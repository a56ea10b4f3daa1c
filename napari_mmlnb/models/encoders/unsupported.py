"""Encoders that people ask for and that this program does not load, with the reason.

A model whose repository brings Python of its own would run that code here with all rights of the person; this program
never does that (`trust_remote_code`), whoever the author is. Source: their loaders in TRIDENT and others pass
`trust_remote_code=True`, or import a package of the authors.
"""

from __future__ import annotations

from napari_mmlnb.models.encoders.facts import UnsupportedEncoder

_REMOTE_CODE = "It needs Python code from its own repository, which this program never runs."

UNSUPPORTED_ENCODERS = (
    UnsupportedEncoder("conch_v1_5", "hub:MahmoodLab/conchv1_5", "CC-BY-NC-ND-4.0", gated=True, reason=_REMOTE_CODE),
    UnsupportedEncoder("titan", "hub:MahmoodLab/TITAN", "CC-BY-NC-ND-4.0", gated=True, reason=_REMOTE_CODE),
    UnsupportedEncoder("hibou_b", "hub:histai/hibou-b", "Apache-2.0", gated=True, reason=_REMOTE_CODE),
    UnsupportedEncoder("hibou_l", "hub:histai/hibou-L", "Apache-2.0", gated=True, reason=_REMOTE_CODE),
    UnsupportedEncoder(
        "conch",
        "hub:MahmoodLab/conch",
        "CC-BY-NC-ND-4.0",
        gated=True,
        reason="Neither timm nor transformers has its network; it needs a package of its authors.",
    ),
)
