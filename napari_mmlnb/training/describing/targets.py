"""Which layers of a describing model the adapter goes on."""

from __future__ import annotations

import re
from typing import Any

from torch import nn

from napari_mmlnb.errors import RequestError
from napari_mmlnb.training.describing.config import Targets

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""As MMLNB's released code names them."""


def language_model_name(model: Any) -> str:
    """Path of the language model inside a describing model, for example "model.language_model".

    Parameters
    ----------
    model : PreTrainedModel
        Of transformers.

    Raises
    ------
    RequestError
        If the model does not tell its language model from the rest.
    """
    decoder = model.get_decoder()
    name = next((name for name, module in model.named_modules() if module is decoder), "")
    if not name or name == "model":
        raise RequestError(
            f"A {type(model).__name__} does not tell its language model from its image part.",
            "Set targets: as_published, and look at which layers the log names.",
        )
    return name


def target_modules(model: Any, targets: Targets) -> list[str] | str:
    """What peft's `target_modules` must be.

    Parameters
    ----------
    model : PreTrainedModel
        Of transformers.
    targets : str
        "as_published": the bare names, wherever they occur. "language": a pattern of the full names in the language
        model alone; our design, after MMLNB.

    Raises
    ------
    RequestError
        If the model has none of these layers.
    """
    if targets == "as_published":
        wanted: list[str] | str = list(PROJECTIONS)
    else:
        wanted = rf"{re.escape(language_model_name(model))}\.(?:.+\.)?(?:{'|'.join(PROJECTIONS)})"
    if not any(isinstance(module, nn.Linear) and _hit(name, wanted) for name, module in model.named_modules()):
        raise RequestError(
            f"A {type(model).__name__} has no layers called {', '.join(PROJECTIONS)}.",
            "Choose a model whose language part has these projections (Qwen, Llama, SmolLM, Gemma).",
        )
    return wanted


def _hit(name: str, wanted: list[str] | str) -> bool:
    if isinstance(wanted, str):
        return re.fullmatch(wanted, name) is not None
    return name.rpartition(".")[2] in wanted
