from __future__ import annotations

import shutil

import pytest

from napari_mmlnb.cli.checks.bundles import examine_bundle
from napari_mmlnb.cli.checks.finding import State


def test_a_bundle_is_loaded_and_asked(model):
    found = examine_bundle(str(model))
    assert found.state is State.OK
    assert "self-test" in found.text


@pytest.mark.parametrize(("name", "says"), [("weights.safetensors", "altered"), ("selftest.safetensors", "altered")])
def test_an_altered_bundle_is_a_problem(model, tmp_path, name, says):
    folder = shutil.copytree(model, tmp_path / "bundle")
    with (folder / name).open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)[0]
        file.seek(-1, 2)
        file.write(bytes([last ^ 1]))
    found = examine_bundle(str(folder))
    assert found.state is State.PROBLEM
    assert says in found.text
    assert "pip install" in found.remedy
