"""What is installed is what is needed: the manifest, the templates and the shipped bundle, from a wheel too."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import napari_mmlnb

ROOT = Path(__file__).parents[1]
PACKAGE = Path(napari_mmlnb.__file__).parent

DISCOVER = """
import sys
from importlib.metadata import distribution
from npe2 import PluginManager

manager = PluginManager()
manager.discover(include_npe1=False)
manifest = manager.get_manifest("napari-mmlnb")
import napari_mmlnb
print(manifest.name, len(manifest.contributions.commands), napari_mmlnb.__file__)
"""


def discovered(environment: dict[str, str], folder: Path) -> tuple[str, int, Path]:
    """What npe2 finds in a fresh interpreter: the plugin's name, its number of commands, and where it lies."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", DISCOVER],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=folder,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    name, commands, file = done.stdout.strip().split(" ", 2)
    return name, int(commands), Path(file)


def test_the_plugin_is_discovered_where_it_is_installed(tmp_path):
    name, commands, file = discovered(dict(os.environ), tmp_path)
    assert name == "napari-mmlnb"
    assert commands > 0
    assert file.parent == PACKAGE


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel as pip builds it from this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT],
        check=True,
        capture_output=True,
        timeout=300,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    wanted = {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted <= names, f"missing: {sorted(wanted - names)}"
    for part in ("napari_mmlnb/napari.yaml", "napari_mmlnb/py.typed"):
        assert part in names
    assert any(name.startswith("napari_mmlnb/report/templates/") and name.endswith(".typ") for name in names)
    for file in (
        "bundle.yaml",
        "weights.safetensors",
        "calibration.json",
        "selftest.safetensors",
        "tokenizer.json",
        "MODEL_CARD.md",
    ):
        assert f"napari_mmlnb/bundles/shipped/nb-phantom/{file}" in names
    assert not [name for name in names if name.startswith("tests/")]


@pytest.mark.slow
def test_the_plugin_is_discovered_from_a_wheel(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    name, commands, file = discovered(environment, tmp_path)
    assert name == "napari-mmlnb"
    assert commands > 0
    assert file.is_relative_to(tmp_path / "site"), "the copy from the wheel was looked at, not the source tree"
