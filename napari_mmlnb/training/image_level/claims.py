"""What an ablation trains, and what it tests: the paper's claims, ours, and those that came as an afterthought.

Many claims tested together find something by chance, so each has a second verdict that knows how many there were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from napari_mmlnb.training.comparison import Difference, Metric, Trial, Verdict, differences
from napari_mmlnb.training.image_level.arms import ARMS, GATE_LAST, PRMF
from napari_mmlnb.training.image_level.config import TextKind
from napari_mmlnb.training.intervals import holm

JUDGED_BY: Metric = "f1"
"""As the paper selects its epochs."""


@dataclass(frozen=True)
class Contender:
    """What is trained: an arm, on one kind of descriptions.

    Parameters
    ----------
    arm : str
        Of `ARMS`.
    text : str
        Key of `AblationConfig.texts`; empty for the descriptions of `data.table`.
    """

    arm: str
    text: TextKind | None = None

    @property
    def name(self) -> str:
        """For files and tables."""
        return self.arm if self.text is None else f"{self.arm}-{self.text}-text"

    @property
    def summary(self) -> str:
        """For a person."""
        summary = ARMS.get(self.arm).summary
        return summary if self.text is None else f"{summary}; {_TEXT_WORDS[self.text]}"


_TEXT_WORDS: dict[TextKind, str] = {
    "untuned": "text of the describing model before its fine-tuning",
    "measured": "measured text in place of generated",
}


Source = Literal["paper", "ours", "exploratory"]
"""Who claims it: the paper; we, of what it leaves open; or we, after a look at the gates of the first run."""


@dataclass(frozen=True)
class Claim:
    """That one contender is better than another."""

    text: str
    better: Contender
    worse: Contender
    source: Source


_PRMF, _GATE_LAST = Contender(PRMF), Contender(GATE_LAST)
_IMAGE, _TEXT, _CONCATENATION = Contender("image-only"), Contender("text-only"), Contender("concatenation")
_UNTUNED, _MEASURED = Contender(PRMF, "untuned"), Contender(PRMF, "measured")
_LAST_UNTUNED, _LAST_MEASURED = Contender(GATE_LAST, "untuned"), Contender(GATE_LAST, "measured")

CLAIMS = (
    Claim("Both modalities are better than the image alone", _PRMF, _IMAGE, "paper"),
    Claim("Both modalities are better than the text alone", _PRMF, _TEXT, "paper"),
    Claim("The describing model's fine-tuning helps", _PRMF, _UNTUNED, "paper"),
    Claim("PRMF is better than concatenation", _PRMF, _CONCATENATION, "paper"),
    Claim("The curriculum helps PRMF", _PRMF, Contender("prmf-no-curriculum"), "ours"),
    Claim("Generated text is better than measured text", _PRMF, _MEASURED, "ours"),
    Claim("PRMF is better when its gate learns last", _GATE_LAST, _PRMF, "exploratory"),
    Claim("Gate last: both modalities are better than the image alone", _GATE_LAST, _IMAGE, "exploratory"),
    Claim("Gate last: both modalities are better than the text alone", _GATE_LAST, _TEXT, "exploratory"),
    Claim("Gate last: the describing model's fine-tuning helps", _GATE_LAST, _LAST_UNTUNED, "exploratory"),
    Claim("Gate last: PRMF is better than concatenation", _GATE_LAST, _CONCATENATION, "exploratory"),
    Claim("Gate last: generated text is better than measured text", _GATE_LAST, _LAST_MEASURED, "exploratory"),
)
"""The paper's three, the first of which takes two comparisons; what they leave open; what our own order changes."""


@dataclass(frozen=True)
class Finding:
    """What came out of a claim.

    Parameters
    ----------
    claim : Claim
        What was tested.
    gain : Difference
        In weighted F1; its verdict is that of the claim by itself.
    p_of_all : float
        Its p as one of all claims that were tested here (Holm).
    """

    claim: Claim
    gain: Difference
    p_of_all: float

    @property
    def verdict_of_all(self) -> Verdict:
        """As one of all claims that were tested here."""
        return self.gain.verdict_at(self.p_of_all)


def findings(trials: Mapping[Contender, Sequence[Trial]]) -> tuple[Finding, ...]:
    """Every claim whose contenders were trained, tested."""
    claims = [claim for claim in CLAIMS if claim.worse in trials]
    gains = [differences(trials[claim.better], trials[claim.worse])[JUDGED_BY] for claim in claims]
    return tuple(map(Finding, claims, gains, holm([gain.p for gain in gains])))
