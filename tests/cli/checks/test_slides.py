from __future__ import annotations

import simplejpeg

from napari_mmlnb.cli.checks import slides
from napari_mmlnb.cli.checks.finding import State, findings_of


def found():
    return {finding.name: finding for finding in findings_of(slides.CHECK)}


def test_everything_that_opens_slides_works_here():
    states = {name: finding.state for name, finding in found().items() if name != "remote slides"}
    assert set(states.values()) == {State.OK}, states


def test_a_library_that_fails_is_named_with_the_command_that_mends_it(monkeypatch):
    def broken(*_arguments, **_options):
        raise OSError("libturbojpeg.so: undefined symbol")

    monkeypatch.setattr(simplejpeg, "decode_jpeg", broken)
    jpeg = found()["JPEG"]
    assert jpeg.state is State.PROBLEM
    assert "OSError" in jpeg.text
    assert jpeg.remedy == "pip install --force-reinstall simplejpeg"


def test_a_library_that_decodes_other_colours_is_found_out(monkeypatch):
    right = simplejpeg.decode_jpeg
    monkeypatch.setattr(simplejpeg, "decode_jpeg", lambda *a, **o: right(*a, **o)[..., ::-1])
    jpeg = found()["JPEG"]
    assert jpeg.state is State.PROBLEM
    assert "wrongly" in jpeg.text


def test_the_other_findings_stand_although_one_library_is_broken(monkeypatch):
    monkeypatch.setattr(simplejpeg, "encode_jpeg", None)
    assert found()["OpenSlide"].state is State.OK
