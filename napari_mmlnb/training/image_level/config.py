"""What `mmlnb train` is asked to do at the level of single images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from napari_mmlnb.models.towers.published import TOKENS
from napari_mmlnb.training.config import Config, Count, CurriculumConfig

TextKind = Literal["untuned", "measured"]
SplitName = Literal["patient", "given", "image_level_as_published"]


class ImageDataConfig(Config):
    """Where the cases are; paths count from the configuration's folder.

    Parameters
    ----------
    table : Path
        CSV with file_name, description and class; and patient, and split, where the split asks for them.
    images : Path
        Folder of the images.
    """

    table: Path
    images: Path


class ImageTowerConfig(Config):
    """The image branch: a tower's name, and its weights (safetensors) where it does not start from nothing."""

    name: str = "vgg16"
    weights: Path | None = None


class TextTowerConfig(Config):
    """The text branch.

    Parameters
    ----------
    name : str
        A tower's name.
    folder : Path, optional
        A model that transformers wrote, with its `tokenizer.json` (bert-base-uncased, for the paper). Without it the
        tower starts from nothing, with a vocabulary learned from the training texts.
    vocabulary : int
        Size of that vocabulary.
    max_tokens : int
        Longer texts are cut.
    """

    name: str = "bert-base"
    folder: Path | None = None
    vocabulary: Count = 2000
    max_tokens: Annotated[int, Field(ge=1, le=TOKENS)] = TOKENS


class ImageLevelConfig(Config):
    """The schema; every default is the paper's but the split.

    Parameters
    ----------
    level : str
        "image".
    name : str
        Of the folder that is written.
    classes : tuple of str
        As the table names them, in their order: quadratic kappa counts steps.
    arm : str
        What is trained (`arms.ARMS`): "prmf" as published, or what it is judged beside.
    split : str
        "patient" groups by patient and keeps a third part for the report; "given" takes the table's column `split`;
        "image_level_as_published" leaks between patients, as the paper's does.
    class_words : str
        What to do with descriptions that name a class: "refuse" the table, or "allow" them.
    learning_rate, batch : float, int
        Of Adam, without decay.
    patience : int, optional
        End after so many epochs without a better one in the last phase; all are run by default.
    checkpoint_epochs : int
        A training that is stopped loses at most so many epochs.
    """

    level: Literal["image"]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    classes: Annotated[tuple[str, ...], Field(min_length=2)]
    data: ImageDataConfig
    arm: str = "prmf"
    split: SplitName = "patient"
    class_words: Literal["refuse", "allow"] = "refuse"
    image: ImageTowerConfig = ImageTowerConfig()
    text: TextTowerConfig = TextTowerConfig()
    curriculum: CurriculumConfig = CurriculumConfig()
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    batch: Count = 32
    patience: Count | None = None
    checkpoint_epochs: Count = 5
    device: str = "auto"
    seed: int = 2024

    @model_validator(mode="after")
    def _each_class_once(self) -> ImageLevelConfig:
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("a class is named twice")
        return self


class AblationConfig(ImageLevelConfig):
    """The schema of an ablation: a configuration at image level, and other descriptions of the same images.

    Parameters
    ----------
    texts : dict of str to Path
        Tables with the same rows as `data.table` and other descriptions: "untuned", by the describing model before its
        fine-tuning; "measured", without a model. `data.table` has those of the tuned model.
    """

    texts: Annotated[dict[TextKind, Path], Field(default_factory=dict)]
