"""The pairs of image and description that a describing model learns from, checked and split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from napari_mmlnb.digest import file_sha256
from napari_mmlnb.errors import RequestError
from napari_mmlnb.training.describing.class_words import ClassWords, refuse_named
from napari_mmlnb.training.describing.config import DescribingConfig
from napari_mmlnb.training.image_level.table import ImageCase, counts_note, read_cases
from napari_mmlnb.training.splits import Split, split_as_given, split_by_patient, unused_split_note

Log = Callable[[str], None]


@dataclass(frozen=True)
class DescribedCases:
    """A table of image-text pairs.

    Parameters
    ----------
    cases : tuple of ImageCase
        Its rows.
    split : Split
        Which of them are learned from, which choose the epoch, which are reported.
    table_sha256 : str
        Of the table's file.
    naming_a_class : int
        Rows whose description names a class: 0 but where that was allowed.
    """

    cases: tuple[ImageCase, ...]
    split: Split
    table_sha256: str
    naming_a_class: int


def read_described(config: DescribingConfig, base: Path) -> DescribedCases:
    """Read the table that a configuration names, and split it.

    Parameters
    ----------
    config : DescribingConfig
        Its paths count from `base`.
    base : Path
        Folder of the configuration.

    Raises
    ------
    RequestError
        As `read_cases` and the splits; and if a row names no patient, or a description or the prompt names a class.
    """
    words = ClassWords(config.classes)
    asked = words.named(config.prompt)
    if asked:
        raise RequestError(f"The prompt names the class {asked!r}: what is asked would tell what to see.")
    table = base / config.data.table
    cases = read_cases(table, base / config.data.images, tuple(config.classes), class_words="allow")
    if config.class_words == "refuse":
        refuse_named([(case.line, case.description) for case in cases], words, table)
    naming = sum(bool(words.named(case.description)) for case in cases)
    return DescribedCases(cases, _split(config, cases), file_sha256(table), naming)


def table_notes(config: DescribingConfig, cases: tuple[ImageCase, ...]) -> tuple[str, ...]:
    """What the log of a fine-tuning should say of its table: images of each class, and a split that is not used."""
    unused = unused_split_note([case.part for case in cases], config.split)
    return (counts_note(cases, tuple(config.classes)), *([unused] if unused else []))


def _split(config: DescribingConfig, cases: tuple[ImageCase, ...]) -> Split:
    patients, labels = [case.patient for case in cases], [case.label for case in cases]
    if not all(patients):
        raise RequestError(
            f"{patients.count('')} of {len(cases)} rows of the table name no patient.",
            "Fill the column patient; without it nobody can tell whether what is reported was learned.",
        )
    if config.split == "given":
        return split_as_given([case.part for case in cases], patients, labels, tuple(config.classes))
    return split_by_patient(labels, patients, tuple(config.classes), config.seed)
