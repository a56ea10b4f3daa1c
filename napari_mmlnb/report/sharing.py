"""What may leave the program: no path, no file name of a slide, and no class where the run abstained.

`result.json` stays on the user's own disk and says where the slide lies. The PDF, with the record attached to it, and
the GeoJSON are made to be passed on, and a file's name is often a patient's. They are therefore made from `shareable`
only.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from napari_mmlnb.report.paths import WITHHELD, is_path, last_part, without_paths
from napari_mmlnb.result import RunResult

# Where somebody else's words may stand. Ids, digests and keys are the program's own and stay as they are.
_FREE_TEXT = ("abstain_reasons", "evidence", "description", "generated", "clinical", "inpc", "settings")

# Which model was asked: servers call one by the path of its file, a folder is its own name.
_MODEL_SETTINGS = ("describer_shown", "describer_server_model")


def shareable(result: RunResult) -> RunResult:
    """The record as it may be passed on.

    Empty path; every mention of the slide's path or file name, and every setting that looks like a path, withheld. A
    describing model goes by the last part of its path, and what is told of failures loses every path. Of an abstained
    run also no probabilities, no prediction set, no contributions, no trust in the text: they are not to be shown.

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
    data["settings"] = _without_paths(data["settings"]) | _models_by_name(data["settings"])
    for reason in data["abstain_reasons"]:
        reason["text"] = without_paths(reason["text"])
    if data["generated"] is not None:
        data["generated"] = _generated(data["generated"])
    if result.decision == "abstain":
        data.update(classes=(), probabilities=None, prediction=None, prediction_set=(), text_trust=None, inpc=None)
        for evidence in data["evidence"]:
            evidence["contribution"] = {}
    return RunResult.model_validate(data)


def _generated(said: dict[str, Any]) -> dict[str, Any]:
    """What a describing model said, with it and its server's model by name, and no path in what is told of failures."""
    names = {path: last_part(path) for path in (said["describer"], said["model"])}
    whole = re.compile("|".join(rf"(?<![\w/\\.]){re.escape(path)}(?![\w/\\])" for path in names if path))

    def spared(text: str) -> str:
        return without_paths(whole.sub(lambda found: names[found[0]], text))

    faults = {rank: tuple(spared(fault) for fault in reasons) for rank, reasons in said["faults"].items()}
    return said | {
        "describer": names[said["describer"]],
        "model": names[said["model"]],
        "faults": faults,
        "fallback": spared(said["fallback"]),
    }


def _models_by_name(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: last_part(settings[name]) for name in _MODEL_SETTINGS if isinstance(settings.get(name), str)}


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
        return WITHHELD if is_path(value) else value
    if isinstance(value, dict):
        return {key: _without_paths(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_paths(item) for item in value]
    return value
