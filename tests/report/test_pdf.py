"""The PDF as a reader gets it: text, pages, tags, attachments; what an abstention must not say."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import typst

from napari_mmlnb.report import pdf as report_pdf
from napari_mmlnb.report.pdf import attached_record, read_attachment, write_pdf
from napari_mmlnb.result import RESEARCH_USE, Review, RunResult
from tests.report.factories import LABELS, NOTICE, SLIDE_PATH, make_generated, make_result

REVIEW = Review(
    reader="Dr. A. Reader",
    decision="Differentiating",
    reason="Seven per cent of the cells differentiate.",
    run_id="7d1f6f0e-8a35-4d83-a5f0-2f8f17d5c001",
    created=datetime(2026, 11, 22, 8, 0, tzinfo=UTC),
)


def tool(name):
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} (poppler-utils) is not installed")
    return found


def pages_of(path):
    done = subprocess.run([tool("pdftotext"), "-layout", path, "-"], capture_output=True, text=True, check=True)
    return done.stdout.split("\f")[:-1]


def spoken(path):
    """All text, spaces of every kind as one."""
    return re.sub(r"\s+", " ", " ".join(pages_of(path)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("pdf")
    write_pdf(make_result(), path / "predict.pdf")
    write_pdf(make_result("abstain"), path / "abstain.pdf", REVIEW)
    return path


def with_words(result, **changes):
    """The same run with a model's words in it."""
    generated = make_generated(result.evidence, **changes)
    return result.model_copy(update={"generated": generated}).with_maps(result.maps)


def test_a_model_s_words_stand_before_the_measured_ones_with_what_contradicts_them(tmp_path):
    write_pdf(with_words(make_result()), tmp_path / "words.pdf")
    text = spoken(tmp_path / "words.pdf")
    for part in (
        "What the model made-up-vlm says it sees",
        "1 of 16 sentences of the tiles is contradicted by a measurement.",
        "Contradicted – measured on tile 3: neuropil-like material 2 % of tissue",
        "Describer: made-up-vlm (Apache-2.0). A model’s words can be wrong. The class does not rest on them.",
    ):
        assert part in text
    assert (
        text.index("says it sees")
        < text.index("Measured findings")
        < text.index("Nuclei are dense, 6 240", text.index("Measured findings"))
    )


def test_an_abstention_keeps_a_model_s_findings_and_names_no_class(tmp_path):
    write_pdf(with_words(make_result("abstain")), tmp_path / "words.pdf")
    text = spoken(tmp_path / "words.pdf")
    assert "Small round cells lie in dense sheets." in text
    assert "made-up does not know slides like this one" in text
    assert not any(label in text for label in LABELS.values())


def test_a_fallback_is_told_with_where_the_tiles_went(tmp_path):
    silent = {
        "sentences": (),
        "tiles": (),
        "fallback": "far did not describe the tiles: no answer within 9 s. The measured findings are shown instead.",
        "sends_to": "http://192.168.0.7:8000/v1",
    }
    write_pdf(with_words(make_result(), **silent), tmp_path / "words.pdf")
    text = spoken(tmp_path / "words.pdf")
    assert silent["fallback"] in text
    assert "The tiles were sent to http://192.168.0.7:8000/v1, unencrypted." in text
    assert "says it sees" not in text


def test_a_slide_s_name_in_a_model_s_words_is_withheld(tmp_path):
    name = Path(SLIDE_PATH).name
    result = with_words(make_result(), describer=f"model of {name}")
    write_pdf(result, tmp_path / "words.pdf")
    assert name not in spoken(tmp_path / "words.pdf")
    assert name not in attached_record(result).to_json()


@pytest.mark.parametrize("name", ["predict.pdf", "abstain.pdf"])
def test_the_banner_is_on_each_page(folder, name):
    pages = pages_of(folder / name)
    assert len(pages) >= 2
    assert all(RESEARCH_USE in re.sub(r"\s+", " ", page.replace("’", "'")) for page in pages)
    assert NOTICE in re.sub(r"\s+", " ", pages[0])


def test_the_answer_and_its_numbers(folder):
    text, result = spoken(folder / "predict.pdf"), make_result()
    for label in LABELS.values():
        assert label in text
    for branch in (result.probabilities.image, result.probabilities.text, result.probabilities.fused):
        for value in branch.values():
            assert f"{100 * value:.1f} %" in text
    for fact in (
        "echo the image",
        "gate c",
        "0.37",
        "Evidence tiles",
        "6 550",
        "unreadable",
        "1 = slide’s mean",
        "0.5 mm",
    ):
        assert fact.lower() in text.lower()
    evidence = result.evidence[0]
    assert f"{evidence.region.x:.0f}, {evidence.region.y:.0f} µm" in text
    assert f"{evidence.attention:.2f} × mean" in text


def test_sentences_name_their_tiles_and_measurements_their_units(folder):
    text = spoken(folder / "predict.pdf")
    assert "resembles neuropil. (tiles 1, 2, 5)" in text
    assert "nuclear density (1/mm²) 6 550" in text
    assert "median nuclear diameter (µm) 7.50" in text


def test_provenance_and_what_is_missing(folder):
    text, result = spoken(folder / "predict.pdf"), make_result()
    for fact in (
        result.slide.fingerprint,
        result.model.weights_sha256,
        result.model.licence,
        result.run_id,
        "0.5 × 0.5 µm/px, from tiff.XResolution",
        "2025.3.0",
        "12.8 s",
        "INPC classification not provided",
        "Clinical data not provided",
        "decision not recorded",
    ):
        assert fact in text


def test_an_abstention_names_no_class_and_shows_no_probability(folder):
    write_pdf(make_result("abstain"), folder / "unread.pdf")
    text = spoken(folder / "unread.pdf")
    for label in LABELS.values():
        assert label.lower() not in text.lower()
    result = make_result("abstain")
    for branch in (result.probabilities.image, result.probabilities.text, result.probabilities.fused):
        for value in branch.values():
            assert f"{100 * value:.1f}" not in text
    assert "Probability" not in text
    assert "Prediction set" not in text
    assert "Contribution" not in text
    assert "× mean" not in text
    assert "Attention is withheld: it is not valid for this slide." in text


def test_an_abstention_leads_with_reasons_and_findings(folder):
    text = spoken(folder / "abstain.pdf")
    order = ["abstains", "outside what the model was trained on", "Findings", "Nuclei are dense", "What was seen"]
    assert [text.index(words) for words in order] == sorted(text.index(words) for words in order)


def test_the_readers_decision_is_a_section_of_its_own(folder):
    text = spoken(folder / "abstain.pdf")
    section = text[text.index("Reader’s own decision") : text.index("Provenance")]
    for fact in ("Dr. A. Reader", "Differentiating", "Seven per cent", "2026-11-22"):
        assert fact in section
    assert Review.model_validate_json(read_attachment(folder / "abstain.pdf", "review.json")) == REVIEW


@pytest.mark.parametrize("name", ["predict.pdf", "abstain.pdf"])
def test_no_path_and_no_file_name(folder, name):
    content = (folder / name).read_bytes()
    attached = read_attachment(folder / name)
    for secret in (SLIDE_PATH, Path(SLIDE_PATH).name, Path(SLIDE_PATH).parent.name, str(folder), "/tmp/"):  # noqa: S108
        assert secret not in spoken(folder / name)
        assert secret not in attached
        assert secret.encode() not in content


@pytest.mark.parametrize(("name", "decision"), [("predict.pdf", "predict"), ("abstain.pdf", "abstain")])
def test_the_record_is_attached(folder, name, decision):
    record = RunResult.model_validate_json(read_attachment(folder / name))
    assert record == attached_record(make_result(decision))
    assert record.outputs == {}
    if decision == "abstain":
        assert record.probabilities is None
        assert not any(label in record.to_json() for label in LABELS.values())
    listing = subprocess.run([tool("pdfdetach"), "-list", folder / name], capture_output=True, text=True, check=True)
    assert "result.json" in listing.stdout


def test_archival_tagged_titled_and_fonts_embedded(folder):
    info = subprocess.run([tool("pdfinfo"), folder / "predict.pdf"], capture_output=True, text=True, check=True).stdout
    assert re.search(r"Title:\s+Whole-slide classification report", info)
    assert re.search(r"Tagged:\s+yes", info)
    assert re.search(r"Page size:.*A4", info)
    fonts = subprocess.run(
        [tool("pdffonts"), folder / "predict.pdf"], capture_output=True, text=True, check=True
    ).stdout
    rows = fonts.splitlines()[2:]
    assert rows
    assert all(re.search(r"\byes\s+yes\s+yes\b", row) for row in rows), "embedded, subset, with Unicode"
    content = (folder / "predict.pdf").read_bytes()
    assert b"<pdfaid:part>3</pdfaid:part>" in content
    assert b"<pdfaid:conformance>A</pdfaid:conformance>" in content
    assert b"<pdfuaid:part>1</pdfuaid:part>" in content


def test_the_same_record_gives_the_same_file(folder):
    write_pdf(make_result(), folder / "again.pdf")
    assert (folder / "again.pdf").read_bytes() == (folder / "predict.pdf").read_bytes()


def test_pictures_differ_between_answer_and_abstention(folder):
    def pictures(name):
        command = [tool("pdfimages"), "-list", folder / name]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[2:]

    # Thumbnail, attention, colour bar and eight tiles; without attention and its bar when abstained.
    assert len(pictures("predict.pdf")) == 11
    assert len(pictures("abstain.pdf")) == 9


LONG = "Ganglioneuroblastoma, intermixed (Schwannian stroma-rich), with a label that never seems to end"


@pytest.mark.parametrize("count", [2, 6])
def test_few_and_many_classes_with_long_labels_and_no_evidence(tmp_path, count):
    labels = {f"c{i}": f"{LONG} {i}" for i in range(count - 1)} | {"last": "x" * 70}
    write_pdf(make_result(labels=labels, evidence_count=0), tmp_path / "report.pdf")
    text = spoken(tmp_path / "report.pdf")
    assert "Evidence tiles None." in text
    words = text.split()
    assert words.count("Ganglioneuroblastoma,") >= count, "no label is cut"


def test_nothing_runs_over_the_edge_of_the_page(tmp_path):
    labels = {f"c{i}": f"{LONG} {i}" for i in range(5)} | {"last": "y" * 90}
    result = make_result(labels=labels, shape=(40, 9))
    result = result.model_copy(
        update={"clinical": {"a very long name of a fact " * 3: "z" * 400}, "settings": {"key": "word " * 200}}
    ).with_maps(result.maps)
    write_pdf(result, tmp_path / "report.pdf", Review(reader="R" * 300, decision="D", reason="because " * 300))
    boxes = subprocess.run(
        [tool("pdftotext"), "-bbox", tmp_path / "report.pdf", "-"], capture_output=True, text=True, check=True
    ).stdout
    right = [float(x) for x in re.findall(r'<word xMin="[\d.-]+" yMin="[\d.-]+" xMax="([\d.-]+)"', boxes)]
    bottom = [float(y) for y in re.findall(r'yMax="([\d.-]+)">', boxes)]
    assert max(right) <= 595.3 - 56.7 + 1, "the right margin is 20 mm"
    assert max(bottom) < 841.9


def test_a_slide_without_tissue(tmp_path):
    result = make_result("abstain", evidence_count=0)
    maps = result.maps
    maps = replace(
        maps,
        attention=np.full_like(maps.attention, np.nan),
        state=np.zeros_like(maps.state),
        tissue=np.zeros_like(maps.tissue),
    )
    bare = result.model_copy(update={"probabilities": None, "text_trust": None, "shift": None}).with_maps(maps)
    write_pdf(bare, tmp_path / "report.pdf")
    assert "abstains" in spoken(tmp_path / "report.pdf")


def test_image_only_models_have_no_text_column(tmp_path):
    result = make_result()
    alone = result.probabilities.model_copy(update={"text": None, "fused": None})
    result = result.model_copy(update={"probabilities": alone, "text_trust": None}).with_maps(result.maps)
    write_pdf(result, tmp_path / "report.pdf")
    text = spoken(tmp_path / "report.pdf")
    assert "Fused" not in text
    assert "echo" not in text


def test_a_character_that_no_font_has_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(report_pdf, "_missing_characters", lambda data: frozenset("神"))
    write_pdf(make_result(), tmp_path / "report.pdf", Review(reader="神 Łukasz Ω"))
    assert "[U+795E] Łukasz Ω" in spoken(tmp_path / "report.pdf")


def test_markup_in_a_text_stays_text(tmp_path):
    hostile = '#read("/etc/passwd") $x$ *bold* @ref <label> \\ // comment'
    write_pdf(make_result(), tmp_path / "report.pdf", Review(reader=hostile, decision="a\x00b\ud7ff"))
    assert hostile in spoken(tmp_path / "report.pdf")


def test_typst_faults_are_not_hidden(tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise typst.TypstError("expected something else")

    monkeypatch.setattr(report_pdf.typst, "compile", broken)
    with pytest.raises(typst.TypstError):
        write_pdf(make_result(), tmp_path / "report.pdf")
    assert not (tmp_path / "report.pdf").exists()


def test_a_full_disk_leaves_the_earlier_report(tmp_path, monkeypatch):
    path = tmp_path / "report.pdf"
    path.write_bytes(b"the earlier one")

    def full(self, content):
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_pdf(make_result(), path)
    assert path.read_bytes() == b"the earlier one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_record_without_rasters_is_refused(tmp_path):
    with pytest.raises(ValueError, match="rasters"):
        write_pdf(make_result().with_maps(None), tmp_path / "report.pdf")


def test_a_foreign_pdf_has_no_record(tmp_path):
    (tmp_path / "x.pdf").write_bytes(typst.compile(b"hello"))
    assert read_attachment(tmp_path / "x.pdf") is None


def test_the_attachment_is_json_of_the_current_schema(folder):
    assert json.loads(read_attachment(folder / "predict.pdf"))["schema"] == "1.0"
