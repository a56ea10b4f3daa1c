"""A small transformer over the description, in the place of BERT in the shipped bundle.

Our design, after BERT (arXiv 1810.04805): learned positions, pre-norm blocks, a pooler with tanh. Small, because its
vocabulary is the few hundred words of pathology that the describers use.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TextEncoder(nn.Module):
    """Token ids to one vector a text.

    Parameters
    ----------
    vocabulary : int
        Number of token ids; id 0 is padding.
    dimension : int
        Width of the model and of its output.
    layers, heads : int
        Depth and attention heads.
    max_tokens : int
        Longest text.
    dropout : float
        Training only.
    """

    def __init__(
        self,
        vocabulary: int,
        dimension: int = 128,
        layers: int = 2,
        heads: int = 4,
        max_tokens: int = 192,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.dimension = dimension
        self.tokens = nn.Embedding(vocabulary, dimension, padding_idx=0)
        self.positions = nn.Embedding(max_tokens, dimension)
        block = nn.TransformerEncoderLayer(
            dimension, heads, 4 * dimension, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(block, layers, nn.LayerNorm(dimension), enable_nested_tensor=False)
        self.pooler = nn.Linear(dimension, dimension)

    def forward(self, ids: Tensor) -> Tensor:
        """Encode texts.

        Parameters
        ----------
        ids : Tensor
            (B, T) int64, 0 is padding; each text has at least one token.

        Returns
        -------
        Tensor
            u, (B, dimension) float32.
        """
        mask = ids != 0
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1], device=ids.device))
        x = self.blocks(x, src_key_padding_mask=~mask)
        weight = mask.unsqueeze(-1).to(x.dtype)
        mean = (x * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
        return torch.tanh(self.pooler(mean))
