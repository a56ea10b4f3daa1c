"""Networks trained on pathology. Their weights are on the Hugging Face hub; several are gated, some not to be sold.

Sources of the facts (a hub's page could not be opened where this was written, so each was read in two or more public
repositories that use the model, and the ones that agree are given here):

- architecture and arguments, pooling, mean and deviation, interpolation: the loaders of TRIDENT and eva, and a
  benchmark that checks each model against its card (`load_uni2h`, `load_virchow2`, `load_hoptimus0`, `load_gigapath`);
  for Prov-GigaPath also its authors' `demo/3_load_tile_encoder.py`;
- scale: H-optimus-0 0.5 um/px (bioptimus/releases issue 7, which quotes the card), Prov-GigaPath 0.5 um/px; the others
  stand in TRIDENT's table at magnification 20, which is 0.5 um/px;
- commits and digests: the same in several unrelated projects that pin them. H-optimus-0 and Midnight: the commit only;
  Virchow: commit in several, digest in one. A digest that is missing here is the hub's own, checked on download.

The published transforms of UNI resize 256 px to 224; Prov-GigaPath's resizes to 256 px and crops the middle 224. Here a
tile of `input_px` is read at the scale that a bundle asks for, so neither is done again.

H-optimus-0: Apache-2.0. Some describe its page as open, the more recent ones as gated with automatic approval; where
the page is open, fetching simply works.
"""

from __future__ import annotations

from types import MappingProxyType

from napari_mmlnb.models.encoders.facts import HALF, IMAGENET_MEAN, IMAGENET_STD, EncoderFacts, Transform
from napari_mmlnb.models.encoders.pooling import ClassAndPatchMean, ClassToken

_NC_ND = "CC-BY-NC-ND-4.0"
_PICKLED = "pytorch_model.bin"
_BICUBIC = Transform(IMAGENET_MEAN, IMAGENET_STD, "bicubic")
_BILINEAR = Transform(IMAGENET_MEAN, IMAGENET_STD, "bilinear")
_SCALE = (0.5,)

H_OPTIMUS_0 = EncoderFacts(
    name="h_optimus_0",
    architecture="vit_giant_patch14_reg4_dinov2",
    arguments=MappingProxyType({"img_size": 224, "init_values": 1e-5, "num_classes": 0, "dynamic_img_size": False}),
    input_px=224,
    um_per_px=_SCALE,
    transform=Transform((0.707223, 0.578729, 0.703617), (0.211883, 0.230117, 0.177517), "bicubic"),
    pooling=ClassToken(),
    dimension=1536,
    source="hub:bioptimus/H-optimus-0",
    file=_PICKLED,
    revision="b145cc1e6c6b30d3251aa8b1f844e6974188a743",
    size=4_539_305_018,
    licence="Apache-2.0",
    gated=True,
    summary="ViT-g/14 with registers, 500 000 H&E slides (Bioptimus).",
)

MIDNIGHT = EncoderFacts(
    name="midnight",
    architecture="Dinov2Model",
    library="transformers",
    input_px=224,
    um_per_px=_SCALE,
    transform=Transform(HALF, HALF, "bicubic"),
    pooling=ClassAndPatchMean(),
    dimension=3072,
    source="hub:kaiko-ai/midnight",
    revision="adc6b15679c981cce6f9b018bbad09d16eeeda9f",
    licence="MIT",
    summary="ViT-g/14, 12 000 slides (kaiko.ai, Midnight-12k).",
)

UNI = EncoderFacts(
    name="uni",
    architecture="vit_large_patch16_224",
    arguments=MappingProxyType(
        {"img_size": 224, "patch_size": 16, "init_values": 1e-5, "num_classes": 0, "dynamic_img_size": True}
    ),
    input_px=224,
    um_per_px=_SCALE,
    transform=_BILINEAR,
    pooling=ClassToken(),
    dimension=1024,
    source="hub:MahmoodLab/UNI",
    file=_PICKLED,
    revision="b55a5ec6cade1a39edfe6534189a9b8ca7a022f0",
    sha256="56ef09b44a25dc5c7eedc55551b3d47bcd17659a7a33837cf9abc9ec4e2ffb40",
    size=1_213_527_781,
    licence=_NC_ND,
    gated=True,
    summary="ViT-L/16 (Mahmood Lab). Its terms reach models trained on its output.",
)

UNI2_H = EncoderFacts(
    name="uni2_h",
    architecture="vit_giant_patch14_224",
    arguments=MappingProxyType(
        {
            "img_size": 224,
            "patch_size": 14,
            "depth": 24,
            "num_heads": 24,
            "init_values": 1e-5,
            "embed_dim": 1536,
            "mlp_ratio": 2.66667 * 2,
            "num_classes": 0,
            "no_embed_class": True,
            "mlp_layer": "SwiGLUPacked",
            "act_layer": "SiLU",
            "reg_tokens": 8,
            "dynamic_img_size": True,
        }
    ),
    input_px=224,
    um_per_px=_SCALE,
    transform=_BILINEAR,
    pooling=ClassToken(),
    dimension=1536,
    source="hub:MahmoodLab/UNI2-h",
    file=_PICKLED,
    revision="d517a8dd47902dd7c308b3c36f63bce47e7b9a43",
    sha256="6e077eda234bebc595868d918d3458d9dd32a050199b0ff04443b2f46a0a3b1e",
    size=2_725_669_217,
    licence=_NC_ND,
    gated=True,
    summary="ViT-H/14 with registers (Mahmood Lab). Its terms reach models trained on its output.",
)

VIRCHOW = EncoderFacts(
    name="virchow",
    architecture="vit_huge_patch14_224",
    arguments=MappingProxyType(
        {
            "img_size": 224,
            "init_values": 1e-5,
            "num_classes": 0,
            "mlp_ratio": 5.3375,
            "global_pool": "",
            "dynamic_img_size": True,
            "mlp_layer": "SwiGLUPacked",
            "act_layer": "SiLU",
        }
    ),
    input_px=224,
    um_per_px=_SCALE,
    transform=_BICUBIC,
    pooling=ClassAndPatchMean(),
    dimension=2560,
    source="hub:paige-ai/Virchow",
    revision="19eebc84ae33e79f1b2d866e6ff90ae50e522f9a",
    sha256="3416891b37a2349a2d9ce7ecf00b64a6277011b41351436c1ceb0abb80805408",
    licence="Apache-2.0",
    gated=True,
    summary="ViT-H/14 (Paige).",
)

VIRCHOW2 = EncoderFacts(
    name="virchow2",
    architecture="vit_huge_patch14_224",
    arguments=MappingProxyType({**VIRCHOW.arguments, "reg_tokens": 4}),
    input_px=224,
    um_per_px=_SCALE,
    transform=_BICUBIC,
    pooling=ClassAndPatchMean(),
    dimension=2560,
    source="hub:paige-ai/Virchow2",
    revision="3158645804b69e3f3bc4439d4116edddf0840a72",
    sha256="8d6cea947eb2418c3b0dff48cfb9b238e47744ab0dfca21b2b0637b140769b4b",
    size=2_525_001_112,
    licence=_NC_ND,
    gated=True,
    summary="ViT-H/14 with registers, 3.1 million slides (Paige).",
)

PROV_GIGAPATH = EncoderFacts(
    name="prov_gigapath",
    architecture="vit_giant_patch14_dinov2",
    arguments=MappingProxyType(
        {
            "img_size": 224,
            "patch_size": 16,
            "embed_dim": 1536,
            "depth": 40,
            "num_heads": 24,
            "init_values": 1e-5,
            "mlp_ratio": 5.33334,
            "num_classes": 0,
        }
    ),
    input_px=224,
    um_per_px=_SCALE,
    transform=_BICUBIC,
    pooling=ClassToken(),
    dimension=1536,
    source="hub:prov-gigapath/prov-gigapath",
    file=_PICKLED,
    revision="64f9e26c15019f2d4f6d9113c6822f88bb16b01b",
    sha256="877947214318afa9e011754b74bbc3894a1f480a253afc7bc8045b8321dedd63",
    size=4_540_023_137,
    licence="Apache-2.0, with conditions of use",
    gated=True,
    summary="ViT-g/16, the tile encoder (Providence, Microsoft).",
)

PHIKON_V2 = EncoderFacts(
    name="phikon_v2",
    architecture="Dinov2Model",
    library="transformers",
    input_px=224,
    um_per_px=_SCALE,
    transform=_BICUBIC,
    pooling=ClassToken(),
    dimension=1024,
    source="hub:owkin/phikon-v2",
    revision="2ae989a9c40cffaa27f0a6cb29cc94d1d6f9a5fd",
    sha256="261ae680fa699b3b951597fd57aa19c02ef735805acb104b93af69b36d928569",
    licence="Owkin non-commercial licence",
    summary="ViT-L/16 (Owkin).",
)

PATHOLOGY_ENCODERS = (H_OPTIMUS_0, MIDNIGHT, UNI, UNI2_H, VIRCHOW, VIRCHOW2, PROV_GIGAPATH, PHIKON_V2)
