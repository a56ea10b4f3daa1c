"""The libraries that fine-tuning needs beyond the base package's."""

from __future__ import annotations

from types import ModuleType

from napari_mmlnb.errors import MissingExtraError


def transformers() -> ModuleType:
    """The library of models; raises MissingExtraError where it is not installed."""
    try:
        import transformers as library  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingExtraError("transformers, which describing models need,", "transformers") from error
    return library


def peft() -> ModuleType:
    """The library of adapters; raises MissingExtraError where it is not installed."""
    try:
        import peft as library  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingExtraError("peft, which fine-tuning needs,", "train") from error
    return library


def check_libraries() -> None:
    """Find out before the work starts; raises MissingExtraError."""
    transformers()
    peft()
