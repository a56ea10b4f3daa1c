from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_mmlnb.describe.class_names import states_class
from napari_mmlnb.describe.guard import FAULTS, judge, split_sentences
from napari_mmlnb.describe.measurements import measure_tile
from napari_mmlnb.describe.sentences import tile_sentences, values_of

CLASSES = ("ud", "undifferentiated", "pd", "poorly differentiated", "d", "differentiating")
GOOD = "Neuropil: abundant (41 % of tissue)."
ALSO = "Nuclei are small, 7.5 um on average, and dark."


@pytest.mark.parametrize(
    ("text", "kept", "faults"),
    [
        (f"{GOOD} {ALSO}", (GOOD, ALSO), ()),
        ("", (), ("empty",)),
        (" \n\t\n", (), ("empty",)),
        ("**Findings:**\n\n---", (), ("empty",)),
        # garbage
        (f"{GOOD} \x00\x07\x1b[31m is \ufffd there.", (GOOD,), ("garbage",)),
        (f"{GOOD} <|im_start|>assistant said it.", (GOOD,), ("garbage",)),
        (f"{GOOD} <div class='x'>Nuclei</div> are seen.", (GOOD,), ("garbage",)),
        (f"{GOOD} [INST] Describe it.", (GOOD,), ("garbage",)),
        (f"{GOOD} {{'nuclei': 3}}.", (GOOD,), ("garbage",)),
        ("%%%% #### ((((( .", (), ("garbage",)),
        ("1 2 3 4 5 6 7 8.", (), ("garbage",)),
        ("xkcd qwrtz mnbvc sdfgh.", (), ("garbage",)),
        ("a b c d e f g h.", (), ("garbage",)),
        (f"{GOOD} Aaaaaaaaaaaa.", (GOOD,), ("garbage",)),
        (f"{GOOD} high.", (GOOD,), ("garbage",)),
        (f"{GOOD} Calcification.", (GOOD, "Calcification."), ()),
        # another language
        (f"{GOOD} Die Kerne sind klein und dunkel.", (GOOD,), ("other language",)),
        ("神经毡丰富。细胞核小。", (), ("other language",)),
        # repetition
        (f"{GOOD} {ALSO} {GOOD} {GOOD}", (GOOD, ALSO), ("repetition",)),
        (f"{GOOD} neuropil - abundant (41 % of tissue)!", (GOOD,), ("repetition",)),
        (f"{GOOD} Cells are and and and and and and.", (GOOD,), ("repetition",)),
        (
            "small round cells, small round cells, small round cells, small round",
            ("small round cells.",),
            ("repetition",),
        ),
        # the class
        (f"{GOOD} This is poorly differentiated neuroblastoma.", (GOOD,), ("class name",)),
        (f"{GOOD} Differentiating cells are few.", (GOOD, "Differentiating cells are few."), ()),
        # more than one fault
        (f"It is UD. {GOOD} <b>x</b> yes. {GOOD}", (GOOD,), ("class name", "garbage", "repetition")),
    ],
)
def test_what_is_kept_and_what_is_named(text: str, kept: tuple[str, ...], faults: tuple[str, ...]) -> None:
    judged = judge(text, CLASSES)
    assert (judged.sentences, judged.faults) == (kept, faults)


def test_every_fault_has_words_for_people() -> None:
    assert set(FAULTS) == {
        "empty",
        "garbage",
        "other language",
        "repetition",
        "class name",
        "cut off",
        "time limit",
    }
    assert all(words.endswith(".") for words in FAULTS.values())


@pytest.mark.parametrize("stopped", ["cut off", "time limit"])
def test_an_unfinished_last_sentence_is_left_out(stopped: str) -> None:
    assert judge(f"{GOOD} Nuclei are sm", stopped=stopped) == judge(f"{GOOD} Nuclei", stopped=stopped)
    assert judge(f"{GOOD} Nuclei are sm", stopped=stopped).sentences == (GOOD,)
    assert judge(f"{GOOD} Nuclei are sm", stopped=stopped).faults == (stopped,)


def test_an_answer_that_just_fits_is_not_cut_off() -> None:
    assert judge(f"{GOOD} {ALSO}", stopped="cut off") == judge(f"{GOOD} {ALSO}")
    assert judge("Nuclei are sm").sentences == ("Nuclei are sm.",)  # the model ended there by itself


def test_the_time_limit_is_named_even_between_two_sentences() -> None:
    assert judge(f"{GOOD} {ALSO}", stopped="time limit").faults == ("time limit",)
    assert judge("", stopped="time limit").faults == ("time limit",)


def test_lists_headings_and_emphasis_are_taken_apart() -> None:
    text = (
        "Here is what I see:\n\n### Cells\n1. **Nuclei**: small (approx. 7.5 um, i.e. dark), e.g. round.\n"
        "2) Neuropil is *abundant*\n- No necrosis\n\nA wrapped\nline by Dr. Homer Wright. it goes on. Is it? Yes!\n"
    )
    assert judge(text).sentences == (
        "Nuclei: small (approx. 7.5 um, i.e. dark), e.g. round.",
        "Neuropil is abundant.",
        "No necrosis.",
        "A wrapped line by Dr. Homer Wright.",
        "it goes on.",
        "Is it?",
        "Yes!",
    )
    assert judge(text).faults == ()


def test_nothing_that_the_measuring_describer_says_would_be_left_out(crowded: np.ndarray) -> None:
    sentences = tile_sentences(values_of(measure_tile(crowded, 0.5)))
    judged = judge(" ".join(sentences), CLASSES)
    assert judged.faults == ()
    assert judged.sentences == sentences


PIECES = st.sampled_from(
    [
        GOOD,
        ALSO,
        "This is UD.",
        "Die Kerne sind klein.",
        "<b>",
        "e.g. ",
        "\n",
        "\n\n",
        "1. ",
        "- ",
        "**",
        "7.5 ",
        "cells ",
        ". ",
        "!",
    ]
)
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=6)), max_size=14).map(" ".join)


@given(TEXTS, st.data())
def test_what_was_kept_of_a_growing_text_stays(text: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(text)))
    part, whole = judge(text[:cut], CLASSES, ended=False), judge(text, CLASSES)
    assert whole.sentences[: len(part.sentences)] == part.sentences
    assert set(part.faults) <= set(whole.faults)


@given(TEXTS)
def test_no_sentence_that_is_kept_has_a_fault(text: str) -> None:
    judged = judge(text, CLASSES)
    assert not any(states_class(sentence, CLASSES) for sentence in judged.sentences)
    assert judge(" ".join(judged.sentences), CLASSES).faults in ((), ("empty",))
    assert bool(judged.sentences) or bool(judged.faults)
    assert set(judged.faults) <= set(FAULTS)


@given(TEXTS)
def test_splitting_loses_no_letter(text: str) -> None:
    sentences, rest = split_sentences(text)
    assert "".join("".join((*sentences, rest)).split()) == "".join(text.split())
