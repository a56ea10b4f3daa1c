"""`mmlnb doctor`: what it prints, and with which exit code it ends."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from napari_mmlnb.cli import doctor
from napari_mmlnb.cli.checks import registry
from napari_mmlnb.cli.checks.finding import Check, Finding, State
from napari_mmlnb.registry import Registry

COMMAND = (
    "pip install 'something-with-a-long-name[and-an-extra]' 'another-long-name>=1.2.3,<4.5.6' 'and-a-third==7.8.9'"
)


@pytest.fixture
def pretend(monkeypatch):
    """Put other checks in the place of the real ones, each giving one finding."""

    def put(*findings: Finding) -> None:
        checks = [Check(finding.name, "", lambda f=finding: [f]) for finding in findings]
        monkeypatch.setattr(registry, "CHECKS", Registry("check", checks))

    return put


def test_this_machine_is_looked_at_whole(mmlnb):
    done = mmlnb("doctor", "--json")
    record = json.loads(done.stdout)
    found = {finding["name"]: finding for finding in record["findings"]}
    needed = {"program", "packages", "processor", "device", "OpenSlide", "TIFF", "JPEG", "JPEG 2000", "DICOM"}
    assert needed | {"OME-Zarr", "feature cache", "bundle nb-phantom", "rate"} <= set(found)
    assert {"graphics card", "OpenVINO", "runtimes", "viewer", "remote slides"} <= set(found)
    for name in needed:
        assert found[name]["state"] == "ok", found[name]
    assert found["bundle nb-phantom"]["state"] == "ok"
    assert found["rate"]["facts"]["tiles_per_s"] > 0
    assert record["ok"] == (done.returncode == 0)
    assert done.returncode in (0, 3)
    caches = [finding["facts"]["folder"] for finding in record["findings"] if "folder" in finding["facts"]]
    assert len(caches) == 2
    rest = done.stdout
    for folder in caches:
        rest = rest.replace(folder, "")
    assert str(Path.home()) not in rest, "no path of the person's but the caches'"


@pytest.mark.parametrize(("state", "code"), [("ok", 0), ("absent", 0), ("warning", 3), ("problem", 3)])
def test_the_exit_code_says_whether_something_is_wrong(mmlnb, pretend, state, code):
    pretend(Finding("fine", State.OK, "works"), Finding("thing", State(state), "a text", "do this"))
    assert mmlnb("doctor").returncode == code
    done = mmlnb("doctor", "--json")
    assert done.returncode == code
    assert json.loads(done.stdout)["ok"] == (code == 0)


def test_a_command_that_mends_can_be_copied_and_stands_there_once(mmlnb, pretend):
    pretend(
        Finding("one", State.PROBLEM, "is broken", COMMAND),
        Finding("two", State.WARNING, "is broken too", COMMAND),
        Finding("three", State.ABSENT, "is not here", "pip install three"),
    )
    lines = mmlnb("doctor").stdout.splitlines()
    assert [line for line in lines if COMMAND in line] == [f"  one: {COMMAND}"]
    assert lines.index("To mend:") < lines.index(f"  one: {COMMAND}") < lines.index("  three: pip install three")


def test_what_libraries_print_does_not_spoil_the_json(mmlnb, monkeypatch):
    def noisy():
        print("a library greets")
        yield Finding("noise", State.OK, "fine")

    monkeypatch.setattr(registry, "CHECKS", Registry("check", [Check("noise", "", noisy)]))
    assert json.loads(mmlnb("doctor", "--json").stdout)["findings"][0]["name"] == "noise"


def test_what_only_waits_is_waited_for_beside_the_others_and_shown_in_its_place(monkeypatch):
    def wait(name):
        def examine():
            time.sleep(0.5)
            yield Finding(name, State.OK, str(time.monotonic()))

        return examine

    checks = [Check("first", "", wait("first")), Check("second", "", wait("second"), waits=True)]
    monkeypatch.setattr(registry, "CHECKS", Registry("check", checks))
    first, second = doctor.examine()
    assert (first.name, second.name) == ("first", "second")
    assert abs(float(first.text) - float(second.text)) < 0.4
