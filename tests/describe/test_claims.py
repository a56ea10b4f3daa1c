"""What is read out of sentences as models write them, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_mmlnb.describe.claims import Amount, Finding, read_claims
from napari_mmlnb.describe.contradiction import contradiction

A, SC, SO, AB, P = Amount.ABSENT, Amount.SCANT, Amount.SOME, Amount.ABUNDANT, Amount.PRESENT
NEUROPIL, NECROSIS, BLOOD, MITOSES, MKI = (
    Finding.NEUROPIL,
    Finding.NECROSIS,
    Finding.BLOOD,
    Finding.MITOSES,
    Finding.MKI,
)
AMPLE, STROMA, SIZE, CELLS = Finding.AMPLE_CYTOPLASM, Finding.STROMA, Finding.NUCLEAR_SIZE, Finding.CELLULARITY


def said(sentence: str) -> list[tuple[Finding, set[Amount]]]:
    return [(claim.finding, set(claim.amounts)) for claim in read_claims(sentence)]


@pytest.mark.parametrize(
    ("sentence", "claims"),
    [
        ("Neuropil is abundant.", [(NEUROPIL, {AB})]),
        ("Fine fibrillary material is present in moderate amounts.", [(NEUROPIL, {P})]),
        ("A small amount of neurofibrillary matrix.", [(NEUROPIL, {SC})]),
        ("Little or no neuropil.", [(NEUROPIL, {SC, A})]),
        ("Scant to moderate neuropil.", [(NEUROPIL, {SC, SO})]),
        ("Small round blue cells in neuropil.", [(NEUROPIL, {P})]),
        ("Neuropil-like material: much (20 % of tissue).", [(NEUROPIL, {AB})]),
        ("Large areas of coagulative necrosis.", [(NECROSIS, {AB})]),
        ("The tissue is non-necrotic.", [(NECROSIS, {A})]),
        ("Few mitotic figures.", [(MITOSES, {SC})]),
        ("Few if any mitoses.", [(MITOSES, {SC, A})]),
        ("MKI: low.", [(MKI, {SC})]),
        ("The mitosis-karyorrhexis index is intermediate.", [(MKI, {SO})]),
        ("Ganglion-like cells are few.", [(AMPLE, {SC})]),
        ("No cells with ample cytoplasm.", [(AMPLE, {A})]),
        ("Large nuclei with scant cytoplasm.", [(SIZE, {AB})]),
        ("Many nuclei.", []),
        ("Highly cellular tissue.", [(CELLS, {AB})]),
        ("Schwannian stroma-poor tissue.", [(STROMA, {SC})]),
        ("Blood vessels are many.", []),
        ("Thin fibrous bundles.", [(STROMA, {P})]),
    ],
)
def test_one_finding_with_its_amount(sentence: str, claims: list[tuple[Finding, set[Amount]]]) -> None:
    assert said(sentence) == claims


@pytest.mark.parametrize(
    ("sentence", "claims"),
    [
        ("There is no evidence of necrosis.", [(NECROSIS, {A})]),
        ("Necrosis is not seen.", [(NECROSIS, {A})]),
        ("Necrosis cannot be identified.", [(NECROSIS, {A})]),
        ("Sheets of cells without neuropil.", [(NEUROPIL, {A})]),
        ("Absence of neuropil.", [(NEUROPIL, {A})]),
        ("The field lacks haemorrhage.", [(BLOOD, {A})]),
        ("Neither necrosis nor haemorrhage is seen.", [(NECROSIS, {A}), (BLOOD, {A})]),
        ("No necrosis or hemorrhage.", [(NECROSIS, {A}), (BLOOD, {A})]),
        ("Neuropil and necrosis are absent.", [(NEUROPIL, {A}), (NECROSIS, {A})]),
        ("There is no necrosis, and no haemorrhage.", [(NECROSIS, {A}), (BLOOD, {A})]),
        ("Not found here: necrotic-like debris, blood-like area or pale area.", [(NECROSIS, {A}), (BLOOD, {A})]),
    ],
)
def test_negation_reaches_as_far_as_it_is_meant(sentence: str, claims: list[tuple[Finding, set[Amount]]]) -> None:
    assert said(sentence) == claims


@pytest.mark.parametrize(
    ("sentence", "claims"),
    [
        ("Abundant neuropil and scant necrosis.", [(NEUROPIL, {AB}), (NECROSIS, {SC})]),
        ("Necrosis is absent and neuropil is abundant.", [(NECROSIS, {A}), (NEUROPIL, {AB})]),
        ("The tissue lacks necrosis and shows abundant neuropil.", [(NECROSIS, {A}), (NEUROPIL, {AB})]),
        ("No necrosis but much neuropil.", [(NECROSIS, {A}), (NEUROPIL, {AB})]),
        (
            "Neuropil is abundant, mitoses are rare and necrosis is absent.",
            [(NEUROPIL, {AB}), (MITOSES, {SC}), (NECROSIS, {A})],
        ),
    ],
)
def test_several_claims_keep_their_own_amounts(sentence: str, claims: list[tuple[Finding, set[Amount]]]) -> None:
    assert said(sentence) == claims


@pytest.mark.parametrize(
    "sentence",
    [
        "Necrosis is not extensive.",
        "No extensive necrosis.",
        "Necrosis cannot be excluded.",
        "There may be some necrosis.",
        "Necrosis is possible.",
        "Is there necrosis?",
        "Neuropil is not only abundant.",
        "The picture is suggestive of haemorrhage.",
        "",
        "Lorem ipsum dolor sit amet.",
        "Die Nekrose fehlt.",
    ],
)
def test_what_can_be_read_in_two_ways_claims_nothing(sentence: str) -> None:
    assert said(sentence) == []


@pytest.mark.parametrize(
    ("sentence", "amount"),
    [
        ("Hardly any neuropil is seen.", SC),
        ("There is a paucity of neuropil.", SC),
        ("Neuropil is barely visible.", SC),
        ("Neuropil is virtually nonexistent.", SC),
        ("Neuropil is negligible.", SC),
        ("Almost no neuropil.", SC),
        ("The field is nearly free of neuropil.", SC),
        ("Neuropil is present, though scant.", SC),
        ("Neuropil is present but only focally.", SC),
        ("Neuropil is inapparent.", A),
        ("The following features are not seen: neuropil.", A),
        ("No evidence of: neuropil or rosettes.", A),
        ("Negative findings: neuropil.", A),
        ("Neuropil: absent.", A),
    ],
)
def test_hardly_any_is_not_presence(sentence: str, amount: Amount) -> None:
    assert said(sentence)[0] == (NEUROPIL, {amount})
    assert contradiction(sentence, {1: {"tissue_fraction": 95.0, "neuropil_like_fraction": 1.0}}) == ""


@pytest.mark.parametrize(
    "sentence",
    [
        "Neuropil is reduced.",
        "Neuropil is difficult to discern.",
        "Neuropil is hardly abundant.",
        "Neuropil occupies a minority of the area.",
        "Fibrillary material consistent with neuropil.",
        "A pale area compatible with neuropil is seen.",
        "If this were ganglioneuroma, one would expect: abundant neuropil.",
        "I do not see: extensive neuropil.",
        "Neuropil is extensive in the next field but not here.",
        "Densely packed cells are not seen.",
        "Some nuclei are enlarged.",
        "A few enlarged nuclei stand among the small ones.",
        "Scattered large nuclei.",
        "Cells with small nuclei are few.",
        "Occasional cells have large nuclei.",
        "Lymphocytes have small dark nuclei.",
        "Apoptotic small nuclei.",
        "One cell has a large nucleus.",
    ],
)
def test_what_is_not_understood_claims_nothing(sentence: str) -> None:
    assert said(sentence) == []


def test_a_size_is_that_of_the_tile_s_nuclei_only() -> None:
    assert said("The nuclei are small.") == [(SIZE, {SC})]
    assert said("Most nuclei are large; lymphocytes are few.") == [(SIZE, {AB})]
    assert said("Ganglion cells with large nuclei are scattered.") == [(AMPLE, {P})]


@pytest.mark.parametrize(
    ("sentence", "finding"),
    [
        ("No necrosis, inflammation or haemorrhage.", BLOOD),
        ("Necrosis, inflammation and haemorrhage are absent.", NECROSIS),
        ("No inflammation, necrosis or haemorrhage.", NECROSIS),
        ("No necrosis and neuropil fills the field.", NEUROPIL),
    ],
)
def test_a_denied_list_with_unknown_words_never_turns_into_an_affirmation(sentence: str, finding: Finding) -> None:
    assert all(amounts == {A} for found, amounts in said(sentence) if found is finding)


NOUNS = {
    NEUROPIL: "neuropil",
    NECROSIS: "necrosis",
    BLOOD: "haemorrhage",
    STROMA: "stroma",
    AMPLE: "ganglion-like cells",
}
WORDS = {A: "no", SC: "scant", SO: "some", AB: "abundant"}
AFTER = {A: "absent", SC: "scant", SO: "moderate", AB: "abundant"}
findings = st.sampled_from(list(NOUNS))
amounts = st.sampled_from(list(WORDS))
pairs = st.lists(st.tuples(findings, amounts), min_size=1, max_size=4, unique_by=lambda pair: pair[0])


@given(pairs)
def test_amounts_before_their_findings_come_back(told: list[tuple[Finding, Amount]]) -> None:
    sentence = f"There is {', '.join(f'{WORDS[a]} {NOUNS[f]}' for f, a in told)}."
    assert said(sentence) == [(f, {a}) for f, a in told]


@given(pairs)
def test_amounts_after_a_verb_come_back(told: list[tuple[Finding, Amount]]) -> None:
    sentence = f"{' and '.join(f'{NOUNS[f]} is {AFTER[a]}' for f, a in told)}."
    assert said(sentence) == [(f, {a}) for f, a in told]


@given(
    st.lists(findings, min_size=2, max_size=4, unique=True), st.sampled_from(["no {}", "without {}", "{} are absent"])
)
def test_a_negation_reaches_over_its_whole_list(told: list[Finding], frame: str) -> None:
    names = [NOUNS[f] for f in told]
    sentence = frame.format(f"{', '.join(names[:-1])} or {names[-1]}")
    assert said(sentence) == [(f, {A}) for f in told]


@given(st.text(max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    read_claims(text)


@given(
    st.lists(st.sampled_from(["no", "neuropil", "and", "or", ",", "is", "abundant", "not", "necrosis", "few", "with"]))
)
def test_any_order_of_words_can_be_read(words: list[str]) -> None:
    for claim in read_claims(" ".join(words)):
        assert claim.amounts
