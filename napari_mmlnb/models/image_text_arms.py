"""Networks beside which PRMF is judged: one modality alone, and both without a gate. Our design, after MMLNB.

The paper names these ablations and gives no more of them. Each uses the towers and the head of `ImageTextPrmf`, so that
only the fusion differs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_mmlnb.models.image_text import Absent, ImageTextAnswer, ImageTextNetwork
from napari_mmlnb.models.towers.image import ImageTower
from napari_mmlnb.models.towers.published import DROPOUT
from napari_mmlnb.models.towers.text import TextTower


def _head(width: int, classes: int) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(width, classes))


def _no_gate(logits: Tensor) -> Tensor:
    return logits.new_full((len(logits),), torch.nan)


class ImageOnly(ImageTextNetwork):
    """The image alone: its tower and a head. The text tower that it is given is dropped."""

    def __init__(self, image: ImageTower, text: TextTower, classes: int) -> None:  # noqa: ARG002 - as the others
        super().__init__()
        self.image = image
        self.text = Absent()
        self.image_head = Absent()
        self.head = _head(image.dimension, classes)

    def combine(self, v: Tensor, u: Tensor) -> ImageTextAnswer:  # noqa: ARG002
        """See `ImageTextNetwork`; there is no gate."""
        logits = self.head(v)
        return ImageTextAnswer(logits, logits, _no_gate(logits))


class TextOnly(ImageTextNetwork):
    """The text alone; its answer stands for the image's too. The image tower that it is given is dropped."""

    def __init__(self, image: ImageTower, text: TextTower, classes: int) -> None:  # noqa: ARG002
        super().__init__()
        self.image = Absent()
        self.text = text
        self.image_head = Absent()
        self.head = _head(text.dimension, classes)

    def combine(self, v: Tensor, u: Tensor) -> ImageTextAnswer:  # noqa: ARG002
        """See `ImageTextNetwork`; there is no gate."""
        logits = self.head(u)
        return ImageTextAnswer(logits, logits, _no_gate(logits))


class Concatenated(ImageTextNetwork):
    """Both vectors side by side, aligned to the text's length by one linear layer, and the same head."""

    def __init__(self, image: ImageTower, text: TextTower, classes: int) -> None:
        super().__init__()
        self.image = image
        self.text = text
        self.joint = nn.Linear(image.dimension + text.dimension, text.dimension)
        self.head = _head(text.dimension, classes)
        self.image_head = nn.Linear(image.dimension, classes)

    def combine(self, v: Tensor, u: Tensor) -> ImageTextAnswer:
        """See `ImageTextNetwork`; there is no gate."""
        fused = self.head(self.joint(torch.cat([u, v], dim=1)))
        return ImageTextAnswer(fused, self.image_head(v), _no_gate(fused))
