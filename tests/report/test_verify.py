"""Verifying: whole folders pass; every single change is named; what is no result of ours is refused."""

import shutil

import pytest
import typst

from napari_mmlnb.errors import RequestError, SlideNotFoundError
from napari_mmlnb.report.outputs import write_outputs
from napari_mmlnb.report.pdf import write_pdf
from napari_mmlnb.report.verify import CheckStatus, verify
from napari_mmlnb.result import Review
from napari_mmlnb.slides.fingerprint import fingerprint
from tests.report.factories import make_result


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A result of a "slide" that really lies on the disk (a fingerprint needs bytes, not pixels)."""
    folder = tmp_path_factory.mktemp("verify")
    slide = folder / "slide.tiff"
    slide.write_bytes(b"pixels" * 1000)
    result = make_result()
    record = result.slide.model_copy(update={"path": str(slide), "fingerprint": fingerprint(slide)})
    result = result.model_copy(update={"slide": record}).with_maps(result.maps)
    write_outputs(result, folder / "out", Review(reader="A", decision="d", run_id=result.run_id))
    return result, folder


@pytest.fixture
def case(original, tmp_path):
    result, folder = original
    shutil.copytree(folder / "out", tmp_path / "out")
    shutil.copy(folder / "slide.tiff", tmp_path / "moved.tiff")
    return result, tmp_path / "out", tmp_path / "moved.tiff"


def statuses(verification):
    return {check.name: check.status for check in verification.checks}


def test_an_untouched_folder(case):
    result, out, slide = case
    for verification in (
        verify(out, weights_digest=lambda name: result.model.weights_sha256),
        verify(out, slide, weights_digest=lambda name: result.model.weights_sha256),
    ):
        assert verification.unchanged
        assert set(statuses(verification).values()) == {CheckStatus.OK}
        assert {"result.json", "report.pdf", "slide", "weights", "review.json"} <= set(statuses(verification))


@pytest.mark.parametrize("name", ["report.pdf", "regions.geojson", "attention.ome.tif", "thumbnail.png", "result.json"])
@pytest.mark.parametrize("how", ["byte", "gone"])
def test_each_change_is_named_and_nothing_else(case, name, how):
    _, out, _ = case
    if how == "byte":
        content = bytearray((out / name).read_bytes())
        content[-2] ^= 1
        (out / name).write_bytes(bytes(content))
    else:
        (out / name).unlink()
        if name == "result.json":
            with pytest.raises(RequestError):
                verify(out)
            return
    verification = verify(out)
    assert not verification.unchanged
    assert {check.name for check in verification.failures} == {name}
    assert verification.failures[0].status == (CheckStatus.CHANGED if how == "byte" else CheckStatus.MISSING)


def test_a_probability_raised_by_hand_is_found_in_the_attached_record_too(case):
    result, out, _ = case
    path = out / "result.json"
    changed = path.read_text().replace(str(result.probabilities.fused["pd"]), "0.99")
    assert changed != path.read_text()
    path.write_text(changed)
    assert {check.name for check in verify(out).failures} == {"result.json", "record in the report"}


def test_a_missing_digest_of_the_record(case):
    _, out, _ = case
    (out / "result.json.sha256").unlink()
    assert statuses(verify(out))["result.json"] == CheckStatus.MISSING


def test_a_report_of_another_run_in_its_place(case):
    _, out, _ = case
    write_pdf(make_result("abstain"), out / "report.pdf")
    assert {"report.pdf", "record in the report"} <= {check.name for check in verify(out).failures}


def test_a_changed_review(case):
    _, out, _ = case
    text = (out / "review.json").read_text()
    (out / "review.json").write_text(text.replace('"d"', '"ud"'))
    assert [check.name for check in verify(out).failures] == ["review.json"]
    (out / "review.json").unlink()
    assert [check.name for check in verify(out).failures] == ["review.json"]


def test_another_slide_and_other_weights(case):
    _, out, slide = case
    slide.write_bytes(b"other pixels")
    verification = verify(out, slide, weights_digest=lambda name: "0" * 64)
    assert {check.name for check in verification.failures} == {"slide", "weights"}


def test_what_is_not_there_is_not_checked(case):
    result, out, _ = case
    gone = result.model_copy(
        update={"slide": result.slide.model_copy(update={"path": str(out / "gone.svs")})}
    ).with_maps(result.maps)
    write_outputs(gone, out)
    verification = verify(out, weights_digest=lambda name: None)
    assert verification.unchanged
    assert statuses(verification)["slide"] == statuses(verification)["weights"] == CheckStatus.NOT_CHECKED


def test_a_report_beside_its_record(case):
    _, out, _ = case
    assert statuses(verify(out / "report.pdf"))["report.pdf"] == CheckStatus.OK
    (out / "report.pdf").rename(out / "case 7.pdf")
    assert statuses(verify(out / "case 7.pdf"))["case 7.pdf"] == CheckStatus.OK
    with (out / "case 7.pdf").open("ab") as file:
        file.write(b"\n% more")
    assert [check.name for check in verify(out / "case 7.pdf").failures] == ["case 7.pdf"]


def test_a_report_alone_is_checked_against_the_slide(case, tmp_path):
    _, out, slide = case
    alone = tmp_path / "alone" / "report.pdf"
    alone.parent.mkdir()
    shutil.copy(out / "report.pdf", alone)
    found = statuses(verify(alone, slide))
    assert (found["report.pdf"], found["slide"]) == (CheckStatus.NOT_CHECKED, CheckStatus.OK)
    slide.write_bytes(b"other pixels")
    assert not verify(alone, slide).unchanged


def test_what_is_not_ours_is_refused(tmp_path):
    (tmp_path / "text.pdf").write_text("no pdf")
    (tmp_path / "foreign.pdf").write_bytes(typst.compile(b"hello"))
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "result.json").write_text("{}")
    for target in ("", "nowhere", "text.pdf", "foreign.pdf", "json"):
        with pytest.raises(RequestError, match="neither a folder"):
            verify(tmp_path / target)


def test_a_slide_that_is_not_there(case):
    _, out, slide = case
    with pytest.raises(SlideNotFoundError):
        verify(out, slide.with_name("nowhere.tiff"))
