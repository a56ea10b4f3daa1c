"""The chooser of what describes in words: a model that is here, a server with consent, a folder of one's own."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_mmlnb.describe.base import DescriberFacts
from napari_mmlnb.describe.registry import offered_describers
from napari_mmlnb.hub_cache import own_cache
from napari_mmlnb.viewer.describer_box import DescriberBox
from napari_mmlnb.viewer.describer_choice import DescriberChoice
from tests.describe.tiny_vlm import qwen2_5_vl
from tests.gui.opening import open_and_wait
from tests.gui.runs import BUNDLE, MadeUpRunner

VLM = DescriberFacts("small-vlm", "A small model.", "MIT", generates=True)
SERVER = DescriberFacts("server", "Asks a server.", "", generates=True)
FOLDER = DescriberFacts("folder", "One of your own.", "", generates=True)
MEASURED = DescriberFacts("measured", "Measures.", "BSD-3-Clause")
OTHER = "http://192.168.0.7:8000/v1"


def _box(qtbot, *describers: DescriberFacts, own: str = "") -> DescriberBox:
    box = DescriberBox()
    qtbot.add_widget(box)
    box.set_describers(describers)
    box.set_bundle(replace(BUNDLE, own_describer=own, own_licence="MIT" if own else ""))
    return box


def _choose(box: DescriberBox, name: str) -> None:
    box.chooser.setCurrentIndex(box.chooser.findData(name))


def test_nothing_is_asked_where_there_is_nothing_to_choose(qtbot) -> None:
    assert _box(qtbot, MEASURED).isHidden()


def test_the_bundle_s_own_model_is_what_describes_by_itself(qtbot) -> None:
    box = _box(qtbot, MEASURED, VLM, own="nb-vlm")
    assert not box.isHidden()
    assert box.choice == DescriberChoice("own")
    assert "nb-vlm" in box.chooser.currentText()
    assert "MIT" in box.facts.text()
    _choose(box, "small-vlm")
    assert box.choice == DescriberChoice("small-vlm")
    assert "Licence: MIT" in box.facts.text()


def test_without_an_own_model_the_measured_findings_come_first(qtbot) -> None:
    assert _box(qtbot, MEASURED, VLM).choice == DescriberChoice("measured")


def test_a_choice_outlives_another_bundle_that_has_it_too(qtbot) -> None:
    box = _box(qtbot, MEASURED, VLM)
    _choose(box, "small-vlm")
    box.set_bundle(BUNDLE)
    assert box.choice.describer == "small-vlm"


def test_a_server_on_this_machine_needs_an_address_and_no_consent(qtbot) -> None:
    box = _box(qtbot, MEASURED, SERVER)
    _choose(box, "server")
    assert "address" in box.problem
    box.address.setText("http://127.0.0.1:8000/v1")
    assert box.problem == ""
    assert box.consent.isHidden()
    assert box.choice == DescriberChoice(server="http://127.0.0.1:8000/v1")


def test_another_machine_gets_nothing_without_consent_to_that_address(qtbot) -> None:
    box = _box(qtbot, MEASURED, SERVER)
    _choose(box, "server")
    box.address.setText(OTHER)
    assert box.sends.text() == f"Tiles are sent to {OTHER}, unencrypted: they can be read on their way."
    assert "consent" in box.problem
    box.consent.setChecked(True)
    assert box.problem == ""
    assert box.choice.may_send
    box.address.setText("http://10.0.0.1/v1")
    assert "consent" in box.problem, "a consent is for one address"


@pytest.mark.parametrize("address", ["nonsense", "ftp://here"])
def test_an_address_that_is_none_says_so(qtbot, address: str) -> None:
    box = _box(qtbot, MEASURED, SERVER)
    _choose(box, "server")
    box.address.setText(address)
    assert box.problem == box.missing.text() != ""


def test_a_run_is_asked_for_what_was_chosen_and_not_before_it_is_complete(make_workspace, qtbot, small_slide) -> None:
    runner = MadeUpRunner()
    workspace = make_workspace(runner, slide=small_slide, describers=(MEASURED, SERVER))
    _choose(workspace.describer_box, "server")
    assert not workspace.run_box.classify_button.isEnabled()
    workspace.describer_box.address.setText("http://localhost:1/v1")
    assert workspace.run_box.classify_button.isEnabled()
    workspace.run_box.classify_button.click()
    qtbot.wait_until(lambda: workspace.run.session is None, timeout=20_000)
    assert runner.asked == [DescriberChoice(server="http://localhost:1/v1")]


@pytest.mark.parametrize(("address", "unencrypted"), [(OTHER, True), ("https://10.0.0.1/v1", False)])
def test_a_way_that_can_be_read_is_called_unencrypted(qtbot, address: str, unencrypted: bool) -> None:
    box = _box(qtbot, MEASURED, SERVER)
    _choose(box, "server")
    box.address.setText(address)
    assert ("unencrypted" in box.sends.text()) == unencrypted


def test_a_consent_is_for_one_slide(make_workspace, qtbot, small_slide, tmp_path) -> None:
    workspace = make_workspace(MadeUpRunner(), slide=small_slide, describers=(MEASURED, SERVER))
    box = workspace.describer_box
    _choose(box, "server")
    box.address.setText(OTHER)
    box.consent.setChecked(True)
    assert workspace.run_box.classify_button.isEnabled()
    other = Path(shutil.copy(small_slide, tmp_path / "other.tiff"))
    assert open_and_wait(workspace, qtbot, other) is not None
    assert not box.consent.isChecked()
    assert not workspace.run_box.classify_button.isEnabled()


def test_models_of_the_hub_are_offered_at_the_commits_that_are_here(qtbot, tmp_path) -> None:
    commit = "0123456789" * 4
    shutil.copytree(qwen2_5_vl(tmp_path / "made"), own_cache("Qwen/Qwen2.5-VL-7B-Instruct", commit))
    box = _box(qtbot, *offered_describers())
    rows = {box.chooser.itemData(row): row for row in range(box.chooser.count())}
    assert "qwen2_5_vl_7b" not in rows
    _choose(box, f"qwen2_5_vl_7b@{commit}")
    assert box.choice == DescriberChoice(f"qwen2_5_vl_7b@{commit}")
    assert "Apache-2.0" in box.facts.text()
    absent = rows["smolvlm2_256m"]
    assert not box.chooser.model().item(absent).isEnabled()
    hint = box.chooser.itemData(absent, Qt.ItemDataRole.ToolTipRole)
    assert "mmlnb models fetch smolvlm2_256m@COMMIT --yes" in hint


def test_a_folder_of_one_s_own_is_looked_at_before_a_run(qtbot, tmp_path, monkeypatch) -> None:
    box = _box(qtbot, MEASURED, FOLDER)
    assert box.folder.isHidden()
    _choose(box, "folder")
    assert not box.folder.isHidden()
    assert "Choose the folder" in box.problem
    answers = [str(tmp_path), str(qwen2_5_vl(tmp_path / "mine")), ""]
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: answers.pop(0))
    box.folder.button.click()
    assert "has no config.json" in box.problem == box.folder.missing.text()
    box.folder.button.click()
    assert box.problem == ""
    assert box.choice == DescriberChoice(str(tmp_path / "mine"))
    box.folder.button.click()
    assert box.choice == DescriberChoice(str(tmp_path / "mine")), "giving up the dialogue keeps what was chosen"


def test_an_adapter_without_its_base_says_which_one_it_needs(qtbot, tmp_path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "big-base"}')
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    box = _box(qtbot, MEASURED, FOLDER)
    _choose(box, "folder")
    box.folder.choose(adapter)
    assert "trained on big-base, which is not on this machine" in box.problem
    qwen2_5_vl(tmp_path / "big-base")
    box.folder.choose(adapter)
    assert box.problem == ""
