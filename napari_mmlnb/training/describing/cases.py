"""The pairs of image and description that a describing model learns from, checked and split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from napari_mmlnb.digest import file_sha256
from napari_mmlnb.errors import RequestError
from napari_mmlnb.training.describing.class_words import ClassWords
from napari_mmlnb.training.describing.config import DescribingConfig
from napari_mmlnb.training.image_level.table import ImageCase, read_cases
from napari_mmlnb.training.splits import Split, split_as_given, split_by_patient

Log = Callable[[str], None]
_SHOWN = 5


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
    cases = read_cases(table, base / config.data.images, tuple(config.classes))
    naming = _naming_a_class(cases, words)
    if naming and config.class_words == "refuse":
        raise RequestError(
            f"{len(naming)} of {len(cases)} descriptions in {table.name} name a class: {', '.join(naming[:_SHOWN])}"
            f"{', ...' if len(naming) > _SHOWN else ''}.",
            "Say what is seen and leave the class to the column class; or set class_words: allow, where such a word "
            "is morphology.",
        )
    return DescribedCases(cases, _split(config, cases), file_sha256(table), len(naming))


def _naming_a_class(cases: tuple[ImageCase, ...], words: ClassWords) -> list[str]:
    """Rows that name a class, by their line, each with the word."""
    named = ((case.line, words.named(case.description)) for case in cases)
    return [f"line {line} ({word!r})" for line, word in named if word]


def _split(config: DescribingConfig, cases: tuple[ImageCase, ...]) -> Split:
    patients = [case.patient for case in cases]
    if not all(patients):
        raise RequestError(
            f"{patients.count('')} of {len(cases)} rows of the table name no patient.",
            "Fill the column patient; without it nobody can tell whether what is reported was learned.",
        )
    if config.split == "given":
        return split_as_given([case.part for case in cases], patients)
    return split_by_patient([case.label for case in cases], patients, tuple(config.classes), config.seed)
