"""A small encoder that every runtime can compute in no time, and runtimes that do as they are told."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from napari_mmlnb.inference.runtimes.base import RuntimeFacts
from napari_mmlnb.models.encoders.base import PatchEncoder
from napari_mmlnb.models.encoders.facts import HALF, EncoderFacts, Transform
from napari_mmlnb.models.encoders.pooling import MapMean

CPU = torch.device("cpu")
TILE_PX = 32


class Small(torch.nn.Module):
    """Two convolutions with the names that timm's networks have."""

    num_features = 16
    feature_info = ()

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3, 2), torch.nn.ReLU(), torch.nn.Conv2d(8, 16, 3, 2), torch.nn.ReLU()
        )

    def forward_features(self, x):
        return self.layers(x)


def small_encoder(precision="float32") -> PatchEncoder:
    facts = EncoderFacts(
        name="small",
        architecture="small",
        input_px=TILE_PX,
        transform=Transform(HALF, HALF),
        pooling=MapMean(),
        source="folder:nowhere",
        licence="none",
        precision=precision,
    )
    return PatchEncoder(facts, Small()).eval().requires_grad_(requires_grad=False)


def tiles(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, TILE_PX, TILE_PX, 3), dtype=np.uint8)


@dataclass
class Mean:
    """A runtime whose feature is a tile's mean grey level; notes how large its calls were."""

    streams: int = 1
    piece: int | None = None
    batch: int = 32
    allocate: None = None
    calls: list[int] = field(default_factory=list)
    facts: RuntimeFacts = field(default=RuntimeFacts("mean", "float32", ("cpu",), ""))
    identity: dict[str, str] = field(default_factory=lambda: {"runtime": "mean"})
    encoder: PatchEncoder = field(default_factory=small_encoder)

    def encode(self, pixels):
        self.calls.append(len(pixels))
        return pixels.mean(axis=(1, 2, 3), dtype=np.float32)[:, None]


@dataclass(frozen=True)
class Kind:
    """A kind of runtime that multiplies the reference's features, and takes its time."""

    name: str
    scale: float = 1.0
    noise: float = 0.0
    seconds_a_tile: float = 0.0
    refused: str = ""
    precision: str = "float32"

    @property
    def facts(self):
        return RuntimeFacts(self.name, self.precision, ("cpu",), "")

    def refusal(self, device):
        return self.refused

    def build(self, encoder, device, tile_px):
        return _Made(self, encoder)


class _Made:
    streams = 1
    piece = None
    batch = 8
    allocate = None

    def __init__(self, kind, encoder):
        self.kind, self.facts, self.encoder = kind, kind.facts, encoder
        self.identity = {"runtime": kind.name}

    def encode(self, pixels):
        import time

        time.sleep(self.kind.seconds_a_tile * len(pixels))
        with torch.inference_mode():
            features = self.encoder(torch.from_numpy(pixels)).numpy()
        noise = np.random.default_rng(0).normal(0, self.kind.noise, features.shape)
        return (features * self.kind.scale + noise).astype(np.float32)
