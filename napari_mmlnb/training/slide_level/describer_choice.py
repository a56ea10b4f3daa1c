"""Who writes the texts of a training at slide level."""

from __future__ import annotations

import hashlib
from pathlib import Path

from napari_mmlnb.bundles.describer_files import describing_of, fitting_files
from napari_mmlnb.bundles.spec import DescribingSpec
from napari_mmlnb.describe.base import Describer
from napari_mmlnb.describe.registry import create_describer
from napari_mmlnb.describe.request import DescriberRequest
from napari_mmlnb.digest import file_sha256
from napari_mmlnb.training.slide_level.config import OwnDescriberConfig, TrainConfig
from napari_mmlnb.training.slide_level.kept_words import KeptWords


def own_describing(own: OwnDescriberConfig, base: Path) -> DescribingSpec:
    """What a bundle is to say of the model that becomes part of it; raises DescriberError."""
    return describing_of(base / own.model, own.name, own.licence, own.prompt, own.generation)


def training_describer(config: TrainConfig, own: OwnDescriberConfig | None, base: Path, work: Path) -> Describer:
    """The describer that a configuration asks for; what a model says is kept below `work`.

    Parameters
    ----------
    config : TrainConfig
        Which describer, and the classes that none of its sentences may name.
    own : OwnDescriberConfig, optional
        The model for `describer: own`.
    base : Path
        Folder that its path counts from.
    work : Path
        Folder of intermediate work.

    Raises
    ------
    BundleError
        If the model cannot become part of a bundle.
    DescriberError
        And all else that `create_describer` raises, before anything is computed.
    """
    forbidden = tuple(word for c in config.classes for word in (c.id, c.label))
    request = DescriberRequest(device=config.device, forbidden=forbidden)
    identity = config.describer
    if own is not None:
        folder = base / own.model
        files = fitting_files(config.name, folder)
        identity = repr([(path.relative_to(folder).as_posix(), file_sha256(path)) for path in files])
        said = own_describing(own, base)
        request = DescriberRequest(
            device=config.device,
            forbidden=forbidden,
            folder=folder,
            licence=said.licence,
            prompt=said.prompt,
            generation=said.generation,
        )
    describer = create_describer(config.describer, request)
    if not describer.facts.generates:
        return describer
    told = repr((identity, request.prompt, request.generation, request.forbidden))
    return KeptWords(describer, work / f"words-{hashlib.sha256(told.encode()).hexdigest()[:16]}.jsonl")
