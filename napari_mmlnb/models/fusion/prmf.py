r"""PRMF, Progressive Robust Multi-Modal Fusion: the robust half, a confidence gate.

.. math::

    c = \sigma(W_2\,\mathrm{ReLU}(W_1 [u; v] + b_1) + b_2), \qquad
    f = c\,u + (1 - c)(W_3 v + b_3)

One number a sample says how far the generated text is trusted. There is no cross-attention, no noise, and no loss on c.
Source: MMLNB (arXiv 2503.12927) and its released code. The progressive half is the curriculum of
`napari_mmlnb.training.curriculum`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Fused:
    """Two modalities, fused.

    Parameters
    ----------
    embedding : Tensor
        f, (B, T).
    gate : Tensor
        c, (B,), in (0, 1): 1 is text alone, 0 is image alone.
    """

    embedding: Tensor
    gate: Tensor


class PrmfGate(nn.Module):
    """The confidence gate.

    Parameters
    ----------
    text : int
        T, length of u (768 with BERT).
    image : int
        D, length of v (512 with VGG16).
    hidden : int
        Width of the gate's hidden layer.
    """

    def __init__(self, text: int, image: int, hidden: int = 256) -> None:
        super().__init__()
        self.confidence = nn.Sequential(nn.Linear(text + image, hidden), nn.ReLU(), nn.Linear(hidden, 1), nn.Sigmoid())
        self.align = nn.Linear(image, text)

    def forward(self, u: Tensor, v: Tensor) -> Fused:
        """Fuse text u (B, T) and image v (B, D)."""
        gate = self.confidence(torch.cat([u, v], dim=1))
        return Fused(gate * u + (1 - gate) * self.align(v), gate.squeeze(-1))
