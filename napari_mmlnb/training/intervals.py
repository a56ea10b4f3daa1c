"""How far chance may have moved a figure: over patients, over trainings, over many claims.

Patients are drawn, not images, and class by class, so that no class vanishes. A metric near its bound, or of few
patients, has no use for percentiles of such draws: where all is right, every draw is right, and the interval would say
certainty. So the draws give a variance only; from it follows how many independent patients would leave so much to
chance, and the interval is Wilson's at that number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

COVERAGE = 0.95


@dataclass(frozen=True)
class Interval:
    """Where a figure lies with `COVERAGE` confidence; both NaN where that cannot be told."""

    low: float
    high: float


UNKNOWN = Interval(float("nan"), float("nan"))


def draw_patients(classes: IntArray, rounds: int, random: np.random.Generator) -> FloatArray:
    """How much each patient counts in each round.

    Gamma weights (Bayesian bootstrap, Rubin, Ann. Stat. 9, 1981), within each class, with the shape that gives the
    unbiased variance, as drawing one patient fewer than there are does (Rao and Wu, J. Am. Stat. Assoc. 83, 1988). No
    weight is 0, so every round has every class. A class of one patient has nothing to draw: it counts 1 throughout.

    Parameters
    ----------
    classes : ndarray
        (P,) class number of each patient.
    rounds : int
        R.
    random : Generator
        Drawn from.

    Returns
    -------
    ndarray
        (R, P); those of a class are their number in sum.
    """
    weights = np.ones((rounds, len(classes)))
    for number in np.unique(classes):
        members = np.flatnonzero(classes == number)
        if (count := len(members)) > 1:
            drawn = random.gamma(max((count - 2) / count, _LEAST_SHAPE), size=(rounds, count)) + _TINY
            weights[:, members] = drawn * count / drawn.sum(axis=1, keepdims=True)
    return weights


_LEAST_SHAPE, _TINY = 0.1, 1e-12


def score_interval(value: float, variance: float, most: float, otherwise: float, freedom: float) -> Interval:
    """Wilson's interval (J. Am. Stat. Assoc. 22, 1927) of a figure from 0 to 1, at its effective number of patients.

    The effective number is that of a share with this variance (Kish, Survey Sampling, 1965); t in place of the normal
    quantile, since the variance is an estimate too (after Korn and Graubard, Surv. Methodol. 24, 1998). That the same
    is done for metrics that are no shares is our own design; `benchmarks/interval_coverage.py` measures what it is
    worth.

    Parameters
    ----------
    value, variance : float
        What was measured, 0 to 1, and its variance.
    most : float
        The effective number is never above it: the cases.
    otherwise : float
        The number where the variance is 0, as where all is right: the patients.
    freedom : float
        Degrees of freedom of the variance.
    """
    if not np.isfinite([value, variance]).all():
        return UNKNOWN
    spread = value * (1 - value)
    number = min(most, spread / variance) if variance > _NOTHING and spread > _NOTHING else otherwise
    t2 = _quantile(freedom) ** 2
    middle = (value + t2 / (2 * number)) / (1 + t2 / number)
    half = float(np.sqrt(t2 * (spread / number + t2 / (4 * number**2)))) / (1 + t2 / number)
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


_NOTHING = 1e-12


def _quantile(freedom: float) -> float:
    return float(stats.t.ppf((1 + COVERAGE) / 2, max(freedom, 1.0)))


@dataclass(frozen=True)
class CrossedVariance:
    """The variance of a mean over trainings that report on patients: both would be others another time.

    After Obuchowski and Rockette (Commun. Stat. Simul. Comput. 24, 1995), whose readers are our trainings and whose
    cases are our patients: the variance between trainings, by their number, and the covariance that they have because
    they report on the same patients, which more trainings do not lessen. Where each training reports on patients of its
    own, that covariance is near 0. A few trainings can lie close together by luck: the variance between them is never
    taken as less than what the patients of each alone leave to chance.

    Parameters
    ----------
    trainings : float
        Share of the variance that more trainings would lessen.
    patients : float
        Share that they would not; never below 0.
    freedom : float
        Degrees of freedom (Hillis, Stat. Med. 26, 2007).
    """

    trainings: float
    patients: float
    freedom: float

    @property
    def total(self) -> float:
        """Of the mean."""
        return self.trainings + self.patients


def crossed_variance(values: FloatArray, drawn: FloatArray) -> CrossedVariance:
    """From (S,) values of the trainings, S at least 2, and (R, S) of the same on drawn patients."""
    count = len(values)
    covariance = np.cov(drawn, rowvar=False)
    alone = float(np.trace(covariance)) / count
    patients = max(0.0, float(covariance.sum() - np.trace(covariance)) / (count * (count - 1)))
    trainings = max(float(np.var(values, ddof=1)), alone - patients) / count
    if trainings <= _NOTHING:
        return CrossedVariance(0.0, patients, float(len(drawn)))
    return CrossedVariance(trainings, patients, (trainings + patients) ** 2 / (trainings**2 / (count - 1)))


def difference_interval(mean: float, variance: CrossedVariance) -> tuple[Interval, float]:
    """The t interval of a difference, and p, two-sided, of there being none.

    Where nothing varies there is no interval: p is 1 without a difference, and NaN with one.
    """
    if variance.total <= _NOTHING:
        return UNKNOWN, 1.0 if abs(mean) <= _NOTHING else float("nan")
    error = float(np.sqrt(variance.total))
    half = _quantile(variance.freedom) * error
    p = 2 * float(stats.t.sf(abs(mean) / error, variance.freedom))
    return Interval(mean - half, mean + half), p


def holm(p_values: Sequence[float]) -> list[float]:
    """P values of claims that were tested together, so that one in twenty *families* has a false one.

    Holm, Scand. J. Stat. 6, 1979. NaN counts as tested, and stays NaN.
    """
    order = np.argsort(p_values)  # NaN comes last
    raised = np.asarray(p_values, dtype=np.float64)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(raised))
    return [float(p) for p in adjusted]
