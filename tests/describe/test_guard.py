from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_mmlnb.describe.class_names import states_class
from napari_mmlnb.describe.guard import FAULTS, judge
from napari_mmlnb.describe.layout import split_sentences
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
        (f"{GOOD} neuro.", (GOOD,), ("garbage",)),
        (f"{GOOD} high.", (GOOD,), ("list without its heading",)),
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
        "list without its heading",
        "thought aloud",
        "echo of the question",
        "refusal",
        "beyond the tile",
        "too long",
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
        "Is it? Yes!",
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
        "Not seen:\n",
        "### Absent\n",
        "Necrosis\n",
        "absent\n",
        "Absent\n",
        "Is it? No.",
        "| Neuropil | Absent |\n",
        "| Feature | Finding |\n",
        "If so, one sees:\n",
        "<think>",
        "Thinking...\n",
        "Okay, let me see. ",
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


GUARDED = "list without its heading"


@pytest.mark.parametrize(
    ("text", "kept", "faults"),
    [
        (
            "The following features are not seen:\n- Necrosis\n- Calcification\n- Homer Wright rosettes\n\nCells.",
            (
                "The following features are not seen: necrosis.",
                "The following features are not seen: calcification.",
                "The following features are not seen: Homer Wright rosettes.",
                "Cells.",
            ),
            (),
        ),
        ("No evidence of:\n1. Necrosis\n2. Rosettes", ("No evidence of: necrosis.", "No evidence of: rosettes."), ()),
        ("### Not identified\nNecrosis", ("Not identified: necrosis.",), ()),
        ("**Not identified**\n\n* Necrosis", ("Not identified: necrosis.",), ()),
        ("Not identified\n- Necrosis", ("Not identified: necrosis.",), ()),
        ("The following are absent.\n- Necrosis", ("The following are absent: necrosis.",), ()),
        ("Features that are not seen\n- Necrosis", ("Features that are not seen: necrosis.",), ()),
        ("I do not see:\n- extensive necrosis", ("I do not see: extensive necrosis.",), ()),
        ("Absent:\ni. Necrosis\nii. Rosettes", ("Absent: i. Necrosis ii. Rosettes.",), ()),
        ("Not seen;\n- Necrosis", ("Not seen: necrosis.",), ()),
        ("Seen | Not seen\nNeuropil | Necrosis", (), (GUARDED,)),
        ("Excluded:\n- Necrosis", ("Excluded: necrosis.",), ()),
        (
            "Negative findings:\n• Necrosis\n\nPositive findings:\n• Neuropil",
            ("Negative findings: necrosis.", "Neuropil."),
            (),
        ),
        (
            "- Negative findings:\n  - Necrosis\n- Positive findings:\n  - Neuropil",
            ("Negative findings: necrosis.", "Neuropil."),
            (),
        ),
        ("Absent in this image:\n1. **Necrosis**: Large areas of dead cells. They are pink.", (), (GUARDED,)),
        ("Not seen:\n- **Necrosis**:\n  - Large pink areas", (), (GUARDED,)),
        ("Not seen:\n| Necrosis | Large areas |", (), (GUARDED,)),
        ("If this were ganglioneuroma one would expect:\n- Abundant Schwannian stroma", (), (GUARDED,)),
        ("What would one look for?\n\nTo consider:\n- Necrosis", ("What would one look for?",), (GUARDED,)),
        (
            "Features typical of ganglioneuroma:\n- Abundant stroma\n- Absent",
            ("Features typical of ganglioneuroma: abundant stroma.",),
            (GUARDED,),
        ),
        ("The image shows a neuroblastoma with:\n- Scant neuropil", ("Scant neuropil.",), ()),
        # a finding and its value
        ("**Neuropil**:\nAbsent\n**Necrosis**:\nPresent", ("Neuropil: absent.", "Necrosis: present."), ()),
        ("1. **Neuropil**:\n   - Absent\n2. **MKI**:\n   - Low (<2 %)", ("Neuropil: absent.", "MKI: low (<2 %)."), ()),
        ("Neuropil\nAbsent\n\nNecrosis\nPresent", ("Neuropil: absent.", "Necrosis: present."), ()),
        ("- Neuropil\n  - Not seen\n- Small cells", ("Neuropil: not seen.", "Small cells."), ()),
        ("Small cells\nNot seen\n- Necrosis", (), (GUARDED,)),
        ("Is there necrosis? No. Neuropil?\nYes.", ("Is there necrosis? No.", "Neuropil? Yes."), ()),
        ("No.\nYes.\nSmall cells.", ("Small cells.",), (GUARDED,)),
        (
            "Nuclei:\n- Small\n- Round\n- Finely granular chromatin",
            ("Nuclei: small.", "Nuclei: round.", "Finely granular chromatin."),
            (),
        ),
        # tables
        (
            "| Feature | Finding |\n|---|---|\n| Neuropil | Absent |\n| **Cells** | Small and round |",
            ("Neuropil: absent.", "Cells: small and round."),
            (),
        ),
        ("| Feature | In ganglioneuroma |\n|---|---|\n| Stroma | Abundant |", (), (GUARDED,)),
        ("| Feature | Present | Absent |\n|---|---|---|\n| Necrosis | | x |", (), (GUARDED,)),
        # headings that only name what comes
        (
            "## Findings\n\nArchitecture:\n- Cells lie in nests\n\nSummary:\nSmall cells.",
            ("Cells lie in nests.", "Small cells."),
            (),
        ),
    ],
)
def test_an_item_stays_with_what_it_belongs_to(text: str, kept: tuple[str, ...], faults: tuple[str, ...]) -> None:
    judged = judge(text, CLASSES)
    assert (judged.sentences, judged.faults) == (kept, faults)


THOUGHTS = (
    "<think>{}</think>",
    "<Thinking>\n{}\n</Thinking>",
    "<reasoning>{}</reasoning>",
    "<unused94>thought\n{}<unused95>",
    "[THINK]{}[/THINK]",
    "◁think▷{}◁/think▷",
    "Thinking...\n{}\n...done thinking.\n\n",
    "<|channel|>analysis<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>",
)
THOUGHT = "Okay, let me look. Abundant necrosis would be pink. Neuropil is abundant in ganglioneuroma.\n- Necrosis\n"


@pytest.mark.parametrize("form", THOUGHTS)
def test_thoughts_are_no_description_and_never_flash_up(form: str) -> None:
    text = f"{form.format(THOUGHT)}{GOOD} {ALSO}"
    assert judge(text) == judge(text, ended=True)
    assert judge(text).sentences == (GOOD, ALSO)
    assert judge(text).faults == ("thought aloud",)
    shown = {sentence for end in range(len(text)) for sentence in judge(text[:end], ended=False).sentences}
    assert shown <= {GOOD}


def test_thoughts_without_both_marks() -> None:
    unclosed = f"{GOOD} <think>{THOUGHT}"
    assert judge(unclosed).sentences == (GOOD,)
    assert judge(unclosed).faults == ("thought aloud",)
    unopened = f"{THOUGHT}</think>\n{GOOD}"
    assert judge(unopened).sentences == (GOOD,)
    assert not any(judge(unopened[:end], ended=False).sentences for end in range(len(THOUGHT)))
    assert judge(f"{THOUGHT}<answer>{GOOD}</answer>").sentences[-1] == GOOD
    assert (
        judge("Okay, the user wants me to describe. I see small round cells. Wait, is that necrosis?").sentences == ()
    )
    assert judge("Okay. Let me look. The cells are small. Hmm, wait.").sentences == ("Okay.", "The cells are small.")


PROMPT = (
    "You are a pathologist specialised in childhood tumours; describe what is seen in this image. Name no class here."
)


@pytest.mark.parametrize(
    "echo", [PROMPT, PROMPT.upper(), "Name no class here.", "Describe what is seen in this image."]
)
def test_the_question_given_back_is_no_finding(echo: str) -> None:
    assert judge(f"{echo}\n{GOOD}", prompt=PROMPT).sentences == (GOOD,)
    assert judge(f"{PROMPT}\n{GOOD}").faults == ("echo of the question",)


@pytest.mark.parametrize(
    ("sentence", "fault"),
    [
        ("I'm sorry, but I can't help with medical images.", "refusal"),
        ("As an AI, I cannot provide a diagnosis.", "refusal"),
        ("I am unable to view images.", "refusal"),
        ("Please consult a qualified pathologist.", "refusal"),
        ("Let me know if you want more detail.", "refusal"),
        ("The patient is a 3-year-old boy with an adrenal mass.", "beyond the tile"),
        ("This adrenal tumour is cellular.", "beyond the tile"),
        ("The child has a history of weight loss.", "beyond the tile"),
        ("Cells are positive for synaptophysin.", "beyond the tile"),
        ("Favourable histology according to INPC.", "beyond the tile"),
        ("Clinical correlation is recommended.", "beyond the tile"),
        ("I do not see necrosis.", ""),
        ("I cannot identify neuropil here.", ""),
        ("Residual adrenal cortical cells lie at the edge.", ""),
        ("A small round cell tumour of childhood.", ""),
        ("Lymph node tissue is seen at the rim.", ""),
    ],
)
def test_refusals_and_what_no_tile_shows(sentence: str, fault: str) -> None:
    judged = judge(f"{GOOD} {sentence}", CLASSES)
    assert judged.faults == ((fault,) if fault else ())
    assert judged.sentences == ((GOOD,) if fault else (GOOD, sentence))


def test_long_turns_of_a_circle_are_found() -> None:
    turn = "the tumour cells are arranged in sheets and nests separated by delicate fibrovascular septa and "
    assert judge(turn * 8 + "end.").sentences == (turn.removesuffix(" and ") + ".",)
    longer = " ".join(f"word{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(39)) + " and "
    assert judge(longer * 4).faults == ("repetition",)


def test_an_answer_without_end_is_read_so_far_only() -> None:
    text = "".join(f"Cell {a}{b}{c} is small. " for a in "bcdfgh" for b in "aeiou" for c in "bcdfghklmnprst") * 10
    long = text.replace("Cell ", "Cell number ") + text
    judged = judge(long * 3)
    assert "too long" in judged.faults
    assert judge(long * 3, ended=False).sentences == judge(long * 4, ended=False).sentences
    begun = time.perf_counter()
    for end in range(len(long) * 2, len(long) * 2 + 2000):
        judge(long[:end] if end < len(long) else long + long[: end - len(long)], ended=False)
    assert time.perf_counter() - begun < 5
