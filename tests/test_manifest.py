"""The manifest: found by napari, valid, the same in both places, and every name in it leads somewhere."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
INSIDE = ROOT / "napari_mmlnb" / "napari.yaml"

PluginManifest = pytest.importorskip("npe2").PluginManifest


def commands() -> list[dict]:
    return yaml.safe_load(INSIDE.read_text())["contributions"]["commands"]


def test_both_copies_are_the_same():
    assert (ROOT / "napari.yaml").read_bytes() == INSIDE.read_bytes()


def test_npe2_accepts_it():
    manifest = PluginManifest.from_file(INSIDE)
    assert manifest.display_name == "MMLNB pathology"


def test_napari_finds_it_through_the_entry_point():
    found = entry_points(group="napari.manifest", name="napari-mmlnb")
    assert [e.value for e in found] == ["napari_mmlnb:napari.yaml"]
    assert PluginManifest.from_distribution("napari-mmlnb").name == "napari-mmlnb"


@pytest.mark.parametrize("command", commands(), ids=lambda c: c["id"])
def test_every_python_name_leads_to_a_callable(command):
    pytest.importorskip("napari")
    module, name = command["python_name"].split(":")
    assert callable(getattr(import_module(module), name))


def test_every_contribution_names_a_known_command():
    contributions = yaml.safe_load(INSIDE.read_text())["contributions"]
    known = {c["id"] for c in contributions["commands"]}
    used = {entry["command"] for kind in ("readers", "widgets", "sample_data") for entry in contributions[kind]}
    used |= {entry["command"] for menu in contributions["menus"].values() for entry in menu}
    assert used <= known
