"""What `mmlnb train` is asked to do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_mmlnb.errors import RequestError

Count = Annotated[int, Field(ge=1)]
SLIDE_LEVEL: Literal["slide"] = "slide"


class Config(BaseModel):
    """Part of a configuration: what it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CurriculumConfig(Config):
    """Epochs of the three phases; 50, 50, 50 as published."""

    image_first: Count = 50
    joint: Count = 50
    consolidate: Count = 50


AnyConfig = TypeVar("AnyConfig", bound=Config)


def level_of(path: Path) -> str:
    """At which level a configuration trains: its `level`, or "slide". What is no configuration is told by `read_as`."""
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return SLIDE_LEVEL
    return str(told.get("level", SLIDE_LEVEL)) if isinstance(told, dict) else SLIDE_LEVEL


def read_as(schema: type[AnyConfig], path: Path) -> AnyConfig:
    """Read a configuration.

    Parameters
    ----------
    schema : type
        What it must fit.
    path : Path
        The file.

    Raises
    ------
    RequestError
        If the file is missing, is not YAML, or does not fit the schema; the message names the first wrong field.
    """
    try:
        return schema.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise RequestError(f"The configuration {path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise RequestError(
            f"The configuration {path} is not YAML{where}.", "See the documentation of `mmlnb train`."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file as a whole"
        raise RequestError(
            f"The configuration {path} is wrong at {where}: {first['msg'].removeprefix('Value error, ')}."
        ) from error
