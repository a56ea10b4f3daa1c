"""The held-out part before and after: what the true answers cost, and what is written about the images."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from napari_mmlnb.training.describing.class_words import ClassWords
from napari_mmlnb.training.describing.loop import TokenLosses
from napari_mmlnb.training.describing.speaking import Said
from napari_mmlnb.training.describing.text_metrics import faults, rouge_l, sentence_f1, token_f1
from napari_mmlnb.training.scores import COVERAGE, ROUNDS

FloatArray = npt.NDArray[np.float64]

_LEAST_PATIENTS = 3

COMPARED: Mapping[str, Callable[[str, str], float]] = {
    "token_f1": token_f1,
    "rouge_l": rouge_l,
    "sentence_f1": sentence_f1,
}


@dataclass(frozen=True)
class HeldOut:
    """What a model made of the held-out part.

    Parameters
    ----------
    losses : TokenLosses
        Of all its cases.
    texts : tuple of Said
        About those that were described.
    """

    losses: TokenLosses
    texts: tuple[Said, ...]

    def write(self, path: Path, digest: str) -> None:
        """Keep it, for a fine-tuning that goes on."""
        told = {
            "digest": digest,
            "loss": self.losses.loss.tolist(),
            "tokens": self.losses.tokens.tolist(),
            "texts": [asdict(said) for said in self.texts],
        }
        path.write_text(json.dumps(told), encoding="utf-8")


def read_held_out(path: Path, digest: str) -> HeldOut | None:
    """What was kept of the same thing; None where there is nothing."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told["digest"] != digest:
            return None
        losses = TokenLosses(np.array(told["loss"]), np.array(told["tokens"], dtype=np.int64))
        return HeldOut(losses, tuple(Said(**said) for said in told["texts"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True)
class Comparison:
    """Measures what a model made of the held-out part, with intervals over patients.

    Parameters
    ----------
    truths : sequence of str
        Of the cases that were described.
    patients : sequence of str
        Of all held-out cases.
    described : ndarray
        Which of those were described: places in `patients`.
    class_words : ClassWords
        To find texts that name a class.
    seed : int
        Of the bootstrap.
    """

    truths: Sequence[str]
    patients: Sequence[str]
    described: npt.NDArray[np.int64]
    class_words: ClassWords
    seed: int

    def told(self, before: HeldOut, after: HeldOut) -> dict[str, Any]:
        """All figures of both, and how much better the second is, in pairs.

        Intervals are t intervals with the deviation of a bootstrap over patients: its percentiles promise too much
        where patients are few.
        """
        draws, patients = self._draws(), len(set(self.patients))
        values = {name: self._values(one, draws) for name, one in (("before", before), ("after", after))}
        return {
            **{
                name: {
                    **_figures(mine, patients),
                    "perplexity": _perplexity(mine["loss"], patients),
                    **self._faults(one),
                }
                for (name, mine), one in zip(values.items(), (before, after), strict=True)
            },
            "gain": _figures(
                {name: values["after"][name] - drawn for name, drawn in values["before"].items()}, patients
            ),
        }

    def _draws(self) -> npt.NDArray[np.int64]:
        """(ROUNDS + 1, n) how often each held-out case counts; the first row is what was measured."""
        numbers = {patient: number for number, patient in enumerate(dict.fromkeys(self.patients))}
        of_case = np.array([numbers[patient] for patient in self.patients])
        random = np.random.default_rng(self.seed)
        drawn = random.multinomial(len(numbers), np.full(len(numbers), 1 / len(numbers)), size=ROUNDS)
        return np.concatenate([np.ones((1, len(of_case)), np.int64), drawn[:, of_case]])

    def _values(self, one: HeldOut, draws: npt.NDArray[np.int64]) -> dict[str, FloatArray]:
        """(ROUNDS + 1,) values of every figure."""
        of_texts = draws[:, self.described]
        scores = {
            name: np.array([compare(said.text, truth) for said, truth in zip(one.texts, self.truths, strict=True)])
            for name, compare in COMPARED.items()
        }
        return {
            "loss": _ratio(draws @ one.losses.loss, draws @ one.losses.tokens),
            **{name: _ratio(of_texts @ each, of_texts.sum(axis=1)) for name, each in scores.items()},
        }

    def _faults(self, one: HeldOut) -> dict[str, Any]:
        found = [
            faults(said.text, finished=said.finished, class_word=self.class_words.named(said.text))
            for said in one.texts
        ]
        return {
            "faulty_share": sum(map(bool, found)) / len(found),
            "empty_share": sum("empty" in one for one in found) / len(found),
            "faults": dict(Counter(fault for of_text in found for fault in of_text)),
        }


def _figures(values: Mapping[str, FloatArray], patients: int) -> dict[str, Any]:
    return {name: {"value": float(drawn[0]), "interval": _interval(drawn, patients)} for name, drawn in values.items()}


def _perplexity(losses: FloatArray, patients: int) -> dict[str, Any]:
    bounds = _interval(losses, patients)
    return {"value": float(np.exp(losses[0])), "interval": bounds and [float(np.exp(bound)) for bound in bounds]}


def _interval(drawn: FloatArray, patients: int) -> list[float] | None:
    """Of a value and what it was in each round; None where there is none: of too few patients, or nothing varies."""
    value, rounds = drawn[0], drawn[1:][np.isfinite(drawn[1:])]
    if patients < _LEAST_PATIENTS or len(rounds) < len(drawn) / 2 or np.ptp(rounds) == 0:
        return None
    # Drawing as many patients as there are makes the variance too small by one patient's share.
    deviation = float(rounds.std()) * np.sqrt(patients / (patients - 1))
    half = float(stats.t.ppf((1 + COVERAGE) / 2, patients - 1)) * deviation
    return [float(value - half), float(value + half)]


def _ratio(part: FloatArray, whole: npt.NDArray[Any]) -> FloatArray:
    ratio = np.full(len(part), np.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio
