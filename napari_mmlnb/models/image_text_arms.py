"""Networks beside which PRMF is judged: one modality alone, and both without a gate. Our design, after MMLNB.

The paper names these ablations and gives no more of them. Each uses the towers and the head of `ImageTextPrmf`, so that
only the fusion differs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_mmlnb.models.image_text import ImageTextAnswer
from napari_mmlnb.models.towers.image import ImageTower
from napari_mmlnb.models.towers.published import DROPOUT
from napari_mmlnb.models.towers.text import TextTower


class Absent(nn.Module):
    """Stands where a modality is not looked at."""


def _head(width: int, classes: int) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(width, classes))


def _no_gate(logits: Tensor) -> Tensor:
    return logits.new_full((len(logits),), torch.nan)


class ImageOnly(nn.Module):
    """The image alone: its tower and a head. The text tower that it is given is dropped."""

    def __init__(self, image: ImageTower, text: TextTower, classes: int) -> None:  # noqa: ARG002 - as the others
        super().__init__()
        self.image = image
        self.text = Absent()
        self.head = _head(image.dimension, classes)

    def forward(self, pixels: Tensor, ids: Tensor) -> ImageTextAnswer:  # noqa: ARG002
        """See `ImageTextPrmf`; there is no gate."""
        logits = self.head(self.image(pixels))
        return ImageTextAnswer(logits, logits, _no_gate(logits))


class TextOnly(nn.Module):
    """The text alone; its answer stands for the image's too. The image tower that it is given is dropped."""

    def __init__(self, image: ImageTower, text: TextTower, classes: int) -> None:  # noqa: ARG002
        super().__init__()
        self.image = Absent()
        self.text = text
        self.head = _head(text.dimension, classes)

    def forward(self, pixels: Tensor, ids: Tensor) -> ImageTextAnswer:  # noqa: ARG002
        """See `ImageTextPrmf`; there is no gate."""
        logits = self.head(self.text(ids))
        return ImageTextAnswer(logits, logits, _no_gate(logits))


class Concatenated(nn.Module):
    """Both vectors side by side, aligned to the text's length by one linear layer, and the same head."""

    def __init__(self, image: ImageTower, text: TextTower, classes: int) -> None:
        super().__init__()
        self.image = image
        self.text = text
        self.joint = nn.Linear(image.dimension + text.dimension, text.dimension)
        self.head = _head(text.dimension, classes)
        self.image_head = nn.Linear(image.dimension, classes)

    def forward(self, pixels: Tensor, ids: Tensor) -> ImageTextAnswer:
        """See `ImageTextPrmf`; there is no gate."""
        v, u = self.image(pixels), self.text(ids)
        fused = self.head(self.joint(torch.cat([u, v], dim=1)))
        return ImageTextAnswer(fused, self.image_head(v), _no_gate(fused))
