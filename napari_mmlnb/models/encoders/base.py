"""A patch encoder: RGB bytes in, one vector a patch out, normalisation included."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from napari_mmlnb.models.encoders.facts import EncoderFacts
from napari_mmlnb.models.encoders.networks import timm_network


class PatchEncoder(nn.Module):
    """A network with its normalisation, pooled to one vector a patch as its facts say.

    Parameters
    ----------
    facts : EncoderFacts
        Which network, which normalisation, which pooling. Weights are loaded by whoever owns the files.
    network : nn.Module, optional
        The network, where it is not timm's.

    Shapes
    ------
    Input (B, H, W, 3) uint8. Output (B, `dimension`) float32.

    Raises
    ------
    ValueError
        If the network does not give the dimension that the facts promise.
    """

    mean: Tensor
    std: Tensor
    network: Any  # timm's networks share methods that torch's base class does not declare

    def __init__(self, facts: EncoderFacts, network: nn.Module | None = None) -> None:
        super().__init__()
        self.facts = facts
        self.network = timm_network(facts) if network is None else network
        self.dimension = facts.pooling.dimension(self.network)
        if facts.dimension not in (0, self.dimension):
            raise ValueError(f"{facts.name} gives {self.dimension} numbers a patch, not {facts.dimension}")
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
        x = self._sized(pixels.permute(0, 3, 1, 2).to(self.mean.dtype))
        x = (x - self.mean) / self.std
        with self._precision(x.device.type):
            return self.facts.pooling.pool(self.network, x).float()

    def _sized(self, x: Tensor) -> Tensor:
        """A tile of another size brought to the network's, where it takes one size only."""
        side, mode = self.facts.input_px, self.facts.transform.interpolation
        if mode is None or x.shape[-2:] == (side, side):
            return x
        return interpolate(x, size=(side, side), mode=mode, antialias=True).clamp(0, 255)

    def _precision(self, device: str) -> Any:
        # Without a precision of its own the encoder leaves alone what the caller has set up around it.
        if self.facts.precision == "float32":
            return nullcontext()
        return torch.autocast(device, dtype=torch.bfloat16)
