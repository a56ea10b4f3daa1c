"""`calibration.json`: what was learnt on slides that training never saw, so that numbers mean what they say.

Temperatures (Guo et al., arXiv 1706.04599), one a branch; a split-conformal quantile for prediction sets (least
ambiguous sets, Sadinle et al., arXiv 1609.00451); a Gaussian of the training tiles with which a slide's distance from
them is measured (probabilistic principal components, Tipping and Bishop 1999); the fixed scale of the attention map.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_mmlnb.bundles.spec import CALIBRATION_FILE
from napari_mmlnb.errors import BundleError

Positive = Annotated[float, Field(gt=0)]
Branch = Literal["image", "text", "fused"]


class Calibration(BaseModel):
    """What the held-out calibration slides said.

    Parameters
    ----------
    temperature : dict
        {branch: T}; logits are divided by it.
    conformal : float
        A class is in the prediction set when its fused probability is at least 1 minus this.
    coverage : float
        The share of slides whose set is meant to hold the truth.
    attention_high : float
        Upper end of the colour map, in units of a slide's mean; the lower end is 0.
    shift_limit : float
        A slide whose median tile lies farther than this from the training tiles is out of distribution.
    slides : int
        How many slides it was learnt on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: dict[Branch, Positive]
    conformal: Annotated[float, Field(ge=0, le=1)]
    coverage: Annotated[float, Field(gt=0, lt=1)]
    attention_high: Positive
    shift_limit: Positive
    slides: Annotated[int, Field(ge=1)]

    def probabilities(self, branch: Branch, logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Calibrated probabilities (K,) of one branch's logits (K,)."""
        z = logits.astype(np.float64) / self.temperature[branch]
        e = np.exp(z - z.max())
        return np.asarray(e / e.sum())

    def prediction_set(self, probabilities: npt.NDArray[np.float64]) -> tuple[int, ...]:
        """Indices of the classes that cannot be excluded, most probable first; never empty."""
        order = np.argsort(-probabilities, kind="stable")
        kept = [int(i) for i in order if probabilities[i] >= 1 - self.conformal]
        return tuple(kept) or (int(order[0]),)


def read_calibration(folder: Path) -> Calibration:
    """Read `calibration.json`.

    Raises
    ------
    BundleError
        If it is missing or does not fit.
    """
    path = folder / CALIBRATION_FILE
    try:
        return Calibration.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BundleError(folder.name, f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise BundleError(folder.name, f"{path} does not fit the schema: {error.errors()[0]['msg']}.") from error
