"""A slide as napari shows it: one lazy multiscale image, in micrometres."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mmlnb.viewer.heatmap_layer import UNITS

if TYPE_CHECKING:
    from napari.layers import Image, Layer
    from napari.viewer import Viewer

    from napari_mmlnb.slides.slide import Slide

SLIDE_KEY = "mmlnb_slide"


def slide_name(path: Path) -> str:
    """The file's name without its ending; OME-TIFF's double one goes as a whole."""
    return path.stem.removesuffix(".ome") if path.suffix else path.name


def slide_layer_data(slide: Slide) -> tuple[list[Any], dict[str, Any], str]:
    """Data, keywords and type of the slide's image layer.

    Napari's pixel is a point with an area around it, ours is an area: the layer is moved by half a pixel of level 0,
    and then every level, and every overlay that does the same, covers the micrometres that it should.
    """
    grid = slide.grids[0]
    keywords = {
        "name": slide_name(slide.path),
        "rgb": True,
        "multiscale": True,
        "scale": grid.spacing_um,
        "translate": grid.centre_of_first_um,
        "units": UNITS,
        "axis_labels": ("y", "x"),
        "metadata": {SLIDE_KEY: slide},
    }
    return list(slide.pyramid), keywords, "image"


def slide_of(layer: Layer) -> Slide | None:
    """The slide that a layer shows; None for any other layer."""
    return layer.metadata.get(SLIDE_KEY)


def add_slide(viewer: Viewer, slide: Slide) -> Image:
    """Show a slide in a viewer."""
    pyramid, keywords, _ = slide_layer_data(slide)
    return viewer.add_image(pyramid, **keywords)
