"""What `mmlnb train` is asked to do at the level of slides."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from napari_mmlnb.bundles.spec import EvidenceSpec, LimitsSpec
from napari_mmlnb.describe.measured import FACTS as MEASURED
from napari_mmlnb.describe.profiles import is_profile
from napari_mmlnb.describe.prompt import Generation
from napari_mmlnb.describe.registry import OWN
from napari_mmlnb.phantom.truth import Subtype
from napari_mmlnb.result import ClassRecord
from napari_mmlnb.training.config import SLIDE_LEVEL, Config, Count, CurriculumConfig, read_as

WORK_FOLDER, RUN_SUFFIX = "work", ".run"
"""Beside a bundle: what is kept on the way, and what belongs to the run alone."""


class PhantomCohortConfig(Config):
    """A cohort of synthetic slides, made on the spot.

    Parameters
    ----------
    kind : str
        "phantom".
    train_per_class, calibration_per_class : int
        Slides of each class.
    selection_per_class, report_per_class : int
        The same, to choose the epoch and to report on; without the first the last epoch is kept, without the other
        nothing is reported.
    first_seed : int
        Slide i has seed `first_seed` + i; held-out slides must come from elsewhere.
    size_px : tuple of int
        Width and height at `mpp`.
    mpp : float
        Micrometres per pixel.
    """

    kind: Literal["phantom"]
    train_per_class: Count
    calibration_per_class: Count
    selection_per_class: Annotated[int, Field(ge=0)] = 0
    report_per_class: Annotated[int, Field(ge=0)] = 0
    first_seed: int
    size_px: tuple[int, int] = (2048, 2048)
    mpp: Annotated[float, Field(gt=0)] = 0.5


class SlideCohortConfig(Config):
    """Slides of one's own.

    Parameters
    ----------
    kind : str
        "slides".
    table : Path
        CSV with slide, class and patient; with mpp where a file does not say its scale, and split where that is given.
        Paths in it count from its folder; it counts from the configuration's.
    split : str
        "patient" groups by patient; "given" takes the table's column `split`, with the parts train, selection,
        calibration and report.
    """

    kind: Literal["slides"]
    table: Path
    split: Literal["patient", "given"] = "patient"


class OwnDescriberConfig(Config):
    """The describing model that the class is to rest on, and that becomes part of the bundle.

    Parameters
    ----------
    model : Path
        Its folder, counted from the configuration's: what `mmlnb finetune-vlm` has merged, for example.
    name, licence : str
        What the bundle says of it.
    prompt : str
        Asked with each tile; empty: what it was asked in its fine-tuning (`describing.json`).
    generation : Generation, optional
        How it may answer; the same holds for it.
    """

    model: Path
    name: Annotated[str, Field(min_length=1)]
    licence: Annotated[str, Field(min_length=1)]
    prompt: str = ""
    generation: Generation | None = None


class SlideCurriculumConfig(CurriculumConfig):
    """Epochs of the three phases, and when PRMF's gate learns.

    Parameters
    ----------
    gate : str
        "last": in the last phase only (our design, after MMLNB; see `curriculum.gate_last`); "from_the_start", as
        published.
    """

    gate: Literal["last", "from_the_start"] = "last"


class OptimiserConfig(Config):
    """How to descend. Published: Adam, 1e-4, batch 32, no decay; a branch trained from nothing needs longer strides."""

    learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    batch: Count = 16
    tiles_per_bag: Count = 192
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.05


class ModelConfig(Config):
    """Sizes of the network's parts."""

    image: Count = 512
    text: Count = 128
    text_layers: Count = 2
    max_tokens: Count = 256
    vocabulary: Count = 800
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.25


class TrainConfig(Config):
    """The schema of a training configuration at slide level.

    Parameters
    ----------
    cohort : PhantomCohortConfig or SlideCohortConfig
        The slides, by their `kind`.
    describer : str
        Who writes the texts: "measured"; "own", the model of `describing`; or a profile with its commit. No server and
        no folder: what the class rests on must be the same model wherever the bundle is used.
    describing : OwnDescriberConfig, optional
        For `describer: own`.
    patience : int, optional
        End after so many epochs of the last phase without a better F1; all are run by default. Needs slides to select
        on.
    checkpoint_epochs : int
        A training that is stopped loses at most about so many epochs.
    coverage : float
        Of the prediction sets.
    device : str
        "auto", "cpu", "cuda" or "mps".
    seed : int
        Of the split, the network and the order.
    """

    level: Literal["slide"] = SLIDE_LEVEL
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    version: str
    summary: str
    notice: str
    task: str
    licence: str
    classes: Annotated[tuple[ClassRecord, ...], Field(min_length=2)]
    cohort: Annotated[PhantomCohortConfig | SlideCohortConfig, Field(discriminator="kind")]
    encoder: str = "efficientnet_lite0"
    um_per_px: Annotated[float, Field(gt=0)] = 0.5
    describer: str = "measured"
    describing: OwnDescriberConfig | None = None
    model: ModelConfig = ModelConfig()
    curriculum: SlideCurriculumConfig = SlideCurriculumConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    evidence: EvidenceSpec = EvidenceSpec()
    limits: LimitsSpec = LimitsSpec()
    patience: Count | None = None
    checkpoint_epochs: Count = 5
    coverage: Annotated[float, Field(gt=0, lt=1)] = 0.9
    device: str = "auto"
    seed: int = 0

    @model_validator(mode="after")
    def _name_is_free(self) -> TrainConfig:
        if self.name == WORK_FOLDER or self.name.endswith(RUN_SUFFIX):
            raise ValueError(f"the name {self.name} would put the bundle into a folder of the training's own")
        return self

    @model_validator(mode="after")
    def _phantoms_have_these_classes(self) -> TrainConfig:
        unknown = [c.id for c in self.classes if c.id not in get_args(Subtype)]
        if unknown and isinstance(self.cohort, PhantomCohortConfig):
            raise ValueError(f"phantoms come as {', '.join(get_args(Subtype))}, not as {', '.join(unknown)}")
        return self

    @model_validator(mode="after")
    def _describer_stays_the_same(self) -> TrainConfig:
        if self.describer not in {MEASURED.name, OWN} and not is_profile(self.describer):
            raise ValueError(
                f"the class cannot rest on the words of {self.describer}: "
                "name measured, own, or a profile with its commit"
            )
        return self

    @model_validator(mode="after")
    def _patience_has_slides_to_select_on(self) -> TrainConfig:
        cohort = self.cohort
        if self.patience and isinstance(cohort, PhantomCohortConfig) and not cohort.selection_per_class:
            raise ValueError("patience needs slides to select on: give cohort.selection_per_class")
        return self

    @model_validator(mode="after")
    def _own_describer_is_given(self) -> TrainConfig:
        if (self.describer == OWN) != (self.describing is not None):
            raise ValueError("describer: own needs describing, and describing needs describer: own")
        return self

    @property
    def class_ids(self) -> tuple[str, ...]:
        """Ids in the order of the labels."""
        return tuple(c.id for c in self.classes)


def read_config(path: Path) -> TrainConfig:
    """Read the configuration of a training at slide level; raises as `read_as`."""
    return read_as(TrainConfig, path)
