"""Which encoders there are."""

from __future__ import annotations

from napari_mmlnb.models.encoders.base import EncoderFacts
from napari_mmlnb.models.encoders.efficientnet_lite0 import EFFICIENTNET_LITE0
from napari_mmlnb.registry import Registry

ENCODERS: Registry[EncoderFacts] = Registry("encoder", (EFFICIENTNET_LITE0,))
