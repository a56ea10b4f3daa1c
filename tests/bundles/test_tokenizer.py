from __future__ import annotations

from pathlib import Path

import pytest

from napari_mmlnb.bundles.tokenizer import read_tokenizer, train_tokenizer
from napari_mmlnb.errors import BundleError

TEXTS = ["Nuclear density is high (9 200 per mm²).", "Neuropil-like material: none (0 %)."] * 3


def test_a_saved_tokenizer_gives_the_same_ids(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(TEXTS, 120, 32)
    tokenizer.save(tmp_path)
    assert (read_tokenizer(tmp_path, 32).encode(TEXTS) == tokenizer.encode(TEXTS)).all()


def test_numbers_are_told_apart() -> None:
    a, b = train_tokenizer(TEXTS, 120, 32).encode(["density 9 200", "density 9 020"])
    assert (a != b).any()


def test_texts_are_cut_and_padded_and_an_empty_one_is_not_an_empty_row() -> None:
    ids = train_tokenizer(TEXTS, 120, 8).encode(["high " * 50, ""])
    assert ids.shape == (2, 8)
    assert ids[1, 0] != 0
    assert (ids[1, 1:] == 0).all()


def test_garbage_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(BundleError, match="tokenizer"):
        read_tokenizer(tmp_path, 8)
