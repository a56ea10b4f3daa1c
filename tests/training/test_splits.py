"""No patient is on two sides of a split, and what cannot be split is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_mmlnb.errors import RequestError
from napari_mmlnb.training.splits import (
    SLIDE_PARTS,
    Split,
    split_as_given,
    split_as_published,
    split_by_patient,
    split_slides,
    unused_split_note,
)

NAMES = ("ud", "pd", "d")


def _cohort(seed: int, patients: int) -> tuple[list[int], list[str]]:
    random = np.random.default_rng(seed)
    classes, of = [], []
    for number in range(patients):
        for _ in range(int(random.integers(1, 6))):
            classes.append(number % len(NAMES))
            of.append(f"p{number}")
    order = random.permutation(len(of))
    return [classes[i] for i in order], [of[i] for i in order]


def _patients(split: Split, of: list[str]) -> list[set[str]]:
    return [{of[i] for i in rows} for rows in (split.train, split.selection, split.report)]


@given(seed=st.integers(0, 1000), patients=st.integers(9, 60))
def test_each_patient_is_in_one_part_and_each_part_has_every_class(seed: int, patients: int) -> None:
    classes, of = _cohort(seed, patients)
    split = split_by_patient(classes, of, NAMES, seed)
    train, selection, report = _patients(split, of)
    assert not train & selection
    assert not train & report
    assert not selection & report
    assert sorted([*split.train, *split.selection, *split.report]) == list(range(len(of)))
    for rows in (split.train, split.selection, split.report):
        assert {classes[i] for i in rows} == {0, 1, 2}
    again = split_by_patient(classes, of, NAMES, seed)
    assert (again.report == split.report).all()


def test_about_a_fifth_of_a_large_cohort_is_reported() -> None:
    classes, of = _cohort(0, 150)
    split = split_by_patient(classes, of, NAMES, 0)
    assert len(split.report) / len(of) == pytest.approx(0.2, abs=0.05)
    assert len(split.selection) / len(of) == pytest.approx(0.2, abs=0.05)


def _uneven(*sizes: int) -> tuple[list[int], list[str]]:
    return (
        [number for number, size in enumerate(sizes) for _ in range(2 * size)],
        [f"c{number}-{i // 2}" for number, size in enumerate(sizes) for i in range(2 * size)],
    )


def test_a_rare_class_does_not_take_the_learning_from_the_others() -> None:
    classes, of = _uneven(150, 150, 3)
    split = split_by_patient(classes, of, NAMES, 0)
    assert [len(part) for part in _patients(split, of)] == [181, 61, 61]
    for rows in (split.train, split.selection, split.report):
        assert len({of[i] for i in rows if classes[i] == 2}) == 1
    again = split_by_patient(classes, of, NAMES, 0)
    assert all((a == b).all() for a, b in ((split.train, again.train), (split.report, again.report)))
    assert set(split.report.tolist()) != set(split_by_patient(classes, of, NAMES, 1).report.tolist())


def test_a_rare_class_leaves_slides_to_learn_from() -> None:
    classes, of = _uneven(100, 100, 4)
    parts = split_slides(classes, of, NAMES, 0)
    shares = {part: parts.count(part) / len(parts) for part in SLIDE_PARTS}
    assert shares == pytest.approx({"train": 0.53, "selection": 0.11, "calibration": 0.16, "report": 0.2}, abs=0.03)
    assert sorted(part for part, c in zip(parts, classes, strict=True) if c == 2) == sorted(SLIDE_PARTS * 2)


@given(st.integers(0, 1000), st.integers(3, 4), st.integers(8, 40))
@settings(max_examples=40, deadline=None)
def test_a_patient_with_two_classes_stays_whole_where_one_is_rare(seed: int, rare: int, common: int) -> None:
    classes, of = _uneven(common, common + 1, rare)
    classes, of = [*classes, 1, 2], [*of, "both", "both"]
    split = split_by_patient(classes, of, NAMES, seed)
    train, selection, report = _patients(split, of)
    assert not train & selection and not train & report and not selection & report
    assert sorted([*split.train, *split.selection, *split.report]) == list(range(len(of)))
    for rows in (split.train, split.selection, split.report):
        assert {classes[i] for i in rows} == {0, 1, 2}


def test_the_splits_of_equal_classes_stay_what_they_were() -> None:
    """What was published in the documents rests on them."""
    classes = [c for c in range(3) for _ in range(30)]
    reports = [split_by_patient(classes, [f"phantom-{i}" for i in range(90)], NAMES, seed).report for seed in (1, 2)]
    assert [rows.tolist()[:4] for rows in reports] == [[1, 6, 14, 24], [8, 11, 12, 13]]


@pytest.mark.parametrize("count", [1, 2])
def test_a_class_with_too_few_patients_is_refused_by_name(count: int) -> None:
    classes, of = _cohort(0, 30)
    for number in range(count):
        classes += [3, 3]
        of += [f"q{number}"] * 2
    with pytest.raises(RequestError, match=rf"The class rare has {count} patient"):
        split_by_patient(classes, of, (*NAMES, "rare"), 0)


def test_a_split_that_tears_a_patient_apart_is_refused_without_naming_anybody() -> None:
    parts = ["train", "train", "selection", "report"]
    assert split_as_given(parts, ["Ann", "Ann", "Bob", "Eve"]).train.tolist() == [0, 1]
    with pytest.raises(RequestError, match="1 of 3 patients") as refused:
        split_as_given(parts, ["Ann", "Bob", "Ann", "Eve"])
    assert "Ann" not in str(refused.value)


@pytest.mark.parametrize(
    ("parts", "said"), [(["train", "test"], "'test'"), (["train", "train", "report"], "no rows of the part selection")]
)
def test_a_split_with_strange_or_missing_parts_is_refused(parts: list[str], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        split_as_given(parts, [str(i) for i in range(len(parts))])


def test_every_given_part_needs_every_class() -> None:
    parts, patients = ["train", "selection", "report"] * 2, list("abcdef")
    assert split_as_given(parts, patients, [0, 0, 0, 1, 1, 1], ("pd", "d")).report.tolist() == [2, 5]
    with pytest.raises(RequestError, match="nothing of the class d in the part report") as caught:
        split_as_given(parts, patients, [0, 0, 0, 1, 1, 0], ("pd", "d"))
    assert "at least 3 patients" in caught.value.remedy


def test_a_column_that_is_not_used_is_told() -> None:
    assert "filled in 2 of 3 rows and is not used" in unused_split_note(["train", "", "report"], "patient")
    assert unused_split_note(["train", "report"], "given") == ""
    assert unused_split_note(["", ""], "patient") == ""


def test_the_published_split_says_what_it_is() -> None:
    split = split_as_published(7500)
    assert split.name == "image_level_as_published"
    assert (len(split.train), len(split.report)) == (6000, 1500)
    assert (split.selection == split.report).all()
    assert not set(split.train) & set(split.report)
    with pytest.raises(RequestError, match="too few"):
        split_as_published(3)


@given(st.integers(0, 1000), st.integers(15, 60))
@settings(max_examples=40, deadline=None)
def test_slides_of_a_patient_are_in_one_part_and_every_part_has_every_class(seed: int, patients: int) -> None:
    classes, of = _cohort(seed, patients)
    parts = split_slides(classes, of, NAMES, seed)
    assert parts == split_slides(classes, of, NAMES, seed)
    where: dict[str, set[str]] = {}
    for part, patient in zip(parts, of, strict=True):
        where.setdefault(patient, set()).add(part)
    assert all(len(found) == 1 for found in where.values())
    for part in SLIDE_PARTS:
        assert {c for c, p in zip(classes, parts, strict=True) if p == part} == {0, 1, 2}, part


def test_four_patients_of_each_class_are_enough_for_slides_and_three_are_not() -> None:
    def cohort(patients: int) -> tuple[list[int], list[str]]:
        return [n % 3 for n in range(patients)], [f"p{n}" for n in range(patients)]

    assert sorted(split_slides(*cohort(12), NAMES, 0)) == sorted(SLIDE_PARTS * 3)
    with pytest.raises(RequestError, match=r"The class d has 3 patients; at least 4 .* to calibrate"):
        split_slides(*cohort(11), NAMES, 0)


def test_most_patients_are_learned_from() -> None:
    classes, of = [n % 3 for n in range(300)], [f"p{n}" for n in range(300)]
    parts = split_slides(classes, of, NAMES, 0)
    shares = {part: parts.count(part) / len(parts) for part in SLIDE_PARTS}
    assert shares == pytest.approx({"train": 0.53, "selection": 0.11, "calibration": 0.16, "report": 0.2}, abs=0.03)
