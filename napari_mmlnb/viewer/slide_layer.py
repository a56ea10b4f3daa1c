"""A slide as napari shows it: one lazy multiscale image, in micrometres."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_mmlnb.geometry import Region
from napari_mmlnb.slides.icc import Colours
from napari_mmlnb.slides.location import Location
from napari_mmlnb.viewer.heatmap_layer import UNITS
from napari_mmlnb.viewer.level_array import LevelArray
from napari_mmlnb.viewer.level_guard import keep_automatic
from napari_mmlnb.viewer.slide_closing import close_when_forgotten

if TYPE_CHECKING:
    from napari.layers import Image, Layer
    from napari.viewer import Viewer

    from napari_mmlnb.slides.slide import Slide

SLIDE_KEY = "mmlnb_slide"


def slide_name(path: Location) -> str:
    """The file's name without its ending; OME-TIFF's double one goes as a whole."""
    return path.stem.removesuffix(".ome") if path.suffix else path.name


def level_arrays(slide: Slide, colours: Colours = "raw") -> list[LevelArray]:
    """The levels of a slide as data of a layer, highest resolution first.

    Raises
    ------
    ColourProfileError
        If sRGB is asked for and the slide has no usable colour profile.
    """
    pyramid = slide.levels_as(colours)
    return [LevelArray(slide, pyramid, level, keep_automatic) for level in range(len(pyramid.levels))]


def scanned_region(slide: Slide) -> Region:
    """What is worth looking at: the part that was scanned, where the file says which."""
    return slide.bounds or slide.grids[0].region


def slide_layer_data(slide: Slide) -> tuple[list[LevelArray], dict[str, Any], str]:
    """Data, keywords and type of the slide's image layer.

    Napari's pixel is a point with an area around it, ours is an area: the layer is moved by half a pixel of level 0,
    and then every level, and every overlay that does the same, covers the micrometres that it should.
    """
    close_when_forgotten(slide)
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
    return level_arrays(slide), keywords, "image"


def slide_of(layer: Layer) -> Slide | None:
    """The slide that a layer shows; None for any other layer."""
    return layer.metadata.get(SLIDE_KEY)


def add_slide(viewer: Viewer, slide: Slide) -> Image:
    """Show a slide in a viewer."""
    levels, keywords, _ = slide_layer_data(slide)
    return viewer.add_image(levels, **keywords)
