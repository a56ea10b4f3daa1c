"""Text towers: token ids to one vector a text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from napari_mmlnb.models.text_encoder import TextEncoder
from napari_mmlnb.models.towers.published import TOKENS
from napari_mmlnb.registry import Registry


class TextTower(nn.Module):
    """What every text tower is.

    Parameters
    ----------
    dimension : int
        T, length of u.
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.dimension = dimension

    def forward(self, ids: Tensor) -> Tensor:
        """Encode texts: (B, T) int64, 0 is padding, to u, (B, T)."""
        raise NotImplementedError


class BertTower(TextTower):
    """BERT's pooled output, 768 numbers (Devlin et al., arXiv 1810.04805), as published.

    Parameters
    ----------
    bert : Module
        A `transformers.BertModel`.
    """

    def __init__(self, bert: nn.Module, dimension: int) -> None:
        super().__init__(dimension)
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


@dataclass(frozen=True)
class TextTowerKind:
    """A tower by name.

    Parameters
    ----------
    name : str
        As the configuration names it.
    summary : str
        One line for a person.
    build : callable
        Makes one with random weights for so many token ids.
    """

    name: str
    summary: str
    build: Callable[[int], TextTower]


def _bert_base(vocabulary: int) -> TextTower:
    from transformers import BertConfig, BertModel  # noqa: PLC0415 - an extra

    config = BertConfig(vocab_size=vocabulary)
    return BertTower(BertModel(config), config.hidden_size)


TEXT_TOWERS = Registry(
    "text tower",
    (
        TextTowerKind("bert-base", "BERT-base, as published", _bert_base),
        TextTowerKind("small", "one block of 64 numbers, for processors", SmallTextTower),
    ),
)
