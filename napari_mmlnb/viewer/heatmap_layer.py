"""The one heatmap layer: attention, or the contribution to a class, laid on the slide in micrometres."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_mmlnb.result import RunMaps
from napari_mmlnb.viewer.colour_maps import attention_colormap, contribution_colormap

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer

ATTENTION = "attention"
NOT_VALID = "attention (not valid for this slide)"
SO_FAR = "attention (so far)"
UNITS = ("um", "um")
ROLE = "mmlnb_role"
DEFAULT_OPACITY = 0.6


def contribution_limits(maps: RunMaps) -> tuple[float, float]:
    """A scale that is the same for every class of a run and has zero in the middle."""
    peaks = [float(np.nanmax(np.abs(m))) for m in maps.contribution.values() if np.isfinite(m).any()]
    peak = max(peaks, default=0.0) or 1.0
    return -peak, peak


class HeatmapLayer:
    """Keeps a single image layer up to date.

    Parameters
    ----------
    viewer : napari Viewer
        Where the layer lives.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._layer: Image | None = None
        self._opacity = DEFAULT_OPACITY
        self._colormaps = {True: attention_colormap(), False: contribution_colormap()}

    @property
    def layer(self) -> Image | None:
        """The layer; None where nothing is shown, or a person has removed it."""
        return self._layer if self._layer is not None and self._layer in self._viewer.layers else None

    @property
    def shown(self) -> bool:
        """Whether there is anything to be seen."""
        return self.layer is not None and self.layer.visible

    @property
    def opacity(self) -> float:
        """0 to 1."""
        return self._opacity

    @opacity.setter
    def opacity(self, value: float) -> None:
        self._opacity = value
        if self.layer is not None:
            self.layer.opacity = value

    def show(self, maps: RunMaps, *, class_id: str | None = None, name: str = ATTENTION) -> None:
        """Draw a map; the layer that is there is updated in place when its raster still fits.

        Parameters
        ----------
        maps : RunMaps
            The rasters of a run.
        class_id : str, optional
            Contribution to this class in place of attention.
        name : str
            Of the layer.
        """
        data = maps.attention if class_id is None else maps.contribution[class_id]
        limits = maps.attention_limits if class_id is None else contribution_limits(maps)
        layer = self.layer
        if layer is None or layer.data.shape != data.shape:
            self.remove()
            layer = self._add(data, limits)
        else:
            layer.data = data
        layer.scale = maps.grid.spacing_um
        layer.translate = maps.grid.centre_of_first_um
        layer.colormap = self._colormaps[class_id is None]
        layer.contrast_limits_range = limits
        layer.contrast_limits = limits
        layer.name = name
        layer.visible = True

    def hide(self) -> None:
        """Show nothing. The layer stays, empty: taking one away makes napari collect garbage for half a second."""
        if self.layer is not None:
            self.layer.visible = False
            self.layer.data = np.full_like(self.layer.data, np.nan)
            self.layer.name = ATTENTION

    def remove(self) -> None:
        """Take the layer away."""
        if self.layer is not None:
            self._viewer.layers.remove(self.layer)
        self._layer = None

    def _add(self, data: np.ndarray, limits: tuple[float, float]) -> Image:
        active = self._viewer.layers.selection.active
        layer = self._viewer.add_image(
            data,
            contrast_limits=limits,
            interpolation2d="nearest",
            blending="translucent_no_depth",
            opacity=self._opacity,
            units=UNITS,
            axis_labels=("y", "x"),
            metadata={ROLE: "heatmap"},
        )
        # Outlines and warnings stay above the colours.
        above = [i for i, other in enumerate(self._viewer.layers) if other is not layer and ROLE in other.metadata]
        if above:
            self._viewer.layers.move(len(self._viewer.layers) - 1, above[0])
        # A new layer takes the selection; the person was working with the slide.
        self._viewer.layers.selection.active = active
        self._layer = layer
        return layer
