"""What `mmlnb train` is asked to do at the level of the describing model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from napari_mmlnb.training.config import Config, Count


class TilesConfig(Config):
    """Phantoms that are cut into tiles.

    Parameters
    ----------
    phantoms : int
        How many, subtypes in turn.
    first_seed : int
        Phantom i has seed `first_seed` + i; what is held out must come from elsewhere.
    """

    phantoms: Count
    first_seed: Annotated[int, Field(ge=0)]


class TowerConfig(Config):
    """The vision tower, and how long it learns.

    Parameters
    ----------
    stem : int
        Width of the stem's three convolutions: 3 stem / 4, stem, 2 stem channels.
    channels, layers : tuple of int
        Of the four stages.
    epochs : float
        Passes over the tiles.
    learning_rate, batch : float, int
        Of AdamW, one cycle.
    """

    stem: Count = 8
    channels: tuple[int, int, int, int] = (32, 64, 128, 256)
    layers: tuple[int, int, int, int] = (1, 1, 2, 1)
    epochs: Annotated[float, Field(gt=0)] = 7
    batch: Count = 64
    learning_rate: Annotated[float, Field(gt=0)] = 3e-3


class LanguageConfig(Config):
    """The language model, and how long it learns.

    Parameters
    ----------
    hidden, layers, heads, intermediate : int
        Sizes.
    vocabulary : int
        Tokens, at most.
    views : int
        Differently stained and turned copies of each tile that it learns from.
    epochs : float
        Passes over the tiles.
    """

    hidden: Count = 192
    layers: Count = 3
    heads: Count = 4
    intermediate: Count = 512
    vocabulary: Count = 600
    views: Count = 2
    epochs: Annotated[float, Field(gt=0)] = 3
    batch: Count = 32
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3


class SmallVlmConfig(Config):
    """The schema of a training of the small describing model.

    Parameters
    ----------
    level : str
        "describer".
    name : str
        Of the folder that is written.
    tiles, held_out : TilesConfig
        What is learned from, and what accuracy is measured on; their seeds must not meet.
    """

    level: Literal["describer"]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    tiles: TilesConfig
    held_out: TilesConfig
    tower: TowerConfig = TowerConfig()
    language: LanguageConfig = LanguageConfig()
    seed: int = 2024
