"""What a bundle will say of itself, from the configuration of its training."""

from __future__ import annotations

from napari_mmlnb.bundles.spec import BundleSpec, DescribingSpec, EncoderSpec, SystemSpec
from napari_mmlnb.models.encoders.base import PatchEncoder
from napari_mmlnb.training.slide_level.bags import Optics
from napari_mmlnb.training.slide_level.config import TrainConfig


def system_spec(config: TrainConfig, encoder: PatchEncoder, vocabulary: int) -> SystemSpec:
    """The sizes of the network."""
    sizes = config.model
    return SystemSpec(
        name="mmlnb",
        features=encoder.dimension,
        image=sizes.image,
        text=sizes.text,
        text_layers=sizes.text_layers,
        max_tokens=sizes.max_tokens,
        vocabulary=vocabulary,
    )


def draft_spec(
    config: TrainConfig,
    encoder: PatchEncoder,
    optics: Optics,
    vocabulary: int,
    cohort: str,
    describing: DescribingSpec | None,
) -> BundleSpec:
    """`bundle.yaml` but for the digests of files, which are not written yet; `cohort` is that of the slides."""
    facts = encoder.facts
    return BundleSpec(
        schema_=1,
        name=config.name,
        version=config.version,
        summary=config.summary,
        notice=config.notice,
        task=config.task,
        licence=config.licence,
        classes=config.classes,
        system=system_spec(config, encoder, vocabulary),
        encoder=EncoderSpec(
            name=facts.name,
            source=facts.source,
            revision=facts.sha256,
            input_px=facts.input_px,
            um_per_px=config.um_per_px,
            mean=facts.mean,
            std=facts.std,
            strides=facts.strides,
            precision="float32",
            licence=facts.licence,
            gated=facts.gated,
        ),
        describer=config.describer,
        describing=describing,
        min_tissue=optics.min_tissue,
        tissue_um_per_px=optics.tissue_um_per_px,
        evidence=config.evidence,
        limits=config.limits,
        cohort=cohort,
        files={},
    )
