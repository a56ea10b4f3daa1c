"""`bundle.yaml`: what a bundle says of itself, checked before anything is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_mmlnb.describe.prompt import DEFAULT_PROMPT, Generation
from napari_mmlnb.errors import BundleError
from napari_mmlnb.result import ClassRecord

SPEC_FILE = "bundle.yaml"
WEIGHTS_FILE = "weights.safetensors"
CALIBRATION_FILE = "calibration.json"
SELFTEST_FILE = "selftest.safetensors"
TOKENIZER_FILE = "tokenizer.json"
STATISTICS_FILE = "statistics.safetensors"
CARD_FILE = "MODEL_CARD.md"
TRAINED = (WEIGHTS_FILE, SELFTEST_FILE, TOKENIZER_FILE)
"""What training makes."""
CALIBRATED = (CALIBRATION_FILE, STATISTICS_FILE)
"""What calibration adds, and can make again."""
DESCRIBER_FOLDER = "describer"
DIGESTED = (*TRAINED, *CALIBRATED)

Precision = Literal["float32", "bfloat16"]
Share = Annotated[float, Field(ge=0, le=1)]


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EncoderSpec(_Spec):
    """The patch encoder and the optics that it was trained at."""

    name: str
    source: str
    revision: str
    input_px: Annotated[int, Field(gt=0)]
    um_per_px: Annotated[float, Field(gt=0)]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    strides: tuple[int, ...]
    precision: Precision
    licence: str
    gated: bool


class SystemSpec(_Spec):
    """Which published system answers, and the sizes of its parts."""

    name: str
    features: int
    image: int
    text: int
    text_layers: int
    max_tokens: int
    vocabulary: int


class EvidenceSpec(_Spec):
    """How evidence tiles are chosen: the most attended, at least `apart` tiles from one another."""

    tiles: Annotated[int, Field(ge=1, le=32)] = 8
    apart: Annotated[float, Field(ge=0)] = 2.0


class LimitsSpec(_Spec):
    """When the program abstains."""

    unreadable_share: Share = 0.02
    min_tiles: Annotated[int, Field(ge=1)] = 4
    min_probability: Share = 0.5


class DescribingSpec(_Spec):
    """The bundle's own describing model, in its folder `describer/`: what it is asked, and how it may answer.

    `files` are the digests of the folder's files, by name.
    """

    name: str
    licence: str
    prompt: str = DEFAULT_PROMPT
    generation: Generation = Generation()
    files: dict[str, str]


class BundleSpec(_Spec):
    """The schema of `bundle.yaml`, version 1."""

    schema_: Literal[1] = Field(alias="schema")
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    version: str
    summary: str
    notice: str
    task: str
    licence: str
    classes: Annotated[tuple[ClassRecord, ...], Field(min_length=2)]
    system: SystemSpec
    encoder: EncoderSpec
    describer: str
    describing: DescribingSpec | None = None
    min_tissue: Share = 0.5
    tissue_um_per_px: Annotated[float, Field(gt=0)] = 8.0
    evidence: EvidenceSpec = EvidenceSpec()
    limits: LimitsSpec = LimitsSpec()
    clinical_fields: tuple[str, ...] = ()
    cohort: str = ""
    files: dict[str, str]

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @model_validator(mode="after")
    def _distinct_classes(self) -> BundleSpec:
        ids = [c.id for c in self.classes]
        if len(set(ids)) != len(ids):
            raise ValueError(f"class ids are not distinct: {ids}")
        return self

    @property
    def class_ids(self) -> tuple[str, ...]:
        """Ids in the order of the logits."""
        return tuple(c.id for c in self.classes)


def read_spec(folder: Path) -> BundleSpec:
    """Read and check `bundle.yaml`.

    Raises
    ------
    BundleError
        If it is missing, is not YAML, or does not fit the schema; the message names the first field that is wrong.
    """
    path = folder / SPEC_FILE
    try:
        return BundleSpec.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise BundleError(folder.name, f"{folder} is not a model bundle: it has no {SPEC_FILE}.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BundleError(folder.name, f"{path} cannot be read: {str(error).splitlines()[0]}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file as a whole"
        raise BundleError(folder.name, f"{path} does not fit the schema at {where}: {first['msg']}.") from error


def write_spec(spec: BundleSpec, folder: Path) -> None:
    """Write `bundle.yaml`."""
    text = yaml.safe_dump(spec.model_dump(mode="json", by_alias=True), sort_keys=False, allow_unicode=True, width=100)
    (folder / SPEC_FILE).write_text(text, encoding="utf-8")
