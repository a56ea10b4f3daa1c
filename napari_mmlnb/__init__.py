"""Whole-slide pathology in napari: multimodal classification that shows its evidence.

Research use only. The public names are imported lazily, so that ``import napari_mmlnb`` costs neither torch nor Qt.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_mmlnb.bundles.registry import load_bundle
    from napari_mmlnb.inference.runner import classify
    from napari_mmlnb.result import RunResult
    from napari_mmlnb.slides.slide import open_slide

__version__ = "0.1.0"

_PUBLIC = {
    "RunResult": "napari_mmlnb.result",
    "classify": "napari_mmlnb.inference.runner",
    "load_bundle": "napari_mmlnb.bundles.registry",
    "open_slide": "napari_mmlnb.slides.slide",
}

__all__ = ["RunResult", "__version__", "classify", "load_bundle", "open_slide"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
