"""What a describing model adds to a run, and that it can take nothing away."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_mmlnb.bundles.bundle import Bundle, read_bundle, write_bundle
from napari_mmlnb.bundles.spec import DESCRIBER_FOLDER, DescribingSpec
from napari_mmlnb.describe.base import EvidenceTile, TileDescription
from napari_mmlnb.describe.describing_facts import DescribingFacts
from napari_mmlnb.describe.prompt import Generation
from napari_mmlnb.describe.request import DescriberRequest
from napari_mmlnb.errors import BundleError, RequestError, RunCancelledError, UnknownNameError
from napari_mmlnb.inference import describer_feed
from napari_mmlnb.inference.generated import Shown, generate_description, is_backed
from napari_mmlnb.inference.runner import classify
from napari_mmlnb.inference.settings import RunSettings, RunUpdate
from napari_mmlnb.result import GeneratedDescription, RunResult, Sentence
from napari_mmlnb.slides.slide import Slide, open_slide
from tests.bundle_factory import make_bundle
from tests.describe.chat_server import serve_chat
from tests.describer_factory import FACTS, SAID, MadeUpDescriber, register

ASKED = RunSettings(describer="made-up", runtime="torch-float32")
PLAIN = replace(ASKED, describer=None)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def slide(small_slide: Path) -> Iterator[Slide]:
    """Open for all tests, so that its features are computed once."""
    with open_slide(small_slide) as opened:
        yield opened


@pytest.fixture(scope="module")
def plain(bundle: Bundle, slide: Slide) -> RunResult:
    """The run without anything generated."""
    return classify(slide, bundle, settings=PLAIN)


def _generate(
    plain: RunResult, describer: MadeUpDescriber, seconds: float = 30.0, cancelled: Callable[[], bool] = lambda: False
) -> tuple[list[RunUpdate], GeneratedDescription]:
    """The stage alone, on the evidence of a run."""
    pictures = [EvidenceTile(e.rank, np.zeros((8, 8, 3), np.uint8), 0.5, e.region) for e in plain.evidence]
    stage = generate_description(
        Shown(FACTS, DescriberRequest(), describer), pictures, plain.evidence, seconds, cancelled
    )
    updates = []
    while True:
        try:
            updates.append(next(stage))
        except StopIteration as end:
            return updates, end.value.record


def _same_but_for_words(a: RunResult, b: RunResult) -> bool:
    changing = {"run_id", "created", "timings", "settings", "generated"}
    return a.model_dump(exclude=changing) == b.model_dump(exclude=changing)


def test_without_a_model_nothing_is_generated(plain: RunResult, bundle: Bundle, slide: Slide) -> None:
    assert plain.generated is None
    assert plain.settings["describer_shown"] is None
    assert classify(slide, bundle, settings=replace(PLAIN, describer="measured")).generated is None


def test_the_words_stand_beside_the_measured_ones_and_decide_nothing(
    plain: RunResult, bundle: Bundle, slide: Slide, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = register(monkeypatch, MadeUpDescriber())
    result = classify(slide, bundle, settings=ASKED)
    assert _same_but_for_words(result, plain)
    said = result.generated
    assert (said.describer, said.licence, said.fallback, said.fused) == ("made-up", "MIT", "", False)
    assert [s.text for s in said.of_tile(1)] == list(SAID)
    assert len(said.tiles) == len(SAID) * len(result.evidence)
    assert {"kind-1", "first kind"} <= set(asked().forbidden)
    assert result.settings["describer"] == "measured"
    assert result.settings["describer_shown"] == "made-up"
    assert len(result.settings["describer_prompt_sha256"]) == 64
    assert result.settings["describer_temperature"] == Generation().temperature
    assert RunResult.model_validate_json(result.to_json()).generated == said


def test_a_sentence_is_marked_by_what_was_measured_on_its_own_tile(plain: RunResult) -> None:
    _, said = _generate(plain, MadeUpDescriber())
    for evidence in plain.evidence:
        values = {m.name: m.value for m in evidence.measurements}
        blood = next(s for s in said.of_tile(evidence.rank) if "haemorrhage" in s.text)
        assert bool(blood.contradicted_by) == (values["blood_like_fraction"] <= 0.5)
        rosettes = next(s for s in said.of_tile(evidence.rank) if "Rosettes" in s.text)
        assert rosettes.contradicted_by == "", "nothing is measured for it"
    assert said.contradicted > 0


def test_the_answer_does_not_wait_for_words_that_it_does_not_rest_on(
    bundle: Bundle, slide: Slide, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, MadeUpDescriber())
    updates = list(classify(slide, bundle, settings=ASKED, stream=True))
    at = next(i for i, update in enumerate(updates) if update.answer is not None)
    answer, result = updates[at].answer, updates[-1].result
    assert answer is not None
    assert result is not None
    assert at < next(i for i, update in enumerate(updates) if update.said is not None)
    assert answer.run_id == result.run_id
    assert _same_but_for_words(answer, result)
    assert answer.maps is not None
    assert answer.generated is not None
    assert answer.generated.fallback == "made-up has not described the tiles yet."
    assert result.generated is not None
    assert not result.generated.fallback


def test_sentences_stream_while_the_run_describes(plain: RunResult) -> None:
    updates, said = _generate(plain, MadeUpDescriber())
    assert {u.stage for u in updates} == {"describe"}
    assert tuple(u.said for u in updates if u.said is not None) == said.tiles
    done = [u.done for u in updates]
    assert done == sorted(done)
    assert done[-1] == updates[-1].total == len(plain.evidence)


@pytest.mark.parametrize(
    ("describer", "words"),
    [
        (MadeUpDescriber(fails_at=1), "RuntimeError: the model broke."),
        (MadeUpDescriber(sentences=(), faults=("another language",)), "another language"),
        (MadeUpDescriber(sentences=()), "said nothing"),
    ],
    ids=["fails", "faults only", "silent"],
)
def test_what_cannot_be_shown_is_told_in_words(plain: RunResult, describer: MadeUpDescriber, words: str) -> None:
    _, said = _generate(plain, describer)
    assert said.tiles == said.sentences == ()
    assert words in said.fallback
    assert "measured findings" in said.fallback


def test_what_was_said_before_a_failure_is_kept(plain: RunResult) -> None:
    _, said = _generate(plain, MadeUpDescriber(fails_at=3))
    assert {rank for s in said.tiles for rank in s.evidence} == {1, 2}
    assert {rank for s in said.sentences for rank in s.evidence} == {1, 2}
    assert said.fallback == ""
    assert min(said.faults) == 3
    assert "the model broke" in said.faults[3][0]


def test_a_describer_that_fails_takes_nothing_away(
    plain: RunResult, bundle: Bundle, slide: Slide, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, MadeUpDescriber(fails_at=1))
    result = classify(slide, bundle, settings=ASKED)
    assert _same_but_for_words(result, plain)
    assert "RuntimeError: the model broke." in result.generated.fallback


def test_a_describer_that_cannot_be_made_is_no_end(
    plain: RunResult, bundle: Bundle, slide: Slide, monkeypatch: pytest.MonkeyPatch
) -> None:
    def create(_name: str, _request: object) -> MadeUpDescriber:
        raise MemoryError("4 GB are free, 16 are needed")

    monkeypatch.setattr("napari_mmlnb.inference.generated.create_describer", create)
    result = classify(slide, bundle, settings=ASKED)
    assert _same_but_for_words(result, plain)
    assert result.generated.describer == "made-up"
    assert "16 are needed" in result.generated.fallback


def test_a_describer_that_hangs_is_given_up(plain: RunResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(describer_feed, "LOADING_S", 0.0)
    hanging = MadeUpDescriber(hangs_at=2)
    _, said = _generate(plain, hanging, seconds=1.0)
    assert {rank for s in said.tiles for rank in s.evidence} == {1}
    assert "no answer within 1 s" in said.faults[2][0]
    hanging.let_go.set()
    assert hanging.closed.wait(5), "once it speaks again it is told to end"


def test_cancelling_ends_a_run_whose_describer_hangs(
    bundle: Bundle, slide: Slide, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = MadeUpDescriber(hangs_at=2)
    register(monkeypatch, hanging)
    cancelled: list[float] = []
    updates = classify(slide, bundle, settings=ASKED, stream=True, cancelled=lambda: bool(cancelled))
    with pytest.raises(RunCancelledError):
        for update in updates:
            if update.stage == "describe" and update.done == 1:
                cancelled.append(time.monotonic())
    assert time.monotonic() - cancelled[0] < 1.0
    hanging.let_go.set()
    assert hanging.closed.wait(5)


def test_the_summary_never_says_more_than_the_tiles_that_it_names(plain: RunResult) -> None:
    more = (
        Sentence(text="Necrosis is extensive.", evidence=(1,)),
        Sentence(text="There is some haemorrhage.", evidence=(1,)),
        Sentence(text="Sheets of cells without neuropil.", evidence=(1, 99)),
        Sentence(text="Rosettes are present.", evidence=()),
        Sentence(text="In tile 2 there is extensive haemorrhage.", evidence=(2,)),
    )
    _, said = _generate(plain, MadeUpDescriber(more=more))
    assert [s.text for s in said.sentences] == [*SAID, "In tile 2 there is extensive haemorrhage."]
    tiles = [TileDescription(e.rank, tuple(s.text for s in said.of_tile(e.rank)), ()) for e in plain.evidence]
    for sentence in said.sentences:
        assert is_backed(Sentence(text=sentence.text, evidence=sentence.evidence), tiles)


def test_a_summary_mark_names_the_tiles_that_were_measured(plain: RunResult) -> None:
    _, said = _generate(plain, MadeUpDescriber())
    blood = next(s for s in said.sentences if "haemorrhage" in s.text)
    marked = [s.evidence[0] for s in said.tiles if "haemorrhage" in s.text and s.contradicted_by]
    assert blood.contradicted_by.startswith(f"measured on tiles {', '.join(map(str, marked))}: blood-like area")


def test_findings_of_a_model_are_shown_where_the_program_abstains(
    tmp_path: Path, slide: Slide, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, MadeUpDescriber())
    result = classify(slide, make_bundle(tmp_path, shift_limit=1e-6), settings=ASKED)
    assert result.decision == "abstain"
    assert result.generated.sentences


def test_an_unknown_name_ends_the_run_before_any_work(bundle: Bundle, slide: Slide) -> None:
    with pytest.raises(UnknownNameError, match="no-such-model"):
        classify(slide, bundle, settings=RunSettings(describer="no-such-model"))


def test_a_bundle_without_a_model_of_its_own_says_so(bundle: Bundle, slide: Slide) -> None:
    with pytest.raises(RequestError, match="no describing model of its own"):
        classify(slide, bundle, settings=RunSettings(describer="own"))


# A bundle with a model of its own -------------------------------------------------------------------------------------


@pytest.fixture
def owner(tmp_path: Path) -> Bundle:
    bundle = make_bundle(tmp_path / "owner")
    folder = bundle.folder / DESCRIBER_FOLDER
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    describing = DescribingSpec(
        name="small", licence="MIT", prompt="What is there?", generation=Generation(max_new_tokens=60), files={}
    )
    return write_bundle(replace(bundle, spec=bundle.spec.model_copy(update={"describing": describing})))


def test_a_bundle_s_own_model_describes_by_itself_with_its_prompt(
    owner: Bundle, slide: Slide, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = register(monkeypatch, MadeUpDescriber())
    result = classify(slide, owner.folder, settings=PLAIN)
    assert result.generated.describer == "small", "by the name that the bundle gives it"
    request = asked()
    assert request.licence == "MIT"
    assert request.folder == owner.folder / DESCRIBER_FOLDER
    assert (request.prompt, request.generation.max_new_tokens) == ("What is there?", 60)
    assert result.settings["describer_max_new_tokens"] == 60
    assert classify(slide, owner, settings=replace(PLAIN, describer="measured")).generated is None


def test_whoever_describes_in_its_place_is_asked_what_the_bundle_asks(
    owner: Bundle, slide: Slide, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = register(monkeypatch, MadeUpDescriber())
    for settings in (ASKED, replace(PLAIN, server="http://127.0.0.1:1/v1")):
        classify(slide, owner, settings=settings)
        assert (asked().prompt, asked().generation.max_new_tokens) == ("What is there?", 60)
        assert (asked().folder, asked().weights_sha256) == (None, "")


def test_a_model_with_a_question_of_its_own_is_asked_that(
    owner: Bundle, slide: Slide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = register(monkeypatch, MadeUpDescriber())
    folder = tmp_path / "tuned"
    folder.mkdir()
    DescribingFacts(
        base="b", base_sha256="0", licence="MIT", prompt="As taught?", image_px=256, generation=Generation(seed=7)
    ).write(folder)
    result = classify(slide, owner, settings=replace(PLAIN, describer=str(folder), describer_base="elsewhere"))
    request = asked()
    assert (request.prompt, request.generation.seed, request.image_px, request.base) == (
        "As taught?", 7, 256, "elsewhere"
    )  # fmt: skip
    assert result.settings["describer_prompt_sha256"] == hashlib.sha256(b"As taught?").hexdigest()
    assert (result.settings["describer_seed"], result.settings["describer_image_px"]) == (7, 256)
    (folder / "describing.json").write_text("{}", encoding="utf-8")
    result = classify(slide, owner, settings=replace(PLAIN, describer=str(folder)))
    assert "describing.json" in result.generated.fallback


def test_the_record_says_in_which_precision_which_weights_spoke(plain: RunResult) -> None:
    loaded = replace(FACTS, device="cuda", precision="4-bit", weights_sha256="ab" * 32, revision="c" * 40)
    _, said = _generate(plain, MadeUpDescriber(facts=loaded))
    assert (said.device, said.precision, said.computed) == ("cuda", "4-bit", "4-bit on cuda")
    assert (said.weights_sha256, said.revision) == ("ab" * 32, "c" * 40)


def test_a_record_of_an_earlier_version_is_read(plain: RunResult) -> None:
    _, said = _generate(plain, MadeUpDescriber())
    new = {"device", "precision", "weights_sha256", "revision"}
    old = GeneratedDescription.model_validate(said.model_dump(exclude=new))
    assert old == said
    assert old.computed == ""


def test_the_files_of_the_own_model_are_those_that_the_bundle_names(owner: Bundle) -> None:
    assert set(owner.spec.describing.files) == {"config.json"}
    folder = owner.folder / DESCRIBER_FOLDER
    assert read_bundle(owner.folder).spec == owner.spec
    (folder / "extra.json").write_text("{}")
    with pytest.raises(BundleError, match=r"altered: describer/extra\.json"):
        read_bundle(owner.folder)
    (folder / "extra.json").unlink()
    (folder / "config.json").write_text("{ }")
    with pytest.raises(BundleError, match=r"altered: describer/config\.json"):
        read_bundle(owner.folder)
    (folder / "config.json").unlink()
    with pytest.raises(BundleError, match=r"incomplete: describer/config\.json"):
        read_bundle(owner.folder)


# A bundle that was trained with generated text ------------------------------------------------------------------------


@pytest.fixture
def trained_with_words(tmp_path: Path) -> Bundle:
    bundle = make_bundle(tmp_path / "words")
    return write_bundle(replace(bundle, spec=bundle.spec.model_copy(update={"describer": "made-up"})))


def test_words_that_the_bundle_was_trained_with_are_fused(
    trained_with_words: Bundle, plain: RunResult, slide: Slide, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, MadeUpDescriber())
    updates = list(classify(slide, trained_with_words, settings=PLAIN, stream=True))
    assert all(update.answer is None for update in updates), "there is no answer before the words"
    result = updates[-1].result
    assert result.generated.fused
    assert result.description == plain.description
    assert result.probabilities.text != plain.probabilities.text
    with pytest.raises(RequestError, match="rests on what made-up says"):
        classify(slide, trained_with_words, settings=replace(PLAIN, describer="measured"))


def test_without_the_words_that_it_rests_on_no_class_is_named(
    trained_with_words: Bundle, plain: RunResult, slide: Slide, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, MadeUpDescriber(fails_at=1))
    result = classify(slide, trained_with_words, settings=PLAIN)
    assert [r.code for r in result.abstain_reasons] == ["no_description"]
    assert result.probabilities.fused is None
    assert result.probabilities.image == pytest.approx(plain.probabilities.image)
    assert not result.generated.fused


# Settings -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8000/v1", "http://localhost/v1", "https://[::1]:8000/v1", "http://127.8.9.1"]
)
def test_this_machine_needs_no_consent(address: str) -> None:
    assert RunSettings(server=address).server == address


@pytest.mark.parametrize(
    "address",
    [
        "http://192.168.1.20:8000/v1",
        "https://example.org/v1",
        "http://localhost.example.org/v1",
        "http://0.0.0.0:8000",
        "http://127.0.0.1.example.org",
        "http://2130706433/v1",
    ],
)
def test_another_machine_needs_consent(address: str) -> None:
    with pytest.raises(RequestError, match="would be sent there"):
        RunSettings(server=address)
    assert RunSettings(server=address, may_send=True).may_send


@pytest.mark.parametrize("address", ["127.0.0.1:8000", "file:///etc/passwd", "http://", "http://h:99999/", "nonsense"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(RequestError, match="none that can be used"):
        RunSettings(server=address, may_send=True)


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(RequestError, match="user name or password") as caught:
        RunSettings(server="http://me:secret@127.0.0.1/v1")
    assert "secret" not in str(caught.value)


def test_the_record_names_the_model_that_the_server_answered_with(bundle: Bundle, slide: Slide) -> None:
    with serve_chat("good", models=["the-one"]) as chat:
        said = classify(slide, bundle, settings=replace(PLAIN, server=chat.url)).generated
    assert said is not None
    assert (said.describer, said.model, said.speaker) == ("server", "the-one", "server (the-one)")


def test_a_server_s_address_is_recorded(bundle: Bundle, slide: Slide, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = register(monkeypatch, MadeUpDescriber())
    settings = replace(PLAIN, server="http://127.0.0.1:8000/v1", server_model="vlm")
    result = classify(slide, bundle, settings=settings)
    assert (asked().server_model, asked().may_send) == ("vlm", False)
    assert result.settings["describer_server"] == "http://127.0.0.1:8000/v1"
    with pytest.raises(RequestError, match=r"query or (a )?fragment") as refused:
        classify(slide, bundle, settings=replace(PLAIN, server="http://127.0.0.1:8000/v1?key=secret"))
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"describer": "server"}, "address is missing"),
        ({"describer": "own", "server": "http://127.0.0.1/v1"}, "Both"),
        ({"describer_base": "base"}, "no adapter"),
        ({"describer_seconds": 0.0}, "no time"),
    ],
)
def test_requests_that_cannot_be_meant_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        RunSettings(**options)
