"""Image towers: a 224 px image to one vector."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from napari_mmlnb.errors import RequestError, UnknownNameError
from napari_mmlnb.models.towers.kind import TowerKind
from napari_mmlnb.models.towers.published import IMAGE_PX
from napari_mmlnb.registry import Registry

TIMM = "timm:"


class ImageTower(nn.Module):
    """Feature maps, averaged over the image.

    Parameters
    ----------
    maps : Module
        (B, 3, H, W) float32, normalised, to (B, D, h, w).
    dimension : int
        D.
    """

    def __init__(self, maps: nn.Module, dimension: int) -> None:
        super().__init__()
        self.maps = maps
        self.dimension = dimension

    def forward(self, pixels: Tensor) -> Tensor:
        """Encode images: (B, 3, H, W) to v, (B, D)."""
        maps: Tensor = self.maps(pixels)
        return maps.mean(dim=(2, 3))


def _vgg16() -> ImageTower:
    """As published: VGG16's features, 512 maps, averaged (Simonyan and Zisserman, arXiv 1409.1556)."""
    import timm  # noqa: PLC0415 - seconds

    network: nn.Module = timm.create_model("vgg16", pretrained=False)
    return ImageTower(network.get_submodule("features"), 512)


def _small() -> ImageTower:
    """Four convolutions, for a machine without a card and for tests. Our design, after VGG16."""
    widths = (3, 16, 32, 64, 64)
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
    return ImageTower(nn.Sequential(*layers), widths[-1])


IMAGE_TOWERS = Registry("image tower", (TowerKind("vgg16", _vgg16), TowerKind("small", _small)))


def build_image_tower(name: str) -> ImageTower:
    """Build a tower with random weights.

    Parameters
    ----------
    name : str
        Of the registry, or "timm:NAME" for any timm model that gives feature maps.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    RequestError
        If the timm model gives no feature maps.
    """
    if not name.startswith(TIMM):
        return IMAGE_TOWERS.get(name).build()
    import timm  # noqa: PLC0415 - seconds

    architecture = name.removeprefix(TIMM)
    if architecture not in timm.list_models():
        raise UnknownNameError("timm model", architecture, tuple(timm.list_models(f"{architecture[:4]}*")[:5]))
    maps = _Maps(timm.create_model(architecture, pretrained=False, num_classes=0))
    maps.eval()  # one image alone has no variance for a batch norm
    with torch.inference_mode():
        shape = maps(torch.zeros(1, 3, IMAGE_PX, IMAGE_PX)).shape
    if len(shape) != 4:
        raise RequestError(f"The timm model {architecture} gives no feature maps.", "Choose a convolutional one.")
    return ImageTower(maps.train(), int(shape[1]))


class _Maps(nn.Module):
    """A timm model up to its feature maps."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        maps: Tensor = self.network.forward_features(pixels)  # type: ignore[operator]
        return maps
