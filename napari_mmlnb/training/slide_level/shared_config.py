"""The configuration as it lies in a bundle, which is passed on: paths may name a person or a hospital."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

SHARED_FILE = "train.yaml"
_PATHS = (("cohort", "table"), ("describing", "model"))
_NOTE = "# Of the paths only the last part is kept here: a bundle may be passed on.\n"


def write_shared(config: Path, target: Path) -> None:
    """Copy a configuration; where it names a folder, comments are lost and only the path's last part is kept.

    Parameters
    ----------
    config : Path
        The configuration, which has been read before.
    target : Path
        The file to write.
    """
    told: dict[str, Any] = yaml.safe_load(config.read_text(encoding="utf-8"))
    bare = False
    for section, name in _PATHS:
        part = told.get(section)
        if isinstance(part, dict) and name in part and (last := _last(str(part[name]))) != part[name]:
            part[name], bare = last, True
    if bare:
        target.write_text(_NOTE + yaml.safe_dump(told, sort_keys=False, allow_unicode=True), encoding="utf-8")
    else:
        shutil.copyfile(config, target)


def _last(path: str) -> str:
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2]
