"""Which encoders there are."""

from __future__ import annotations

from napari_mmlnb.models.encoders.efficientnet_lite0 import EFFICIENTNET_LITE0
from napari_mmlnb.models.encoders.facts import EncoderFacts, UnsupportedEncoder
from napari_mmlnb.models.encoders.imagenet import IMAGENET_ENCODERS
from napari_mmlnb.models.encoders.pathology import PATHOLOGY_ENCODERS
from napari_mmlnb.models.encoders.pooling import ClassAndPatchMean, ClassToken, MapMean, OwnPooling, PatchMean, Pooling
from napari_mmlnb.models.encoders.unsupported import UNSUPPORTED_ENCODERS
from napari_mmlnb.registry import Registry

ENCODERS: Registry[EncoderFacts] = Registry("encoder", (EFFICIENTNET_LITE0, *IMAGENET_ENCODERS, *PATHOLOGY_ENCODERS))
UNSUPPORTED: Registry[UnsupportedEncoder] = Registry("unsupported encoder", UNSUPPORTED_ENCODERS)
POOLINGS: Registry[Pooling] = Registry(
    "pooling", (MapMean(), ClassToken(), PatchMean(), ClassAndPatchMean(), OwnPooling())
)
