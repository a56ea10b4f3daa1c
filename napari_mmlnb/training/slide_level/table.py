"""Slides with their classes: a CSV with slide, class and patient, all of it checked before anything is learned."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_mmlnb.digest import file_sha256
from napari_mmlnb.errors import MmlnbError, RequestError
from napari_mmlnb.slides.slide import open_slide
from napari_mmlnb.training.class_column import class_counts_note, class_labels
from napari_mmlnb.training.csv_table import Row, read_table, refuse
from napari_mmlnb.training.patients import patient_names
from napari_mmlnb.training.slide_level.cohort import Cohort, CohortSlide
from napari_mmlnb.training.slide_level.config import SlideCohortConfig
from napari_mmlnb.training.splits import SLIDE_PARTS, check_classes, check_parts, split_slides, unused_split_note

NEEDED = ("slide", "class", "patient")
MPP, PART = "mpp", "split"
_SHOWN = 3
_FEW = 0.45


@dataclass(frozen=True)
class SlideCase:
    """One row.

    Parameters
    ----------
    path : Path
        The slide.
    label : int
        Number of its class.
    patient : str
        Whose it is, spelled in one way (`patients.patient_names`).
    line : int
        Of the table, where its row begins.
    mpp : float, optional
        Micrometres per level-0 pixel, where the table says.
    part : str
        Of the cohort; empty where the table does not say.
    told_class : str
        Its class as the table has it: a name, or a number.
    """

    path: Path
    label: int
    patient: str
    line: int
    mpp: float | None
    part: str
    told_class: str = ""


def read_slide_cases(table: Path, class_ids: Sequence[str]) -> tuple[SlideCase, ...]:
    """Read a table of slides. The slides themselves are not opened.

    Parameters
    ----------
    table : Path
        CSV in UTF-8 with a header: `slide` (a path, counted from the table's folder), `class` and `patient`; and if
        wanted `mpp` and `split`.
    class_ids : sequence of str
        A row names one, or, if all rows do, its number in this order.

    Raises
    ------
    RequestError
        If the table cannot be read or lacks a column; or rows name no patient, an unknown class, a slide that is not
        there or that another row names too, or a scale that is none; or patients differ in small and capital letters
        only. Rows are told by their line.
    """
    rows = read_table(table, NEEDED)
    patients = patient_names(rows, table)
    named = {row.line for row, patient in zip(rows, patients, strict=True) if patient}
    refuse(
        rows,
        lambda row: row.line not in named,
        table,
        "name no patient",
        "Fill the column patient; without it nobody can tell whether what is reported was learned.",
    )
    labels = class_labels(rows, class_ids, table)
    refuse(rows, lambda row: not row["slide"], table, "name no slide")
    refuse(
        rows,
        lambda row: not _is_there(table.parent / row["slide"]),
        table,
        "name a slide that is not there",
        "Paths count from the table's folder; does the column slide hold paths?",
    )
    times = Counter((table.parent / row["slide"]).resolve() for row in rows)
    refuse(
        rows,
        lambda row: times[(table.parent / row["slide"]).resolve()] > 1,
        table,
        "name a slide that another row names too",
    )
    refuse(rows, lambda row: not _is_scale(row.get(MPP, "")), table, "have no scale in the column mpp (µm per pixel)")
    return tuple(_case(row, table, label, patient) for row, label, patient in zip(rows, labels, patients, strict=True))


def read_cohort(
    config: SlideCohortConfig, class_ids: tuple[str, ...], base: Path, seed: int, log: Callable[[str], None]
) -> Cohort:
    """The slides of a table, opened once to see that they can be, and split by patient.

    Parameters
    ----------
    config : SlideCohortConfig
        Its table counts from `base`.
    class_ids : tuple of str
        In the order of the labels.
    base : Path
        Folder of the configuration.
    seed : int
        Of the split.
    log : callable
        Told a line at a time.

    Raises
    ------
    RequestError
        As `read_slide_cases` and the splits; and if a slide cannot be opened, has no scale, or is the same as another
        under another name: one of the two might be learned and the other reported.
    """
    table = base / config.table
    cases = read_slide_cases(table, class_ids)
    patients = [case.patient for case in cases]
    if config.split == "given":
        check_parts([case.part for case in cases], patients, SLIDE_PARTS)
        parts = tuple(part for case in cases for part in SLIDE_PARTS if part == case.part)
    else:
        parts = split_slides([case.label for case in cases], patients, class_ids, seed)
    check_classes(parts, [case.label for case in cases], class_ids, SLIDE_PARTS)
    unused = unused_split_note([case.part for case in cases], config.split)
    if unused:
        log(unused)
    contents = _check_slides(cases, table)
    counts = Counter(parts)
    told = ", ".join(f"{counts[part]} {part}" for part in SLIDE_PARTS)
    log(f"{len(cases)} slides of {len(set(patients))} patients; {told}")
    log(class_counts_note([case.told_class for case in cases], [case.label for case in cases], class_ids, "slides"))
    if counts["train"] < _FEW * len(cases):
        log(
            f"only {counts['train']} of {len(cases)} slides are learned from: "
            "the class with the fewest patients sets the parts"
        )
    slides = tuple(
        CohortSlide(case.path, case.label, part, case.patient, f"line {case.line}", content, case.mpp)
        for case, part, content in zip(cases, parts, contents, strict=True)
    )
    card = (
        f"{len(cases)} slides of {len(set(patients))} patients, of a table with SHA-256 {file_sha256(table)}: {told} "
        f"(split: {config.split}). No patient is in two parts."
    )
    return Cohort(slides, card, real=True)


def _check_slides(cases: tuple[SlideCase, ...], table: Path) -> tuple[str, ...]:
    """Open every slide, for hours of work should not end at the last one; and give their fingerprints."""
    problems: dict[int, str] = {}
    seen: dict[str, int] = {}
    contents: list[str] = []
    for case in cases:
        try:
            with open_slide(case.path, mpp=case.mpp) as slide:
                content = slide.fingerprint
        except MmlnbError as error:
            problems[case.line] = error.problem.replace(str(case.path), "it").replace(case.path.name, "it")
            continue
        contents.append(content)
        first = seen.setdefault(content, case.line)
        if first != case.line:
            problems[case.line] = f"It is the slide of line {first} under another name."
    if problems:
        shown = " ".join(f"Line {line}: {why}" for line, why in list(problems.items())[:_SHOWN])
        raise RequestError(
            f"{len(problems)} of {len(cases)} slides of {table.name} cannot be used. {shown}",
            "Mend them or leave them out; a missing scale can be given in the column mpp.",
        )
    return tuple(contents)


def _is_scale(text: str) -> bool:
    if not text:
        return True
    try:
        value = float(text)
    except ValueError:
        return False
    return math.isfinite(value) and value > 0


def _is_there(path: Path) -> bool:
    """Whether a file or folder is; a text that can be no path (too long, with a NUL) names none."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _case(row: Row, table: Path, label: int, patient: str) -> SlideCase:
    mpp = row.get(MPP, "")
    return SlideCase(
        table.parent / row["slide"],
        label,
        patient,
        row.line,
        float(mpp) if mpp else None,
        row.get(PART, ""),
        row["class"],
    )
