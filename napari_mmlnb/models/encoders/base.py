"""A patch encoder: RGB bytes in, one vector a patch out, normalisation included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import timm
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class EncoderFacts:
    """What is fixed about an encoder, whatever weights it carries.

    Parameters
    ----------
    name : str
        As a bundle names it.
    architecture : str
        timm's name of the network.
    input_px : int
        Side of the patches that it was made for.
    mean, std : tuple of float
        Normalisation of RGB in [0, 1].
    source : str
        Where the weights come from: "package:NAME" for a package that carries them.
    sha256 : str
        Digest of the weights' file.
    licence : str
        Of the weights.
    gated : bool
        Whether their owner must grant access first.
    strides : tuple of int
        Inner stages whose statistics are appended to the pooled output. The last stage of a small network hides
        counts of small things (mitoses); strides 8 and 16 still show them.
    """

    name: str
    architecture: str
    input_px: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    source: str
    sha256: str
    licence: str
    gated: bool = False
    strides: tuple[int, ...] = ()


class PatchEncoder(nn.Module):
    """A timm network with its normalisation, pooled to one vector a patch.

    Output: the globally averaged last features; then for each stride asked for, mean and standard deviation over the
    positions of that stage's map.

    Parameters
    ----------
    facts : EncoderFacts
        Which network, which normalisation, which stages. Weights are loaded by whoever owns the files.

    Shapes
    ------
    Input (B, H, W, 3) uint8. Output (B, `dimension`) float32.
    """

    mean: Tensor
    std: Tensor
    network: Any  # timm's networks share methods that torch's base class does not declare

    def __init__(self, facts: EncoderFacts) -> None:
        super().__init__()
        self.facts = facts
        self.network = timm.create_model(facts.architecture, pretrained=False)
        info = self.network.feature_info
        self._stages = [i for i, stage in enumerate(info) if stage["reduction"] in facts.strides]
        self.dimension = int(self.network.num_features) + 2 * sum(int(info[i]["num_chs"]) for i in self._stages)
        self.register_buffer("mean", torch.tensor(facts.mean).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(facts.std).view(1, 3, 1, 1) * 255, persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Encode patches.

        Parameters
        ----------
        pixels : Tensor
            (B, H, W, 3) uint8 RGB, on the module's device.

        Returns
        -------
        Tensor
            (B, dimension) float32.
        """
        # A channels-last batch stays as it lies in memory: the permuted view is what cuDNN and oneDNN want.
        x = (pixels.permute(0, 3, 1, 2).to(self.mean.dtype) - self.mean) / self.std
        last, stages = self.network.forward_intermediates(x, indices=self._stages)
        parts = [last.float().mean(dim=(2, 3))]
        for stage in stages:
            flat = stage.float().flatten(2)
            parts += [flat.mean(dim=2), flat.std(dim=2, unbiased=False)]
        return torch.cat(parts, dim=1)
