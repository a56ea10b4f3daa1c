from __future__ import annotations

import pytest

from napari_mmlnb.describe.registry import create_describer, describers
from napari_mmlnb.errors import UnknownNameError


def test_every_listed_describer_is_made_and_carries_its_facts() -> None:
    names = [facts.name for facts in describers()]
    assert "measured" in names
    for facts in describers():
        assert create_describer(facts.name).facts == facts
        assert facts.summary
        assert facts.licence


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(UnknownNameError, match="measured"):
        create_describer("oracle")
