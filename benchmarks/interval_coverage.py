"""Whether an interval holds the truth as often as it says, and how often a claim without a truth is found to hold.

Run: python benchmarks/interval_coverage.py [--cohorts 400] [--ablations 300] [--json OUT]

Prints, for made-up classifiers of three classes that are right in about 67, 87 and 97 % of cases, in how many of so
many made-up cohorts the 95 % interval of each metric holds its true value (that of 60 000 cases), beside the bound:
of few patients and many, of one image each and of several that are alike, of classes of like size and of unlike.

Then, for ablations in which no arm is better than another, in how many of them the claim that one is gets a verdict:
at most 5 % should. 90 patients of three classes with three images each, patients who are harder for one arm than for
the other, and trainings that differ by a standard deviation of accuracy; each training reports on 18 patients of its
own, or all report on the same 18. Verdicts are counted also of fewer trainings than the program gives one for.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.stats import norm

from napari_mmlnb.training.comparison import LEVEL, Trial, differences
from napari_mmlnb.training.scores import score, score_with_intervals

CLASSES = 3
BOUND = 0.90
"""Of the coverage, where 95 % are promised: what chance in 400 cohorts and few patients may take."""
FALSE_AT_MOST = 0.08
"""Of verdicts, where 5 % are promised: what chance in 300 ablations may add."""
SKILLS = (0.9, 1.8, 2.8)
COHORTS: tuple[tuple[tuple[int, ...], int], ...] = (
    ((1, 1, 1), 1),
    ((2, 2, 2), 1),
    ((4, 4, 4), 1),
    ((8, 8, 8), 1),
    ((20, 20, 20), 1),
    ((6, 6, 6), 3),
    ((8, 8, 8), 10),
    ((20, 20, 20), 3),
    ((10, 10, 1), 1),
    ((20, 5, 2), 3),
)
TRAININGS, SPREADS = (2, 5, 10), (0.02, 0.1, 0.2)
ALIKE = 0.5
"""Share of the noise that the images of a patient have in common."""


@dataclass(frozen=True)
class Coverage:
    """Share of the cohorts whose interval holds the truth, by metric, and how wide it is in the mean."""

    patients: tuple[int, ...]
    images: int
    accuracy: float
    held: dict[str, float]
    width: dict[str, float]


@dataclass(frozen=True)
class FalseVerdicts:
    """Share of ablations without a difference in which one is found."""

    same_patients: bool
    spread: float
    trainings: int
    found: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", type=int, default=400)
    parser.add_argument("--ablations", type=int, default=300)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    covered, found = [], []
    for one in coverages(asked.cohorts):
        covered.append(one)
        shares = " ".join(f"{name} {share:.0%}" for name, share in one.held.items())
        kind = f"{one.patients} patients, {one.images} images each, accuracy {one.accuracy:.2f}"
        print(f"{kind}: {shares} (bound {BOUND:.0%}; accuracy's width {one.width['accuracy']:.2f})", flush=True)
    for verdicts in false_verdicts(asked.ablations):
        found.append(verdicts)
        kind = "the same patients" if verdicts.same_patients else "patients of its own each"
        what = f"{verdicts.trainings} trainings on {kind}, spread {verdicts.spread}"
        print(f"{what}: {verdicts.found:.1%} false verdicts (bound {FALSE_AT_MOST:.0%})", flush=True)
    if asked.json:
        told = {"coverage": [asdict(one) for one in covered], "false_verdicts": [asdict(one) for one in found]}
        asked.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def coverages(cohorts: int) -> Iterator[Coverage]:
    """Of every kind of cohort."""
    random = np.random.default_rng(1)
    for skill in SKILLS if cohorts else ():
        for patients, images in COHORTS:
            many = [max(1, 60_000 // (images * sum(patients))) * count for count in patients]
            truth, p, _ = _answers(many, images, skill, random)
            true = asdict(score(truth, p))
            held, width = dict.fromkeys(true, 0.0), dict.fromkeys(true, 0.0)
            for number in range(cohorts):
                labels, said, groups = _answers(patients, images, skill, random)
                report = score_with_intervals(labels, said, groups, rounds=200, seed=number)
                for name, one in report.intervals.items():
                    held[name] += (one.low - 1e-9 <= true[name] <= one.high + 1e-9) / cohorts
                    width[name] += (one.high - one.low) / cohorts
            yield Coverage(patients, images, true["accuracy"], held, width)


def _answers(
    patients: Sequence[int], images: int, skill: float, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Classes, probabilities and patients: the farther a class is from the true one, the less likely it is said."""
    truth = np.repeat(np.repeat(np.arange(CLASSES), patients), images)
    groups = np.arange(sum(patients)).repeat(images)
    shared = ALIKE if images > 1 else 0.0
    noise = np.sqrt(shared) * random.standard_normal((sum(patients), CLASSES))[groups]
    noise += np.sqrt(1 - shared) * random.standard_normal((len(truth), CLASSES))
    p = np.exp(noise - skill * np.abs(np.arange(CLASSES) - truth[:, None]))
    return truth, p / p.sum(axis=1, keepdims=True), groups.tolist()


def false_verdicts(ablations: int) -> Iterator[FalseVerdicts]:
    """Of every number of trainings, and however much they differ."""
    random = np.random.default_rng(2)
    for same in (False, True) if ablations else ():
        for spread in SPREADS:
            for trainings in TRAININGS:
                found = 0
                for number in range(ablations):
                    one, other = _arms(trainings, spread, same, random)
                    found += differences(one, other, rounds=200, seed=number)["f1"].p < LEVEL
                yield FalseVerdicts(same, spread, trainings, found / ablations)


def _arms(
    trainings: int, spread: float, same_patients: bool, random: np.random.Generator
) -> tuple[list[Trial], list[Trial]]:
    """Two arms, right in 70 % of cases in the mean, that lean to other patients."""
    classes = np.repeat(np.arange(CLASSES), 30)
    hard, leaning = 0.7 * random.standard_normal(90), 0.5 * random.standard_normal((2, 90))
    arms: tuple[list[Trial], list[Trial]] = ([], [])
    reported = _reported(classes, random)
    for _ in range(trainings):
        if not same_patients:
            reported = _reported(classes, random)
        rows = reported.repeat(3)
        for arm, trials in enumerate(arms):
            right = norm.ppf(np.clip(random.normal(0.7, spread), 0.05, 0.98)) * np.sqrt(1 + 0.7**2 + 0.5**2)
            luck = right + hard[rows] + leaning[arm][rows] + random.standard_normal(len(rows))
            wrong = (classes[rows] + random.integers(1, CLASSES, len(rows))) % CLASSES
            said = np.where(luck > 0, classes[rows], wrong)
            trials.append(Trial(classes[rows], 0.1 + 0.7 * np.eye(CLASSES)[said], tuple(map(str, rows))))
    return arms


def _reported(classes: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """18 patients, six a class."""
    return np.concatenate([random.permutation(np.flatnonzero(classes == k))[:6] for k in range(CLASSES)])


if __name__ == "__main__":
    main()
