"""What `mmlnb finetune-vlm` is asked to do."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from napari_mmlnb.describe.prompt import DEFAULT_PROMPT, Generation
from napari_mmlnb.training.config import Config, Count
from napari_mmlnb.training.image_level.config import ImageDataConfig

Targets = Literal["language", "as_published"]
Precision = Literal["auto", "float32", "bfloat16"]
Keep = Literal["adapter", "merged", "both"]


class LoraSettings(Config):
    """The low-rank adapter (arXiv 2106.09685); the defaults are those of MMLNB's released code, but for `targets`.

    Parameters
    ----------
    r, alpha : int
        Rank, and numerator of the scale alpha / r.
    dropout : float
        Before the adapter, while it learns.
    bias : str
        Which biases learn.
    targets : str
        "language": the seven projections of the language model; "as_published": the same bare names wherever they
        occur, which in Qwen2.5-VL are also those of the visual blocks.
    """

    r: Count = 64
    alpha: Count = 16
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    bias: Literal["none", "all", "lora_only"] = "none"
    targets: Targets = "language"


class DescribingConfig(Config):
    """The schema; every default that the paper's code knows is its own, but for the split and `lora.targets`.

    Parameters
    ----------
    name : str
        Of the folder that is written.
    model : str
        Folder of the model, counted from the configuration's; or a model of the hub, OWNER/NAME, that is in this
        machine's cache. Stock classes of transformers must load it: code that comes with a model is never run.
    classes : mapping of str to str
        Id, as the table's column `class` has it, to label. They serve the split, and to find descriptions that name a
        class; no class is ever part of a prompt.
    data : ImageDataConfig
        CSV with file_name, description and class, and patient, and split where the split asks for it; folder of images.
    split : str
        "patient" groups by patient; "given" takes the table's column `split`. The part `selection` chooses the epoch,
        the part `report` is described before and after.
    class_words : str
        What to do with descriptions that name a class: "refuse" the table, or "allow" and count them. A model that
        has learned to name classes gives the classifier its own guess back as text.
    prompt : str
        Asked with each image, here and later.
    image_px : int
        Side that images are resized to, where the model's own processor does not have a fixed size.
    max_length : int
        Of prompt, image and answer in tokens; longer answers are cut, and counted.
    epochs, batch, accumulation : int
        A step learns from batch x accumulation images. Where a batch does not fit into memory it is halved and
        accumulation doubled: the step stays the same.
    learning_rate, weight_decay : float
        Of AdamW, falling linearly to zero.
    warm_up : float
        Share of the steps over which the rate first rises, linearly; none as published.
    choice : str
        Which epoch is kept: the "best" by loss on the part `selection`, or the "last", as published.
    gradient_checkpointing : bool
        Compute activations twice rather than hold them.
    precision : str
        Of the frozen weights; "auto" is bfloat16 on a card that knows it, else float32. The adapter learns in float32.
    four_bit : bool
        Hold the frozen weights in four bits (bitsandbytes, on a CUDA card).
    checkpoint_steps : int
        A training that is stopped loses at most so many steps.
    keep : str
        What is written: the adapter, the merged model in a folder of its own, or both.
    generation : Generation
        How the held-out images are described.
    report_texts : int
        At most so many held-out images are described, before and after; loss is measured on all of them.
    samples : int
        So many of these texts are written side by side.
    device : str
        "auto", "cpu", "cuda" or "mps".
    seed : int
        Of the split, the adapter, the order and the dropout.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    model: Annotated[str, Field(min_length=1)]
    classes: Annotated[dict[str, str], Field(min_length=2)]
    data: ImageDataConfig
    split: Literal["patient", "given"] = "patient"
    class_words: Literal["refuse", "allow"] = "refuse"
    prompt: Annotated[str, Field(min_length=1)] = DEFAULT_PROMPT
    image_px: Annotated[int, Field(ge=28, le=4096)] = 256
    max_length: Count = 8192
    lora: LoraSettings = LoraSettings()
    epochs: Count = 5
    batch: Count = 4
    accumulation: Count = 4
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    warm_up: Annotated[float, Field(ge=0, lt=1)] = 0.0
    choice: Literal["best", "last"] = "best"
    gradient_checkpointing: bool = True
    precision: Precision = "auto"
    four_bit: bool = False
    checkpoint_steps: Count = 100
    keep: Keep = "adapter"
    generation: Generation = Generation()
    report_texts: Count = 200
    samples: Count = 8
    device: str = "auto"
    seed: int = 2024
