"""The networks of encoders, without weights."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import timm
from timm.layers import SwiGLUPacked
from torch import Tensor, nn

from napari_mmlnb.models.encoders.facts import EncoderFacts

# Facts name layers, so that they stay data; what is not named here cannot be asked for.
_LAYERS: MappingProxyType[str, Any] = MappingProxyType({"SwiGLUPacked": SwiGLUPacked, "SiLU": nn.SiLU})
_LAYER_ARGUMENTS = frozenset({"mlp_layer", "act_layer"})


def timm_network(facts: EncoderFacts) -> Any:
    """A network of timm with random weights.

    Raises
    ------
    KeyError
        If the arguments name a layer that is not known.
    RuntimeError, TypeError, ValueError
        If timm does not know the architecture, or it does not take the arguments.
    """
    arguments: dict[str, Any] = {
        key: _LAYERS[str(value)] if key in _LAYER_ARGUMENTS else value for key, value in facts.arguments.items()
    }
    return timm.create_model(facts.architecture, pretrained=False, **arguments)


class TransformersTokens(nn.Module):
    """A vision transformer of transformers, with timm's methods for tokens.

    Parameters
    ----------
    model : nn.Module
        Gives `last_hidden_state`, (B, P + N, D), normalised: the class token first, then registers, then patches.

    Shapes
    ------
    Input (B, 3, H, W) normalised; tokens (B, P + N, D).
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.num_features = int(model.config.hidden_size)
        self.num_prefix_tokens = 1 + int(getattr(model.config, "num_register_tokens", 0))

    def forward_features(self, x: Tensor) -> Tensor:
        """Tokens."""
        tokens: Tensor = self.model(pixel_values=x).last_hidden_state
        return tokens
