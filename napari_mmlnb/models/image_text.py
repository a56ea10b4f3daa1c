r"""MMLNB at the level of single images: an image and its description, fused by PRMF.

.. math::

    v = \mathrm{image}(x), \quad u = \mathrm{text}(t), \quad f = \mathrm{PRMF}(u, v), \quad
    y = W\,\mathrm{dropout}(\mathrm{ReLU}(f)) + b

Source: MMLNB (arXiv 2503.12927) and its released code, with one fault mended: there the image branch's cross-entropy is
taken on the 512 features as if they were logits; here a linear image head makes logits of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from napari_mmlnb.models.fusion.prmf import PrmfGate
from napari_mmlnb.models.towers.image import ImageTower
from napari_mmlnb.models.towers.published import DROPOUT
from napari_mmlnb.models.towers.text import TextTower


class Absent(nn.Module):
    """Stands where a modality, or its head, is not there: a vector of no numbers."""

    def forward(self, case: Tensor) -> Tensor:
        """(B, ...) to (B, 0)."""
        return case.new_empty((len(case), 0))


@dataclass(frozen=True)
class ImageTextAnswer:
    """What the network says of a batch.

    Parameters
    ----------
    fused, image : Tensor
        (B, K) logits of both modalities together, and of the image alone.
    gate : Tensor
        (B,), in (0, 1): how far the text was trusted; NaN where the network has no gate.
    """

    fused: Tensor
    image: Tensor
    gate: Tensor


class ImageTextNetwork(nn.Module, ABC):
    """Two towers, what is made of their vectors, and a head by which the image answers alone.

    A tower that is frozen says the same of a case in every epoch: who trains asks it once, and `combine` alone after.
    """

    image: nn.Module
    text: nn.Module
    image_head: nn.Module

    def forward(self, pixels: Tensor, ids: Tensor) -> ImageTextAnswer:
        """Answer for (B, 3, H, W) normalised images and (B, T) token ids, 0 being padding."""
        return self.combine(self.image(pixels), self.text(ids))

    @abstractmethod
    def combine(self, v: Tensor, u: Tensor) -> ImageTextAnswer:
        """Answer for what the towers said: v (B, D) of the images, u (B, T) of the texts."""


class ImageTextPrmf(ImageTextNetwork):
    """Two towers, the gate, and the heads.

    Parameters
    ----------
    image, text : Module
        The towers.
    classes : int
        K.
    """

    def __init__(self, image: ImageTower, text: TextTower, classes: int) -> None:
        super().__init__()
        self.image = image
        self.text = text
        self.fusion = PrmfGate(text.dimension, image.dimension)
        self.head = nn.Sequential(nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(text.dimension, classes))
        self.image_head = nn.Linear(image.dimension, classes)

    def combine(self, v: Tensor, u: Tensor) -> ImageTextAnswer:
        """See `ImageTextNetwork`."""
        fused = self.fusion(u, v)
        return ImageTextAnswer(self.head(fused.embedding), self.image_head(v), fused.gate)
