"""What a describing model is asked, and how it may answer."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

DEFAULT_PROMPT = (
    "You are a pathologist specialised in childhood tumours; describe what is seen in this image under the microscope."
)
"""One sentence that makes the model a specialised pathologist and asks what is seen, as MMLNB's does; the wording is
ours. It names no class."""


class Generation(BaseModel):
    """How a description is drawn from a model's probabilities; the defaults are the released code's (MMLNB).

    Parameters
    ----------
    max_new_tokens : int
        Longer answers are cut.
    temperature : float
        0 takes the likeliest word each time.
    top_p, top_k : float, int
        Words that are drawn from.
    repetition_penalty : float
        1 is none.
    seed : int
        The same one gives the same words on the same machine.
    """

    max_new_tokens: Annotated[int, Field(ge=1, le=4096)] = 256
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.3
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.9
    top_k: Annotated[int, Field(ge=1)] = 50
    repetition_penalty: Annotated[float, Field(ge=1, le=2)] = 1.2
    seed: int = 2024

    model_config = ConfigDict(frozen=True, extra="forbid")


STEADY = Generation(max_new_tokens=128, temperature=0.0, repetition_penalty=1.0)
"""The likeliest words, without a penalty on saying a word twice: for models of short, formal sentences."""
