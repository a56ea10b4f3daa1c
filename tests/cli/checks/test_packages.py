from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from napari_mmlnb.cli.checks import extras, packages
from napari_mmlnb.cli.checks.finding import State, findings_of


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("numpy>=1", ""),
        ("no-such-package", "no-such-package is missing"),
        ("numpy>=999", r"needed is >=999"),
    ],
)
def test_a_requirement_is_met_or_says_why_not(asked, says):
    why = packages.unmet(Requirement(asked))
    assert says in why
    assert bool(why) == bool(says)


def test_a_missing_package_comes_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(packages, "requires", lambda _name: ["numpy>=1", "no-such-package>=2,<3", "x; extra == 'gui'"])
    found = {finding.name: finding for finding in findings_of(packages.CHECK)}["packages"]
    assert found.state is State.PROBLEM
    assert found.remedy == "pip install 'no-such-package<3,>=2'"


def test_an_extra_is_absent_but_one_of_the_wrong_version_is_a_warning(monkeypatch):
    lines = ["no-such-package; extra == 'train'", "numpy>=999; extra == 'gui'", "scipy; extra == 'cpu'"]
    monkeypatch.setattr(packages, "requires", lambda _name: lines)
    found = {finding.name: finding for finding in findings_of(extras.CHECK)}
    assert found["extra train"].state is State.ABSENT
    assert found["extra train"].remedy == "pip install 'napari-mmlnb[train]'"
    assert found["extra gui"].state is State.WARNING
    assert found["extra cpu"].state is State.OK
