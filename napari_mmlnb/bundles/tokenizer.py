"""The bundle's own tokenizer: words of the describers, numbers digit by digit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from napari_mmlnb.bundles.spec import TOKENIZER_FILE
from napari_mmlnb.errors import BundleError

_PADDING, _UNKNOWN = "[PAD]", "[UNK]"


class TextTokenizer:
    """Texts to padded token ids.

    Parameters
    ----------
    tokenizer : Tokenizer
        With padding as id 0.
    max_tokens : int
        Longer texts are cut.
    """

    def __init__(self, tokenizer: Tokenizer, max_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._tokenizer.enable_truncation(max_tokens)
        self._tokenizer.enable_padding(pad_id=0, pad_token=_PADDING)

    @property
    def vocabulary(self) -> int:
        """Number of token ids."""
        return int(self._tokenizer.get_vocab_size())

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Token ids, (B, T) int64, 0 is padding; an empty text is one unknown token, never an empty row."""
        encodings = self._tokenizer.encode_batch([text.strip() or _UNKNOWN for text in texts])
        return np.array([e.ids for e in encodings], dtype=np.int64)

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json`."""
        self._tokenizer.save(str(folder / TOKENIZER_FILE), pretty=False)


def train_tokenizer(texts: Iterable[str], vocabulary: int, max_tokens: int) -> TextTokenizer:
    """Learn a byte-pair vocabulary from texts; deterministic."""
    tokenizer = Tokenizer(models.BPE(unk_token=_UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[_PADDING, _UNKNOWN], show_progress=False, min_frequency=2
    )
    tokenizer.train_from_iterator(texts, trainer)
    return TextTokenizer(tokenizer, max_tokens)


def read_tokenizer(folder: Path, max_tokens: int) -> TextTokenizer:
    """Read `tokenizer.json`.

    Raises
    ------
    BundleError
        If it is missing or no tokenizer, or pads with another id than 0, which the towers would take for a word.
    """
    path = folder / TOKENIZER_FILE
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise BundleError(folder.name, f"{path} cannot be read as a tokenizer.") from error
    if tokenizer.token_to_id(_PADDING) != 0:
        raise BundleError(folder.name, f"{path} is no tokenizer of a BERT: its id 0 is not {_PADDING}.")
    return TextTokenizer(tokenizer, max_tokens)
