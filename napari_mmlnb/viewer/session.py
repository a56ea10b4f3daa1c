"""What the workspace knows of one open slide: the run's record and the reader's draft. No Qt here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from napari_mmlnb.result import Review, RunResult
from napari_mmlnb.slides.icc import Colours

if TYPE_CHECKING:
    from napari_mmlnb.slides.slide import Slide
    from napari_mmlnb.viewer.tissue_layer import TissueOutline


@dataclass(frozen=True)
class ReviewDraft:
    """What the reader has typed so far; it starts empty and is never filled from the model's answer.

    Parameters
    ----------
    reader : str
        Name or initials.
    decision : str
        A class id, or free text.
    reason : str
        Why, in the reader's words.
    """

    reader: str = ""
    decision: str = ""
    reason: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been typed."""
        return not (self.reader.strip() or self.decision.strip() or self.reason.strip())


@dataclass
class Session:
    """One open slide with all that belongs to it.

    Parameters
    ----------
    slide : Slide
        The open slide.
    result : RunResult or None
        The last finished run on it.
    draft : ReviewDraft
        The reader's own decision so far.
    attention_asked_for : bool
        Whether the reader has asked to see the attention of an abstained run.
    tissue_asked_for : bool
        Whether the outline of the tissue is to be shown.
    tissue : TissueOutline or None
        The outline, once it has been found.
    colours : {"raw", "srgb"}
        How the slide is shown; runs always see the pixels as stored.
    """

    slide: Slide
    result: RunResult | None = None
    draft: ReviewDraft = field(default_factory=ReviewDraft)
    attention_asked_for: bool = False
    tissue_asked_for: bool = False
    tissue: TissueOutline | None = None
    colours: Colours = "raw"

    def finish(self, result: RunResult) -> None:
        """Take the record of a run; attention of an abstained one has to be asked for anew."""
        self.result = result
        self.attention_asked_for = False

    def add_words(self, result: RunResult) -> None:
        """Take the record of the run that is shown already, with the words that a describing model has added."""
        self.result = result

    @property
    def abstained(self) -> bool:
        """Whether the last run named no class."""
        return self.result is not None and self.result.decision == "abstain"

    def review(self) -> Review | None:
        """The reader's decision as it is saved; None while nothing has been typed."""
        if self.draft.is_empty:
            return None
        return Review(
            reader=self.draft.reader.strip(),
            decision=self.draft.decision.strip(),
            reason=self.draft.reason.strip(),
            run_id=self.result.run_id if self.result else "",
            created=datetime.now(UTC),
        )
