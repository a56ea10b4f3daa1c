"""What may leave the program: no path or file name of a slide, and no class where the run abstained.

`result.json` stays on the user's own disk and says where the slide lies. The PDF, with the record attached to it, and
the GeoJSON are made to be passed on, and a file's name is often a patient's. They are therefore made from `shareable`
only.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from napari_mmlnb.result import RunResult

WITHHELD = "(withheld)"

# Where somebody else's words may stand. Ids, digests and keys are the program's own and stay as they are.
_FREE_TEXT = ("abstain_reasons", "evidence", "description", "generated", "clinical", "inpc", "settings")

# A setting that holds a path or the name of a file. Versions (1.0.2), units (um/px) and types (torch.float16) do not
# match.
_PATH = re.compile(
    r"^(?:file://|/|~|\.{1,2}[/\\]|[A-Za-z]:[/\\]|\\\\)"
    r"|[^/\\]\.(?:[A-Za-z][A-Za-z0-9]{1,3}|geojson|safetensors)$"
    r"|[/\\].*[/\\]"
)


def shareable(result: RunResult) -> RunResult:
    """The record as it may be passed on.

    Empty path; every mention of the slide's path or file name, and every setting that looks like a path, withheld. Of
    an abstained run also no probabilities, no prediction set, no contributions, no trust in the text: they are not to
    be shown.

    Parameters
    ----------
    result : RunResult
        As the run made it.

    Returns
    -------
    RunResult
        Without rasters.
    """
    data = result.model_dump(by_alias=True)
    secrets = _secrets(result.slide.path)
    data.update({name: _cleared(data[name], secrets) for name in _FREE_TEXT})
    data["slide"].update(path="", mpp_source=_cleared(data["slide"]["mpp_source"], secrets))
    data["model"]["notice"] = _cleared(data["model"]["notice"], secrets)
    data["settings"] = _without_paths(data["settings"])
    if result.decision == "abstain":
        data.update(classes=(), probabilities=None, prediction=None, prediction_set=(), text_trust=None, inpc=None)
        for evidence in data["evidence"]:
            evidence["contribution"] = {}
    return RunResult.model_validate(data)


def _secrets(path: str) -> tuple[str, ...]:
    """The spellings of a path that must not appear, longest first. A bare word stays: it may be a common one."""
    pure = PureWindowsPath(path) if "\\" in path else PurePosixPath(path)
    names = {path, pure.as_posix(), pure.name}
    telling = (name for name in names if len(name) > 1 and (set(name) & {"/", "\\"} or pure.suffix))
    return tuple(sorted(telling, key=len, reverse=True))


def _cleared(value: Any, secrets: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, WITHHELD)
        return value
    if isinstance(value, dict):
        return {key: _cleared(item, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_cleared(item, secrets) for item in value)
    return value


def _without_paths(value: Any) -> Any:
    if isinstance(value, str):
        return WITHHELD if _PATH.search(value) else value
    if isinstance(value, dict):
        return {key: _without_paths(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_paths(item) for item in value]
    return value
