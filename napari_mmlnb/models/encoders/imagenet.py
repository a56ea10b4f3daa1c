"""Networks trained on photographs (ImageNet): the usual starting points, for comparison. They know no tissue.

Architecture, normalisation, interpolation, licence and hub id are those of timm's own table
(`timm.get_pretrained_cfg`). timm crops the middle of a photograph (crop_pct 0.875 to 0.95); a tile has no border to be
cut off, so ours are used whole. None states a scale.

Revisions and digests, as several public repositories pin them independently of one another: resnet50.a1_in1k
(dimer's model table; a Streamlit service's `PINNED_REVISIONS`), vgg16.tv_in1k (a style-transfer project and an
LPIPS port, with the digest), vit_base (several, with digest and size). For vit_small and vit_large no revision was
found in two places: they are not pinned, and the commit must be given.
"""

from __future__ import annotations

from napari_mmlnb.models.encoders.facts import HALF, IMAGENET_MEAN, IMAGENET_STD, EncoderFacts, Transform
from napari_mmlnb.models.encoders.pooling import ClassToken, MapMean

RESNET50 = EncoderFacts(
    name="resnet50",
    architecture="resnet50",
    input_px=224,
    transform=Transform(IMAGENET_MEAN, IMAGENET_STD),
    pooling=MapMean(),
    source="hub:timm/resnet50.a1_in1k",
    revision="767268603ca0cb0bfe326fa87277f19c419566ef",
    sha256="773525d5821de224f8f30c33377b7a795d7863e08522698200d3217d3f2a41bb",
    size=102_469_840,
    licence="Apache-2.0",
    dimension=2048,
    summary="ResNet-50 trained on photographs (ImageNet).",
)

# MMLNB's image branch: the features of VGG16 and their global average, 512 numbers.
VGG16 = EncoderFacts(
    name="vgg16",
    architecture="vgg16",
    input_px=224,
    transform=Transform(IMAGENET_MEAN, IMAGENET_STD),
    pooling=MapMean(),
    source="hub:timm/vgg16.tv_in1k",
    revision="b8d8aa2dd860af9233c8c67385a8097fd6c35d3f",
    sha256="57b026918159a6bf9faf8405c3a551903768e7138989d9c6224a14227203fad8",
    licence="BSD-3-Clause",
    dimension=512,
    summary="VGG16 trained on photographs (ImageNet), as in MMLNB's image branch.",
)

VIT_SMALL = EncoderFacts(
    name="vit_small",
    architecture="vit_small_patch16_224",
    input_px=224,
    transform=Transform(HALF, HALF, "bicubic"),
    pooling=ClassToken(),
    source="hub:timm/vit_small_patch16_224.augreg_in21k_ft_in1k",
    licence="Apache-2.0",
    dimension=384,
    summary="ViT-S/16 trained on photographs (ImageNet-21k, then 1k).",
)

VIT_BASE = EncoderFacts(
    name="vit_base",
    architecture="vit_base_patch16_224",
    input_px=224,
    transform=Transform(HALF, HALF, "bicubic"),
    pooling=ClassToken(),
    source="hub:timm/vit_base_patch16_224.augreg2_in21k_ft_in1k",
    revision="063c6c38a5d8510b2e57df480445e94b231dad2c",
    sha256="32aa17d6e17b43500f531d5f6dc9bc93e56ed8841b8a75682e1bb295d722405b",
    size=346_284_714,
    licence="Apache-2.0",
    dimension=768,
    summary="ViT-B/16 trained on photographs (ImageNet-21k, then 1k).",
)

VIT_LARGE = EncoderFacts(
    name="vit_large",
    architecture="vit_large_patch16_224",
    input_px=224,
    transform=Transform(HALF, HALF, "bicubic"),
    pooling=ClassToken(),
    source="hub:timm/vit_large_patch16_224.augreg_in21k_ft_in1k",
    licence="Apache-2.0",
    dimension=1024,
    summary="ViT-L/16 trained on photographs (ImageNet-21k, then 1k).",
)

IMAGENET_ENCODERS = (RESNET50, VGG16, VIT_SMALL, VIT_BASE, VIT_LARGE)
