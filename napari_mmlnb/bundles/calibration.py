"""`calibration.json`: what was learnt on slides that training never saw, so that numbers mean what they say.

Temperatures (Guo et al., arXiv 1706.04599), one a branch; a split-conformal quantile for prediction sets (least
ambiguous sets, Sadinle et al., arXiv 1609.00451); the distances up to which tiles and slides count as familiar; the
fixed scale of the attention map.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_mmlnb.bundles.spec import CALIBRATION_FILE
from napari_mmlnb.errors import BundleError

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Branch = Literal["image", "text", "fused"]

LEARN_AGAIN = (
    "A bundle of an older version is calibrated again with: mmlnb train CONFIG --calibrate-only BUNDLE --out DIR"
)
"""What can be done with a bundle whose calibration does not fit this version."""


class FamiliarityLimits(BaseModel):
    """Up to where tiles and slides are familiar, learnt on the calibration slides.

    Parameters
    ----------
    tile_median : float
        Of the distance of a slide's median tile.
    slide : tuple of (int, float)
        Of the distance of a slide as a whole, by the number of its tiles, ascending: few tiles tell less, and lie
        farther off. In between, the limit is interpolated in the logarithm of that number; beyond, the ends count.
    foreign_tile : float
        A tile farther than this is foreign.
    foreign_share : float
        Of the share of a slide's tiles that are foreign, 0 to 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tile_median: Positive
    slide: Annotated[tuple[tuple[Annotated[int, Field(ge=1)], Positive], ...], Field(min_length=1)]
    foreign_tile: Positive
    foreign_share: Annotated[float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _ascending(self) -> FamiliarityLimits:
        counts = [tiles for tiles, _ in self.slide]
        if counts != sorted(set(counts)):
            raise ValueError(f"the numbers of tiles do not ascend: {counts}")
        return self

    def slide_limit(self, tiles: int) -> float:
        """The limit of a slide's distance that was measured on so many tiles, at least 1."""
        counts, limits = zip(*self.slide, strict=True)
        return float(np.interp(np.log(tiles), np.log(counts), limits))


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
    familiarity : FamiliarityLimits
        What lies beyond them is out of distribution.
    slides : int
        How many slides it was learnt on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: dict[Branch, Positive]
    conformal: Annotated[float, Field(ge=0, le=1)]
    coverage: Annotated[float, Field(gt=0, lt=1)]
    attention_high: Positive
    familiarity: FamiliarityLimits
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
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file as a whole"
        raise BundleError(
            folder.name, f"{path} does not fit the schema at {where}: {first['msg']}.", LEARN_AGAIN
        ) from error
