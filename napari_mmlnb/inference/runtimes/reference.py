"""What every runtime is held against: PyTorch in float32, on the processor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from napari_mmlnb.inference.runtimes.base import FeatureArray
from napari_mmlnb.models.encoders.base import PatchEncoder
from napari_mmlnb.slides.backends.base import RGB

MIN_COSINE = 0.999
"""Between the features of a tile and those of the reference: below, it is another encoder."""


def plain(encoder: PatchEncoder) -> PatchEncoder:
    """The same network in float32, whatever precision its facts ask for."""
    if encoder.facts.precision == "float32":
        return encoder
    return PatchEncoder(replace(encoder.facts, precision="float32"), encoder.network).eval()


def reference_features(encoder: PatchEncoder, tiles: RGB) -> FeatureArray:
    """Features of (n, H, W, 3) tiles as they should be, (n, F) float32."""
    with torch.inference_mode():
        features: FeatureArray = plain(encoder)(torch.from_numpy(tiles)).numpy()
    return features


def least_cosine(features: FeatureArray, reference: FeatureArray) -> float:
    """The cosine of the tile that agrees least; 0 where a value is not finite."""
    lengths = np.linalg.norm(features, axis=1) * np.linalg.norm(reference, axis=1)
    cosines = (features * reference).sum(axis=1, dtype=np.float64) / np.maximum(lengths, np.finfo(np.float32).tiny)
    return float(cosines.min()) if np.isfinite(cosines).all() else 0.0
