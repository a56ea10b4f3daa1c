"""What the towers say of cases; a tower that is frozen is asked once a phase, not once an epoch.

Nothing is augmented, as published, and a frozen tower evaluates: it would say the same each time. Of the paper's 150
epochs BERT is frozen in 100 and VGG16 in 50.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_mmlnb.models.image_text import ImageTextNetwork
from napari_mmlnb.training.curriculum import Phase
from napari_mmlnb.training.image_level.data import ImageTextData, Rows, batches
from napari_mmlnb.training.image_level.images import normalised


@dataclass(frozen=True)
class Said:
    """What frozen towers have said, a row a case; None where a tower is to be asked.

    Parameters
    ----------
    image : Tensor, optional
        v, (n, D) float32 in main memory.
    text : Tensor, optional
        u, (n, T) float32 in main memory.
    """

    image: Tensor | None = None
    text: Tensor | None = None


ASK_BOTH = Said()


def ask_frozen(model: ImageTextNetwork, data: ImageTextData, rows: Rows, phase: Phase, batch: int) -> Said:
    """Ask the towers that a phase freezes, of these rows alone; the rows of other cases stay undefined."""
    model.eval()

    def every(ask: Callable[[ImageTextNetwork, ImageTextData, Rows, Said], Tensor]) -> Tensor:
        with torch.no_grad():
            vectors = torch.cat([ask(model, data, some, ASK_BOTH).cpu() for some in batches(rows, batch)])
            return vectors.new_empty((len(data.labels), vectors.shape[1])).index_copy_(
                0, torch.from_numpy(rows), vectors
            )

    return Said(None if phase.image_learns else every(look), None if phase.text_learns else every(read))


def look(model: ImageTextNetwork, data: ImageTextData, rows: Rows, said: Said) -> Tensor:
    """What the image tower says of some cases: v, (B, D), on the network's device."""
    device = _device(model)
    if said.image is not None:
        return said.image[torch.from_numpy(rows)].to(device)
    v: Tensor = model.image(normalised(data.pixels[rows], device))
    return v


def read(model: ImageTextNetwork, data: ImageTextData, rows: Rows, said: Said) -> Tensor:
    """What the text tower says of some cases: u, (B, T), on the network's device."""
    device, chosen = _device(model), torch.from_numpy(rows)
    if said.text is not None:
        return said.text[chosen].to(device)
    u: Tensor = model.text(data.ids[chosen].to(device))
    return u


def _device(model: ImageTextNetwork) -> torch.device:
    return next(model.parameters()).device
