"""Who writes the texts of a training at slide level."""

from __future__ import annotations

import hashlib
from pathlib import Path

from napari_mmlnb.describe.base import Describer
from napari_mmlnb.describe.registry import DescriberRequest, create_describer
from napari_mmlnb.digest import file_sha256
from napari_mmlnb.training.slide_level.config import TrainConfig
from napari_mmlnb.training.slide_level.kept_words import KeptWords


def training_describer(config: TrainConfig, base: Path, work: Path) -> Describer:
    """The describer that a configuration asks for; what a model says is kept below `work`.

    Parameters
    ----------
    config : TrainConfig
        Its `describing.model` counts from `base`.
    base : Path
        Folder of the configuration.
    work : Path
        Folder of intermediate work.

    Raises
    ------
    DescriberError
        And all else that `create_describer` raises, before anything is computed.
    """
    request = DescriberRequest(
        device=config.device, forbidden=tuple(word for c in config.classes for word in (c.id, c.label))
    )
    own = config.describing
    identity = config.describer
    if own is not None:
        folder = base / own.model
        request = DescriberRequest(
            device=config.device,
            forbidden=request.forbidden,
            folder=folder,
            licence=own.licence,
            prompt=own.prompt,
            generation=own.generation,
        )
        weights = sorted(folder.glob("*.safetensors"))
        identity = repr([(path.name, file_sha256(path)) for path in weights])
    describer = create_describer(config.describer, request)
    if not describer.facts.generates:
        return describer
    told = repr((identity, request.prompt, request.generation, request.forbidden))
    return KeptWords(describer, work / f"words-{hashlib.sha256(told.encode()).hexdigest()[:16]}.jsonl")
