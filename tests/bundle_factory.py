"""A whole bundle of random weights, for tests that ask how a bundle behaves rather than what it knows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from napari_mmlnb.bundles.bundle import Bundle, TrainedParts, shape_of, write_bundle
from napari_mmlnb.bundles.calibration import Calibration, FamiliarityLimits
from napari_mmlnb.bundles.encoder_weights import shared_encoder
from napari_mmlnb.bundles.selftest import write_selftest
from napari_mmlnb.bundles.spec import BundleSpec, EncoderSpec, LimitsSpec, SystemSpec
from napari_mmlnb.bundles.tokenizer import train_tokenizer
from napari_mmlnb.models.familiarity import Familiarity, SlideFamiliarity
from napari_mmlnb.models.mmlnb import Mmlnb
from napari_mmlnb.result import ClassRecord

CLASSES = (
    ClassRecord(id="kind-1", label="first kind", colour="#1f77b4"),
    ClassRecord(id="kind-2", label="second kind", colour="#ff7f0e"),
    ClassRecord(id="kind-3", label="third kind", colour="#2ca02c"),
)


def make_bundle(
    folder: Path, *, name: str = "untrained", shift_limit: float = 1e9, limits: LimitsSpec | None = None
) -> Bundle:
    """Write a bundle into `folder`; by default it finds nothing strange and answers whatever its chances."""
    folder.mkdir(parents=True, exist_ok=True)
    encoder = shared_encoder("efficientnet_lite0")
    tokenizer = train_tokenizer(["nuclear density high", "neuropil-like material: none", "eosin 12 %"], 80, 64)
    torch.manual_seed(0)
    system = SystemSpec(
        name="mmlnb",
        features=encoder.dimension,
        image=32,
        text=16,
        text_layers=1,
        max_tokens=64,
        vocabulary=tokenizer.vocabulary,
    )
    facts = encoder.facts
    spec = BundleSpec(
        schema_=1,
        name=name,
        version="0",
        summary="Random weights.",
        notice="Knows nothing; for tests.",
        task="tests",
        licence="BSD-3-Clause",
        classes=CLASSES,
        system=system,
        encoder=EncoderSpec(
            name=facts.name,
            source=facts.source,
            revision=facts.sha256,
            input_px=224,
            um_per_px=0.5,
            mean=facts.mean,
            std=facts.std,
            strides=facts.strides,
            precision="float32",
            licence=facts.licence,
            gated=False,
        ),
        describer="measured",
        limits=limits or LimitsSpec(min_probability=0.0),
        files={},
    )
    calibration = Calibration(
        temperature={"image": 1.0, "text": 1.0, "fused": 1.0},
        conformal=0.9,
        coverage=0.9,
        attention_high=3.0,
        familiarity=FamiliarityLimits(
            tile_median=shift_limit, slide=((1, shift_limit),), foreign_tile=shift_limit, foreign_share=1.0
        ),
        slides=1,
    )
    familiarity, slides = Familiarity(encoder.dimension), SlideFamiliarity(encoder.dimension, rank=2)
    model = Mmlnb(shape_of(system, len(CLASSES))).eval()
    parts = TrainedParts(folder, spec, model, familiarity, tokenizer, encoder)
    bundle = parts.with_calibration(calibration, slides)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    write_selftest(bundle, torch.from_numpy(pixels), "neuropil-like material: none")
    return write_bundle(bundle)
