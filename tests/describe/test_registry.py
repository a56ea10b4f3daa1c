from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from napari_mmlnb.describe import registry
from napari_mmlnb.describe.profiles import PROFILES
from napari_mmlnb.describe.registry import OWN, create_describer, describers, is_describer
from napari_mmlnb.describe.request import DescriberRequest
from napari_mmlnb.errors import (
    DescriberError,
    MissingExtraError,
    RevisionMissingError,
    UnknownNameError,
    WeightsMissingError,
)

COMMIT = "0" * 40


def test_every_listed_describer_has_what_a_person_needs_to_know() -> None:
    names = [facts.name for facts in describers()]
    assert names[:2] == ["measured", OWN]
    assert set(PROFILES.names) < set(names)
    for facts in describers():
        assert facts.summary
        assert facts.licence
        assert facts.generates == (facts.name != "measured")
        assert is_describer(facts.name)


def test_the_measured_one_is_made_without_anything() -> None:
    assert create_describer("measured").facts == describers()[0]


def test_listing_loads_neither_torch_nor_transformers() -> None:
    code = (
        "import sys; from napari_mmlnb.describe.registry import describers; describers(); "
        "sys.exit(bool({'torch', 'transformers', 'timm'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(UnknownNameError, match="measured"):
        create_describer("oracle")
    assert not is_describer("oracle")


@pytest.mark.parametrize("name", PROFILES.names)
def test_a_profile_must_be_pinned_and_fetched(name: str) -> None:
    with pytest.raises(RevisionMissingError, match=f"{name}@COMMIT"):
        create_describer(name)
    with pytest.raises(DescriberError, match="not a commit"):
        create_describer(f"{name}@main")
    with pytest.raises(WeightsMissingError, match=f"mmlnb models fetch {name}@{COMMIT}"):
        create_describer(f"{name}@{COMMIT}")


def test_a_bundle_without_a_model_of_its_own_says_so() -> None:
    with pytest.raises(DescriberError, match="no describing model of its own"):
        create_describer(OWN, DescriberRequest())


def test_without_transformers_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'napari-mmlnb\[transformers\]'"):
        create_describer(OWN, DescriberRequest(folder=tmp_path))
    assert create_describer("measured").facts.name == "measured"
