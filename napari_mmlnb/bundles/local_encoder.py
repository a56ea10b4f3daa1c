"""Encoders in a folder of one's own: the layout in which timm and transformers save models.

`config.json` says which network it is, `model.safetensors` holds the weights. A folder that timm wrote names its
`architecture`; one of transformers its `model_type`. Code in the folder is never run.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_mmlnb.errors import BundleError
from napari_mmlnb.models.encoders.facts import FOLDER, IMAGENET_MEAN, IMAGENET_STD, Argument, EncoderFacts, Transform
from napari_mmlnb.models.encoders.pooling import ClassToken, OwnPooling
from napari_mmlnb.models.encoders.registry import POOLINGS

CONFIG_FILE = "config.json"
FACTS_FILE = "encoder.json"
WEIGHTS_FILE = "model.safetensors"

Triple = tuple[float, float, float]
Positive = Annotated[int, Field(gt=0)]
Model = TypeVar("Model", bound=BaseModel)


class _Lenient(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Normalisation(_Lenient):
    input_size: tuple[Positive, Positive, Positive] = (3, 224, 224)
    mean: Triple = IMAGENET_MEAN
    std: Triple = IMAGENET_STD
    license: str = ""


class _Config(_Lenient):
    """What we read of `config.json`, of either library."""

    architecture: str = ""
    num_classes: Annotated[int, Field(ge=0)] = 0
    model_args: dict[str, Argument] = {}
    pretrained_cfg: _Normalisation = _Normalisation()
    model_type: str = ""
    architectures: tuple[str, ...] | None = None
    auto_map: dict[str, object] | None = None
    image_size: Positive = 224


class _Facts(BaseModel):
    """`encoder.json`: what neither library's config says. All of it may be left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pooling: str = ""
    mean: Triple | None = None
    std: Triple | None = None
    input_px: Positive | None = None
    um_per_px: tuple[Annotated[float, Field(gt=0)], ...] = ()
    licence: str = ""


def local_encoder(folder: Path) -> EncoderFacts:
    """Facts of the encoder in a folder.

    Raises
    ------
    BundleError
        If there is no encoder in it, its files are not sound, or it would need code of its own.
    UnknownNameError
        If `encoder.json` names a pooling that is not there.
    """
    name = str(folder)
    config = _read(folder, CONFIG_FILE, _Config)
    facts = _read(folder, FACTS_FILE, _Facts) if (folder / FACTS_FILE).is_file() else _Facts()
    if config.auto_map:
        raise BundleError(
            name, f"The model in {folder} needs Python code of its own (auto_map), which this program never runs."
        )
    if not config.architecture and not config.model_type:
        raise BundleError(
            name,
            f"{folder / CONFIG_FILE} does not say which network it is.",
            "timm's name stands under architecture, that of transformers under model_type.",
        )
    if config.model_args.get("global_pool") == "" and not facts.pooling:
        raise BundleError(
            name,
            f"{folder / CONFIG_FILE} leaves open how tokens become one vector.",
            f'Say it in {FACTS_FILE} beside it, for example {{"pooling": "class_token"}}.',
        )
    stated = config.pretrained_cfg
    timms = bool(config.architecture)
    own = OwnPooling() if timms else ClassToken()
    return EncoderFacts(
        name=name,
        architecture=config.architecture or (config.architectures or (config.model_type,))[0],
        library="timm" if timms else "transformers",
        arguments=MappingProxyType({"num_classes": config.num_classes, **config.model_args} if timms else {}),
        input_px=facts.input_px or (stated.input_size[-1] if timms else config.image_size),
        um_per_px=facts.um_per_px,
        transform=Transform(facts.mean or stated.mean, facts.std or stated.std, "bicubic"),
        pooling=POOLINGS.get(facts.pooling) if facts.pooling else own,
        source=f"{FOLDER}{folder.resolve()}",
        file=WEIGHTS_FILE,
        licence=facts.licence or stated.license or "not stated",
        summary="In a folder of this machine.",
    )


def _read(folder: Path, name: str, model: type[Model]) -> Model:
    path = folder / name
    try:
        return model.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(str(folder), f"{folder} holds no encoder: it has no {name}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(str(folder), f"{path} cannot be read: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file as a whole"
        raise BundleError(str(folder), f"{path} does not fit at {where}: {first['msg']}.") from error
