"""Which cases are learned from, which choose the epoch, which are reported: never one patient in two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_mmlnb.errors import RequestError

Rows = npt.NDArray[np.int64]

FEWEST_PATIENTS = 3
"""Of a class, so that each part may have one."""
SlidePart = Literal["train", "selection", "calibration", "report"]
SLIDE_PARTS: tuple[SlidePart, ...] = ("train", "selection", "calibration", "report")
"""At slide level: learned from, choosing the epoch, giving temperatures and limits, reported."""
_CUTS: tuple[tuple[SlidePart, int], ...] = (("report", 5), ("calibration", 5), ("selection", 6))
"""Each takes one of so many parts of what the ones before have left: 20, 16, 11 and 53 % of the patients."""

FEW_SLIDE_PATIENTS = 9
"""With fewer of a class these cuts would be coarser for all classes."""
_TRIES = 50

PUBLISHED_SEED = 2024
PUBLISHED_SHARE = 0.2


@dataclass(frozen=True)
class Split:
    """Rows of a cohort.

    Parameters
    ----------
    name : str
        How it was made: "patient", "given" or "image_level_as_published".
    train, selection, report : ndarray
        (n,) int64 rows, in increasing order. In the published split the last two are the same.
    """

    name: str
    train: Rows
    selection: Rows
    report: Rows


def split_by_patient(
    classes: Sequence[int], patients: Sequence[str], class_names: Sequence[str], seed: int, parts: int = 5
) -> Split:
    """A part of all patients to report on, one to select on, the others to learn from; classes in like shares.

    Where a class has fewer patients than `parts`, and another has twice as many, each class is cut by itself: at least
    one patient of the rare class in each part, and the usual shares of the others.

    Parameters
    ----------
    classes : sequence of int
        (n,) class numbers.
    patients : sequence of str
        (n,).
    class_names : sequence of str
        For messages.
    seed : int
        The same seed gives the same split.
    parts : int
        One of so many is reported, one selects.

    Raises
    ------
    RequestError
        If a class has fewer than `FEWEST_PATIENTS` patients: one of the parts could not have it.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415 - the extra `train`

    y, groups = np.asarray(classes, dtype=np.int64), np.asarray(patients)
    counts = _patients(y, groups, class_names, FEWEST_PATIENTS, "to learn, to select and to report on")
    folds = min(parts, *counts)
    if _is_rare(counts, parts):
        report, selection, train = _cut_classes(y, groups, class_names, (1 / parts, 1 / parts), seed)
        return Split("patient", train, selection, report)
    report, rest = _fold(StratifiedGroupKFold(folds, shuffle=True, random_state=seed), y, groups, class_names)
    inner = StratifiedGroupKFold(max(2, folds - 1), shuffle=True, random_state=seed)
    selection, train = (rest[rows] for rows in _fold(inner, y[rest], groups[rest], class_names))
    return Split("patient", np.sort(train), np.sort(selection), np.sort(report))


def split_slides(
    classes: Sequence[int], patients: Sequence[str], class_names: Sequence[str], seed: int
) -> tuple[SlidePart, ...]:
    """The part of each slide; a patient's slides are all in one, and every part has every class.

    Where a class has few patients, and another has twice as many, each class is cut by itself.

    The report is cut off first and the calibration next, so that nothing is chosen or fitted on what is reported, and
    limits are learned on slides that chose nothing.

    Parameters
    ----------
    classes : sequence of int
        (n,) class numbers.
    patients : sequence of str
        (n,).
    class_names : sequence of str
        For messages.
    seed : int
        The same seed gives the same split.

    Raises
    ------
    RequestError
        If a class has fewer patients than there are parts.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415 - the extra `train`

    y, groups = np.asarray(classes, dtype=np.int64), np.asarray(patients)
    counts = _patients(y, groups, class_names, len(SLIDE_PARTS), "to learn, to select, to calibrate and to report on")
    if _is_rare(counts, FEW_SLIDE_PATIENTS):
        return _cut_slides(y, groups, class_names, seed)
    parts: list[SlidePart] = ["train"] * len(y)
    rest = np.arange(len(y))
    for name, of in _CUTS:
        least = min(len(set(groups[rest][y[rest] == number].tolist())) for number in range(len(class_names)))
        folds = StratifiedGroupKFold(max(2, min(of, least)), shuffle=True, random_state=seed)
        cut, kept = _fold(folds, y[rest], groups[rest], class_names)
        for row in rest[cut].tolist():
            parts[row] = name
        rest = np.sort(rest[kept])
    return tuple(parts)


def _is_rare(counts: Sequence[int], least: int) -> bool:
    """Whether a class has so few patients, of so uneven ones, that common folds would be too coarse for the others."""
    return min(counts) < least and max(counts) >= 2 * min(counts)


def _cut_slides(
    classes: Rows, groups: npt.NDArray[np.str_], class_names: Sequence[str], seed: int
) -> tuple[SlidePart, ...]:
    """The parts of slides, cut class by class in the shares of `_CUTS`."""
    left, shares = 1.0, []
    for _, of in _CUTS:
        shares.append(left / of)
        left -= shares[-1]
    parts: list[SlidePart] = ["train"] * len(classes)
    for (name, _), rows in zip(_CUTS, _cut_classes(classes, groups, class_names, shares, seed), strict=False):
        for row in rows.tolist():
            parts[row] = name
    return tuple(parts)


def _cut_classes(
    classes: Rows, groups: npt.NDArray[np.str_], names: Sequence[str], shares: Sequence[float], seed: int
) -> list[Rows]:
    """Rows of a part for each share, and of the rest: shares of each class's patients, at least one of them.

    A patient with several classes is drawn for the rarest of them, and is whole.
    """
    of_class = [sorted(set(groups[classes == number].tolist())) for number in range(len(names))]
    for attempt in range(_TRIES):
        random = np.random.default_rng([seed, attempt])
        part_of: dict[str, int] = {}
        for patients in sorted(of_class, key=len):
            free = [patient for patient in patients if patient not in part_of]
            order = [free[i] for i in random.permutation(len(free))]
            for part, share in enumerate(shares):
                there = sum(part_of.get(patient) == part for patient in patients)
                wanted = max(0, max(1, round(share * len(patients))) - there)
                part_of |= dict.fromkeys(order[:wanted], part)
                order = order[wanted:]
            part_of |= dict.fromkeys(order, len(shares))
        where = np.array([part_of[group] for group in groups.tolist()], dtype=np.int64)
        if len(set(zip(where.tolist(), classes.tolist(), strict=True))) == (len(shares) + 1) * len(names):
            return [np.flatnonzero(where == part).astype(np.int64) for part in range(len(shares) + 1)]
    raise RequestError(
        "The patients cannot be split so that every part has every class.",
        "Some class has few patients, and these have other classes too; add patients, or try another seed.",
    )


def _patients(
    classes: Rows, groups: npt.NDArray[np.str_], names: Sequence[str], fewest: int, for_what: str
) -> list[int]:
    """Patients of each class; refused where a class has fewer than that."""
    counts = [len(set(groups[classes == number].tolist())) for number in range(len(names))]
    for count, name in zip(counts, names, strict=True):
        if count < fewest:
            raise RequestError(
                f"The class {name} has {count} patient{'' if count == 1 else 's'}; at least {fewest} are needed "
                f"{for_what} different ones.",
                "Add patients of this class, or leave the class out.",
            )
    return counts


def _fold(folds: Any, classes: Rows, groups: npt.NDArray[np.str_], names: Sequence[str]) -> tuple[Rows, Rows]:
    """The first fold that has every class on both sides: its rows, and the others."""
    for others, part in folds.split(classes, classes, groups):
        if len(set(classes[part].tolist())) == len(set(classes[others].tolist())) == len(names):
            return part.astype(np.int64), others.astype(np.int64)
    raise RequestError(
        "The patients cannot be split so that every part has every class.",
        "Some class has few patients with many images; add patients, or try another seed.",
    )


def split_as_given(
    parts: Sequence[str], patients: Sequence[str], classes: Sequence[int] = (), class_names: Sequence[str] = ()
) -> Split:
    """The split that the table names, checked.

    Parameters
    ----------
    parts : sequence of str
        (n,) "train", "selection" or "report".
    patients : sequence of str
        (n,).
    classes : sequence of int
        (n,) class numbers; without them nobody looks whether each part has every class.
    class_names : sequence of str
        For messages.

    Raises
    ------
    RequestError
        If a part is unknown or empty or lacks a class, or a patient is in two of them.
    """
    known = ("train", "selection", "report")
    check_parts(parts, patients, known)
    if len(classes) > 0:
        check_classes(parts, classes, class_names, known)
    rows = np.asarray(parts)
    return Split("given", *(np.flatnonzero(rows == name).astype(np.int64) for name in known))


def check_parts(parts: Sequence[str], patients: Sequence[str], known: Sequence[str]) -> None:
    """Check a split that somebody else has made.

    Parameters
    ----------
    parts, patients : sequence of str
        (n,) each.
    known : sequence of str
        The parts that there must be.

    Raises
    ------
    RequestError
        If a part is unknown or empty, or a patient is in two of them.
    """
    strange = sorted(set(parts) - set(known))
    if strange:
        raise RequestError(f"The split names the part {strange[0]!r}; known are {', '.join(known)}.")
    missing = [name for name in known if name not in parts]
    if missing:
        raise RequestError(f"The split has no rows of the part {missing[0]}.")
    where: dict[str, set[str]] = {}
    for part, patient in zip(parts, patients, strict=True):
        where.setdefault(patient, set()).add(part)
    torn = [patient for patient, in_parts in where.items() if len(in_parts) > 1]
    if torn:
        # How many, not who: patients' names do not belong into a log.
        raise RequestError(
            f"{len(torn)} of {len(where)} patients are in more than one part of the split: what is reported would have "
            "been learned.",
            "Put all that is of a patient into one part.",
        )


def check_classes(
    parts: Sequence[str], classes: Sequence[int], class_names: Sequence[str], known: Sequence[str]
) -> None:
    """Refuse a split in which a part lacks a class: it could not be learned, or not be judged.

    Parameters
    ----------
    parts : sequence of str
        (n,).
    classes : sequence of int
        (n,) class numbers.
    class_names : sequence of str
        For the message.
    known : sequence of str
        The parts that there must be.

    Raises
    ------
    RequestError
        With the first part and class.
    """
    found = set(zip(parts, classes, strict=True))
    for part in known:
        for number, name in enumerate(class_names):
            if (part, number) not in found:
                raise RequestError(
                    f"The split has nothing of the class {name} in the part {part}.",
                    f"Every part needs every class, so a class needs at least {len(known)} patients.",
                )


def unused_split_note(parts: Sequence[str], split: str) -> str:
    """What a log should say of a column `split` that is filled and not asked for; empty where all is well.

    Parameters
    ----------
    parts : sequence of str
        (n,) as the table has them; empty where it does not say.
    split : str
        As the configuration has it.
    """
    filled = sum(bool(part) for part in parts)
    if split == "given" or not filled:
        return ""
    return (
        f"the table's column split is filled in {filled} of {len(parts)} rows and is not used: the configuration says "
        f"split: {split}; to use it, write split: given"
    )


def split_as_published(count: int) -> Split:
    """MMLNB's own: 80 to 20 at random over images, seed 2024; the same fifth selects the epoch and is reported.

    Patients are on both sides, so its figures are too good. It is here to repeat the paper, under a name that says so.
    The paper's code draws with its own libraries; these rows need not be the same.

    Raises
    ------
    RequestError
        If there are too few images for a fifth.
    """
    if count < 1 / PUBLISHED_SHARE:
        raise RequestError(f"{count} images are too few to split.")
    order = np.random.default_rng(PUBLISHED_SEED).permutation(count)
    held = round(count * PUBLISHED_SHARE)
    report = np.sort(order[:held]).astype(np.int64)
    return Split("image_level_as_published", np.sort(order[held:]).astype(np.int64), report, report)
