"""From a network's inner output to one vector a patch: one strategy a way of pooling.

Which strategy an encoder uses is one of its facts: the same weights pooled in another way are another encoder.

Shapes: B patches, D the width of the network, P prefix tokens (the class token first, then registers), N patch tokens.
A network with tokens has timm's `forward_features`, `num_features` and `num_prefix_tokens`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

Network = Any  # timm's networks share methods that torch's base class does not declare


class Pooling(Protocol):
    """One way from normalised pixels to vectors."""

    @property
    def name(self) -> str:
        """What a person reads, and what the facts of a folder say."""
        ...

    @property
    def strides(self) -> tuple[int, ...]:
        """Inner stages that take part, for maps."""
        ...

    def dimension(self, network: Network) -> int:
        """Length of the vector."""
        ...

    def pool(self, network: Network, x: Tensor) -> Tensor:
        """(B, 3, H, W) normalised pixels to (B, `dimension`) float32."""
        ...


@dataclass(frozen=True)
class MapMean:
    """Mean of the last map; then mean and standard deviation of inner stages.

    Parameters
    ----------
    strides : tuple of int
        Stages whose statistics are appended. The last stage of a small network hides counts of small things (mitoses);
        strides 8 and 16 still show them.

    Shapes
    ------
    Last map (B, D, h, w), stages (B, C, h', w'): output (B, D + 2 sum(C)).
    """

    strides: tuple[int, ...] = ()
    name: ClassVar[str] = "map_mean"

    def dimension(self, network: Network) -> int:
        """D + 2 sum(C)."""
        info = network.feature_info
        return int(network.num_features) + 2 * sum(int(info[i]["num_chs"]) for i in self._stages(network))

    def pool(self, network: Network, x: Tensor) -> Tensor:
        """Mean of the last map, then (mean, deviation) of each stage."""
        if not self.strides:
            last: Tensor = network.forward_features(x)  # timm cannot be asked for no stage at all
            return last.float().mean(dim=(2, 3))
        last, stages = network.forward_intermediates(x, indices=self._stages(network))
        parts = [last.float().mean(dim=(2, 3))]
        for stage in stages:
            flat = stage.float().flatten(2)
            parts += [flat.mean(dim=2), flat.std(dim=2, unbiased=False)]
        return torch.cat(parts, dim=1)

    def _stages(self, network: Network) -> list[int]:
        return [i for i, stage in enumerate(network.feature_info) if stage["reduction"] in self.strides]


@dataclass(frozen=True)
class ClassToken:
    """The class token after the last normalisation: tokens (B, P + N, D), output (B, D)."""

    name: ClassVar[str] = "class_token"
    strides: ClassVar[tuple[int, ...]] = ()

    def dimension(self, network: Network) -> int:
        """D."""
        return int(network.num_features)

    def pool(self, network: Network, x: Tensor) -> Tensor:
        """Token 0."""
        return _tokens(network, x)[:, 0]


@dataclass(frozen=True)
class PatchMean:
    """Mean of the patch tokens, without the class token and registers: tokens (B, P + N, D), output (B, D)."""

    name: ClassVar[str] = "patch_mean"
    strides: ClassVar[tuple[int, ...]] = ()

    def dimension(self, network: Network) -> int:
        """D."""
        return int(network.num_features)

    def pool(self, network: Network, x: Tensor) -> Tensor:
        """Mean over tokens P and following."""
        return _tokens(network, x)[:, network.num_prefix_tokens :].mean(dim=1)


@dataclass(frozen=True)
class ClassAndPatchMean:
    """The class token, then the mean of the patch tokens without registers, as Virchow's and Midnight's authors do.

    Shapes
    ------
    Tokens (B, P + N, D): output (B, 2 D); 2560 for Virchow, 3072 for Midnight.
    """

    name: ClassVar[str] = "class_token_and_patch_mean"
    strides: ClassVar[tuple[int, ...]] = ()

    def dimension(self, network: Network) -> int:
        """2 D."""
        return 2 * int(network.num_features)

    def pool(self, network: Network, x: Tensor) -> Tensor:
        """Token 0 beside the mean over tokens P and following."""
        tokens = _tokens(network, x)
        return torch.cat([tokens[:, 0], tokens[:, network.num_prefix_tokens :].mean(dim=1)], dim=1)


@dataclass(frozen=True)
class OwnPooling:
    """As timm's network pools before its classifier, for any architecture: output (B, D)."""

    name: ClassVar[str] = "network"
    strides: ClassVar[tuple[int, ...]] = ()

    def dimension(self, network: Network) -> int:
        """What the network says of its head."""
        return int(getattr(network, "head_hidden_size", None) or network.num_features)

    def pool(self, network: Network, x: Tensor) -> Tensor:
        """`forward_head` without the classifier."""
        pooled: Tensor = network.forward_head(network.forward_features(x), pre_logits=True)
        return pooled.float()


def _tokens(network: Network, x: Tensor) -> Tensor:
    """Tokens after the last normalisation, (B, P + N, D) float32."""
    tokens: Tensor = network.forward_features(x)
    return tokens.float()
