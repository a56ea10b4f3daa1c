"""Whether a result still is what was written: record, files, slide and report, one finding each.

Digests show change, not intent: whoever can rewrite the whole folder can rewrite the digests too. What is checked is
that the files of one folder still belong together, and that slide and weights still are the ones that the record
names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import ValidationError

from napari_mmlnb.digest import file_sha256
from napari_mmlnb.errors import MmlnbError, RequestError, SlideNotFoundError
from napari_mmlnb.report.outputs import DIGEST, OUTPUTS, PDF, RESULT, REVIEW
from napari_mmlnb.report.pdf import attached_record, read_attachment
from napari_mmlnb.result import Review, RunResult
from napari_mmlnb.slides.location import Location, RemoteUrl, locate


class CheckStatus(StrEnum):
    """What a check found."""

    OK = "ok"
    CHANGED = "changed"
    MISSING = "missing"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Parameters
    ----------
    name : str
        A file's name, "slide", "weights" or "record in the report".
    status : CheckStatus
        What was found.
    detail : str
        Why, where that is not plain.
    """

    name: str
    status: CheckStatus
    detail: str = ""


@dataclass(frozen=True)
class Verification:
    """All that was looked at.

    Parameters
    ----------
    record : RunResult or None
        The record that was checked against; None where it is damaged beyond reading.
    checks : tuple of Check
        In the order in which a person would ask.
    """

    record: RunResult | None
    checks: tuple[Check, ...]

    @property
    def failures(self) -> tuple[Check, ...]:
        """What is changed or missing."""
        return tuple(check for check in self.checks if check.status in (CheckStatus.CHANGED, CheckStatus.MISSING))

    @property
    def unchanged(self) -> bool:
        """Whether nothing is changed or missing; what could not be checked does not count."""
        return not self.failures


WeightsDigest = Callable[[str], str | None]
"""From a model's name to the digest of its weights as they are now; None where there is no such model here."""


def verify(target: Path, slide: Location | None = None, weights_digest: WeightsDigest | None = None) -> Verification:
    """Check an output folder, or a PDF report.

    A PDF is checked against the `result.json` beside it; alone, only the record attached to it can be read.

    Parameters
    ----------
    target : Path
        A folder that `classify` has written, or a report.
    slide : Path, RemoteUrl or None
        Where the slide lies now; by default where the record says that it lay.
    weights_digest : callable or None
        Asks whoever knows models for the digest of one's weights.

    Returns
    -------
    Verification
        One finding for each thing.

    Raises
    ------
    RequestError
        If `target` is neither such a folder nor such a report.
    SlideNotFoundError
        If `slide` is given and is not there.
    """
    target = Path(target)
    if isinstance(slide, Path) and not slide.exists():
        raise SlideNotFoundError(slide)
    if target.is_dir():
        record, checks = _check_folder(target)
    elif target.is_file() and target.suffix.lower() == ".pdf":
        record, checks = _check_report(target)
    else:
        raise _not_ours(target)
    if record is not None:
        checks += [_check_slide(record, slide), _check_weights(record, weights_digest)]
    return Verification(record, tuple(checks))


def _not_ours(target: Path) -> RequestError:
    return RequestError(
        f"{target} is neither a folder that this program has written nor a report of it.",
        "Give the folder that holds result.json, or the report.pdf.",
    )


def _check_folder(folder: Path) -> tuple[RunResult | None, list[Check]]:
    path = folder / RESULT
    if not path.is_file():
        raise _not_ours(folder)
    of_record = _check_record(folder)
    record = _readable(path)
    if record is None:
        if of_record.status is not CheckStatus.CHANGED:
            raise _not_ours(folder)
        unknown = [Check(name, CheckStatus.NOT_CHECKED, f"{RESULT} cannot be read") for name in OUTPUTS]
        return None, [of_record, *unknown]
    checks = [of_record]
    checks += [_check_file(folder / name, record.outputs.get(name)) for name in OUTPUTS]
    checks += [_check_attached(folder / PDF, record), *_check_review(folder)]
    return record, checks


def _readable(path: Path) -> RunResult | None:
    try:
        return RunResult.from_file(path)
    except (ValidationError, UnicodeDecodeError):
        return None


def _check_record(folder: Path) -> Check:
    try:
        words = (folder / DIGEST).read_text(encoding="ascii").split()
    except FileNotFoundError:
        return Check(RESULT, CheckStatus.MISSING, f"there is no {DIGEST}")
    except (OSError, UnicodeDecodeError):
        words = []
    if not words or words[0] != file_sha256(folder / RESULT):
        return Check(RESULT, CheckStatus.CHANGED, f"it does not have the digest in {DIGEST}")
    return Check(RESULT, CheckStatus.OK)


def _check_file(path: Path, digest: str | None) -> Check:
    if digest is None:
        return Check(path.name, CheckStatus.NOT_CHECKED, "the record holds no digest of it")
    if not path.is_file():
        return Check(path.name, CheckStatus.MISSING)
    if file_sha256(path) != digest:
        return Check(path.name, CheckStatus.CHANGED, f"it does not have the digest in {RESULT}")
    return Check(path.name, CheckStatus.OK)


def _check_attached(path: Path, record: RunResult) -> Check:
    name = "record in the report"
    if not path.is_file():
        return Check(name, CheckStatus.NOT_CHECKED, f"there is no {path.name}")
    text = read_attachment(path)
    if text is None:
        return Check(name, CheckStatus.CHANGED, f"no record is attached to {path.name}")
    if text != attached_record(record).to_json():
        return Check(name, CheckStatus.CHANGED, f"the record attached to {path.name} is not that of {RESULT}")
    return Check(name, CheckStatus.OK)


def _check_review(folder: Path) -> list[Check]:
    """The reader's own decision, where there is one, against the copy in the report."""
    path = folder / REVIEW
    attached = read_attachment(folder / PDF, REVIEW) if (folder / PDF).is_file() else None
    if not path.is_file():
        return [] if attached is None else [Check(REVIEW, CheckStatus.MISSING)]
    if attached is None:
        return [Check(REVIEW, CheckStatus.NOT_CHECKED, "the report was made without it")]
    try:
        same = Review.model_validate_json(path.read_bytes()) == Review.model_validate_json(attached)
    except ValidationError:
        same = False
    return [Check(REVIEW, CheckStatus.OK if same else CheckStatus.CHANGED)]


def _check_report(path: Path) -> tuple[RunResult | None, list[Check]]:
    if (path.parent / RESULT).is_file():
        record = _readable(path.parent / RESULT)
        if record is None:
            return _check_folder(path.parent)
        of_file = _check_file(path, record.outputs.get(PDF))
        return record, [_check_record(path.parent), of_file, _check_attached(path, record)]
    text = read_attachment(path)
    if text is None:
        raise _not_ours(path)
    try:
        record = RunResult.model_validate_json(text)
    except ValidationError as error:
        raise _not_ours(path) from error
    return record, [Check(path.name, CheckStatus.NOT_CHECKED, f"there is no {RESULT} beside it")]


def _check_slide(record: RunResult, slide: Location | None) -> Check:
    from napari_mmlnb.slides.fingerprint import fingerprint  # noqa: PLC0415 - a report loads without any slide reader

    if not record.slide.path and slide is None:
        return Check("slide", CheckStatus.NOT_CHECKED, "the record does not say where it lies")
    path = locate(slide if slide is not None else record.slide.path)
    if isinstance(path, RemoteUrl) and slide is None:
        # What a file that somebody sent says is no reason to ask a server for anything.
        return Check("slide", CheckStatus.NOT_CHECKED, "it lies at a URL: name that with --slide")
    if isinstance(path, Path) and not path.exists():
        return Check("slide", CheckStatus.NOT_CHECKED, "it is no longer where the record says")
    try:
        same = fingerprint(path, record.slide.backend) == record.slide.fingerprint
    except MmlnbError as error:
        return Check("slide", CheckStatus.NOT_CHECKED, error.problem)
    return Check("slide", CheckStatus.OK) if same else Check("slide", CheckStatus.CHANGED, "its fingerprint differs")


def _check_weights(record: RunResult, weights_digest: WeightsDigest | None) -> Check:
    if weights_digest is None:
        return Check("weights", CheckStatus.NOT_CHECKED)
    digest = weights_digest(record.model.name)
    if digest is None:
        return Check("weights", CheckStatus.NOT_CHECKED, f"there is no model {record.model.name} here")
    if digest != record.model.weights_sha256:
        return Check("weights", CheckStatus.CHANGED, f"those of {record.model.name} differ from the ones that ran")
    return Check("weights", CheckStatus.OK)
