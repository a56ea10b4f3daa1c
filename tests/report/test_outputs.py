"""The output folder: all of it or none of it, nobody else's files touched, refused before the work where it can be."""

import errno
import hashlib
import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_mmlnb.errors import OutputError, RequestError
from napari_mmlnb.report import outputs
from napari_mmlnb.report.outputs import check_writable, write_outputs
from napari_mmlnb.result import Review, RunResult, result_schema
from tests.report.factories import make_result

FILES = {"result.json", "result.json.sha256", "report.pdf", "regions.geojson", "attention.ome.tif", "thumbnail.png"}


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def other_run(result, run_id="another-run"):
    return result.model_copy(update={"run_id": run_id}).with_maps(result.maps)


@pytest.fixture
def existing(written, tmp_path):
    """A folder of outputs in a folder of its own, to be overwritten."""
    shutil.copytree(written[1], tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("outputs") / "a" / "b"
    return write_outputs(make_result(), out), out


def test_all_files_and_nothing_else(written):
    _, out = written
    assert {path.name for path in out.iterdir()} == FILES
    assert [path.name for path in out.parent.iterdir()] == ["b"]


def test_digests(written):
    result, out = written
    assert set(result.outputs) == FILES - {"result.json", "result.json.sha256"}
    for name, digest in result.outputs.items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest
    done = subprocess.run(
        ["sha256sum", "-c", "result.json.sha256"], cwd=out, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "result.json: OK\n")


def test_the_record_comes_back_and_fits_the_schema(written):
    jsonschema = pytest.importorskip("jsonschema")
    result, out = written
    assert RunResult.from_file(out / "result.json") == result.with_maps(None)
    assert result.maps is not None
    jsonschema.validate(json.loads((out / "result.json").read_text()), result_schema())


def test_the_thumbnail_is_the_runs(written):
    result, out = written
    np.testing.assert_array_equal(np.asarray(Image.open(out / "thumbnail.png")), result.maps.thumbnail)


def test_permissions_are_those_of_any_new_folder(written, tmp_path):
    _, out = written
    (tmp_path / "plain").mkdir()
    assert stat.S_IMODE(out.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_an_existing_folder_keeps_foreign_files(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "report.pdf").write_text("mine too")
    (tmp_path / "report.pdf").write_text("an old one")
    write_outputs(make_result(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == FILES | {"notes.txt", "sub"}
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "sub" / "report.pdf").read_text() == "mine too"
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def fail_with(error):
    def fail(*args, **kwargs):
        raise error

    return fail


FAULTS = {"disk full": OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "our fault": RuntimeError("a fault of ours")}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("step", ["write_pdf", "geojson_text", "write_heatmap", "file_sha256"])
def test_a_failure_leaves_an_existing_folder_as_it_was(existing, tmp_path, monkeypatch, step, fault):
    out = existing
    (out / "notes.txt").write_text("mine")
    before = contents(tmp_path)
    monkeypatch.setattr(outputs, step, fail_with(FAULTS[fault]))
    with pytest.raises((OutputError, RuntimeError)):
        write_outputs(make_result("abstain"), out)
    assert contents(tmp_path) == before
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


@pytest.mark.parametrize("step", ["write_pdf", "file_sha256"])
def test_a_failure_leaves_no_new_folder(tmp_path, monkeypatch, step):
    monkeypatch.setattr(outputs, step, fail_with(FAULTS["disk full"]))
    with pytest.raises(OutputError, match="no space left"):
        write_outputs(make_result(), tmp_path / "new" / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("moves_before", range(0, 12, 3))
def test_a_failure_while_moving_in_is_undone(existing, tmp_path, monkeypatch, moves_before):
    out = existing
    before = contents(tmp_path)
    moves = iter(range(100))
    replace = Path.replace

    def limited(self, target):
        if next(moves) == moves_before:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", limited)
    with pytest.raises(OutputError):
        write_outputs(make_result("abstain"), out)
    assert contents(tmp_path) == before


def test_a_review_is_written_and_outlives_a_second_report(tmp_path):
    result = make_result()
    review = Review(reader="A", decision="d", run_id=result.run_id)
    write_outputs(result, tmp_path, review)
    assert Review.model_validate_json((tmp_path / "review.json").read_text()) == review
    first = (tmp_path / "report.pdf").read_bytes()
    write_outputs(result, tmp_path)
    assert Review.model_validate_json((tmp_path / "review.json").read_text()) == review
    assert (tmp_path / "report.pdf").read_bytes() == first, "the report still shows it"


def test_a_review_of_another_run_is_put_aside_not_lost(tmp_path):
    result = make_result()
    review = Review(reader="A", decision="d", run_id=result.run_id)
    write_outputs(result, tmp_path, review)
    write_outputs(other_run(result), tmp_path)
    assert not (tmp_path / "review.json").exists()
    assert Review.model_validate_json((tmp_path / f"review-{result.run_id}.json").read_text()) == review


def test_an_unreadable_review_is_not_overwritten(tmp_path):
    (tmp_path / "review.json").write_text("my own notes")
    with pytest.raises(OutputError, match=r"review\.json"):
        write_outputs(make_result(), tmp_path)
    assert contents(tmp_path) == {Path("review.json"): b"my own notes"}


def test_without_rasters_nothing_is_written(tmp_path):
    with pytest.raises(RequestError, match="rasters"):
        write_outputs(make_result().with_maps(None), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("check", [check_writable, lambda out: write_outputs(make_result(), out)])
class TestRefusals:
    def test_a_file_of_that_name(self, tmp_path, check):
        (tmp_path / "out").write_text("a file")
        with pytest.raises(OutputError):
            check(tmp_path / "out")
        assert contents(tmp_path) == {Path("out"): b"a file"}

    def test_a_file_in_the_way(self, tmp_path, check):
        (tmp_path / "file").write_text("a file")
        with pytest.raises(OutputError):
            check(tmp_path / "file" / "deep" / "out")
        assert contents(tmp_path) == {Path("file"): b"a file"}

    def test_a_dangling_link(self, tmp_path, check):
        (tmp_path / "out").symlink_to(tmp_path / "nowhere")
        with pytest.raises(OutputError):
            check(tmp_path / "out")

    def test_a_folder_that_cannot_be_written(self, tmp_path, check):
        system = Path("/proc/self")
        if not system.is_dir():
            pytest.skip("no folder here that even root cannot write")
        with pytest.raises(OutputError) as caught:
            check(system / "out")
        assert caught.value.exit_code == 2
        assert "--out" in str(caught.value)


def test_an_output_that_is_a_folder_is_found_before_the_work(tmp_path):
    (tmp_path / "report.pdf").mkdir()
    with pytest.raises(OutputError, match=r"report\.pdf is a folder"):
        check_writable(tmp_path)


def test_checking_leaves_nothing_behind(tmp_path):
    check_writable(tmp_path / "new" / "out")
    check_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []
