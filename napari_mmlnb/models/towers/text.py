"""Text towers: token ids to one vector a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from napari_mmlnb.models.text_encoder import TextEncoder
from napari_mmlnb.models.towers.kind import TowerKind
from napari_mmlnb.models.towers.published import TOKENS
from napari_mmlnb.registry import Registry

if TYPE_CHECKING:
    from transformers import BertModel


class TextTower(nn.Module):
    """Token ids, (B, T) int64, 0 being padding, to u, (B, `dimension`).

    Parameters
    ----------
    dimension : int
        Length of u.
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.dimension = dimension


class BertTower(TextTower):
    """BERT's pooled output, 768 numbers (Devlin et al., arXiv 1810.04805), as published.

    Parameters
    ----------
    bert : BertModel
        Of transformers.
    """

    def __init__(self, bert: BertModel) -> None:
        super().__init__(bert.config.hidden_size)
        self.bert = bert

    def forward(self, ids: Tensor) -> Tensor:
        """See `TextTower`."""
        pooled: Tensor = self.bert(input_ids=ids, attention_mask=(ids != 0).long()).pooler_output
        return pooled


class SmallTextTower(TextTower):
    """The text encoder of the shipped bundle. Our design, after BERT."""

    def __init__(self, vocabulary: int) -> None:
        encoder = TextEncoder(vocabulary, dimension=64, layers=1, max_tokens=TOKENS)
        super().__init__(encoder.dimension)
        self.encoder = encoder

    def forward(self, ids: Tensor) -> Tensor:
        """See `TextTower`."""
        u: Tensor = self.encoder(ids)
        return u


def _bert_base(vocabulary: int) -> TextTower:
    from transformers import BertConfig, BertModel  # noqa: PLC0415 - an extra

    return BertTower(BertModel(BertConfig(vocab_size=vocabulary)))


def _small(vocabulary: int) -> TextTower:
    return SmallTextTower(vocabulary)


TEXT_TOWERS = Registry("text tower", (TowerKind("bert-base", _bert_base), TowerKind("small", _small)))
