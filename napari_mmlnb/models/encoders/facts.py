"""What is known of an encoder before its weights are there: what a bundle, a person and an error message need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from napari_mmlnb.models.encoders.pooling import Pooling

Colour = tuple[float, float, float]
Argument = str | int | float | bool
Precision = Literal["float32", "bfloat16"]
Library = Literal["timm", "transformers"]

IMAGENET_MEAN: Colour = (0.485, 0.456, 0.406)
IMAGENET_STD: Colour = (0.229, 0.224, 0.225)
HALF: Colour = (0.5, 0.5, 0.5)

PACKAGE = "package:"
HUB = "hub:"
FOLDER = "folder:"


@dataclass(frozen=True)
class Transform:
    """From a tile's bytes to what the network expects.

    Tiles are read at the encoder's scale and size, so nothing is cropped, and nothing is resized but a tile of another
    size (a bundle may ask for one).

    Parameters
    ----------
    mean, std : tuple of float
        Normalisation of RGB in [0, 1].
    interpolation : {"bicubic", "bilinear"}, optional
        How a tile of another size is brought to `input_px`, with antialiasing. None: the network takes any size, and
        gets the tile as it is.
    """

    mean: Colour
    std: Colour
    interpolation: Literal["bicubic", "bilinear"] | None = None


@dataclass(frozen=True)
class EncoderFacts:
    """What is fixed about an encoder.

    Parameters
    ----------
    name : str
        As a bundle names it.
    architecture : str
        timm's name of the network, or the model class of transformers.
    input_px : int
        Side of the patches that it was made for.
    transform : Transform
        Normalisation and resizing.
    pooling : Pooling
        From the network's output to the vector.
    source : str
        Where the weights come from: "package:NAME", "hub:OWNER/NAME" or "folder:PATH".
    licence : str
        Of the weights.
    file : str
        The weights' file in the source.
    revision : str
        Commit of the hub's repository, 40 hexadecimal digits. Empty: not pinned, and it must be given (`NAME@COMMIT`).
    sha256 : str
        Digest of the weights' file; empty where nobody has stated it, until the weights are loaded.
    size : int
        Bytes of the weights' file, 0 where not known.
    gated : bool
        Whether their owner must grant access first.
    um_per_px : tuple of float
        Scales that it was made for; empty where its authors state none.
    dimension : int
        Length of the vector; 0 where it is not known before the network is built.
    precision : {"float32", "bfloat16"}
        What the network computes in here. Vectors are float32 in any case.
    library : {"timm", "transformers"}
        Whose network it is.
    arguments : mapping
        What timm needs to build it, beyond the architecture.
    summary : str
        One line for a person.
    """

    name: str
    architecture: str
    input_px: int
    transform: Transform
    pooling: Pooling
    source: str
    licence: str
    file: str = "model.safetensors"
    revision: str = ""
    sha256: str = ""
    size: int = 0
    gated: bool = False
    um_per_px: tuple[float, ...] = ()
    dimension: int = 0
    precision: Precision = "float32"
    library: Library = "timm"
    arguments: Mapping[str, Argument] = field(default_factory=lambda: MappingProxyType({}))
    summary: str = ""

    @property
    def mean(self) -> Colour:
        """Of RGB in [0, 1]."""
        return self.transform.mean

    @property
    def std(self) -> Colour:
        """Of RGB in [0, 1]."""
        return self.transform.std

    @property
    def strides(self) -> tuple[int, ...]:
        """Inner stages whose statistics are part of the vector."""
        return self.pooling.strides

    @property
    def repository(self) -> str:
        """OWNER/NAME on the hub; empty for other sources."""
        return self.source.removeprefix(HUB) if self.source.startswith(HUB) else ""

    @property
    def files(self) -> tuple[str, ...]:
        """What loading needs from the source. timm's networks are built from these facts, without the hub's config."""
        return ("config.json", self.file) if self.library == "transformers" else (self.file,)


@dataclass(frozen=True)
class UnsupportedEncoder:
    """An encoder that this program will not load, and why.

    Parameters
    ----------
    name, source, licence
        As in `EncoderFacts`.
    reason : str
        A full sentence.
    """

    name: str
    source: str
    licence: str
    gated: bool
    reason: str
