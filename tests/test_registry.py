from __future__ import annotations

from dataclasses import dataclass

import pytest

from napari_mmlnb.errors import UnknownNameError
from napari_mmlnb.registry import Registry


@dataclass(frozen=True)
class _Entry:
    name: str


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    registry = Registry("encoder", (_Entry("a"), _Entry("b")))
    assert registry.get("b") == _Entry("b")
    with pytest.raises(UnknownNameError, match=r"no encoder called 'c'.*a, b"):
        registry.get("c")


def test_a_name_is_given_once() -> None:
    with pytest.raises(ValueError, match="'a'"):
        Registry("encoder", (_Entry("a"), _Entry("a")))
