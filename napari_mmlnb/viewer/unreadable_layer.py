"""Tiles that could not be read, drawn so that nobody takes them for tissue without attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.utils.colormaps import DirectLabelColormap

from napari_mmlnb.result import RunMaps, TileState
from napari_mmlnb.viewer.heatmap_layer import ROLE, UNITS

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.viewer import Viewer

NAME = "unreadable tiles"
COLOUR = "#d81b60"


class UnreadableLayer:
    """A labels layer on the tile grid; there only while there is something to show."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._layer: Labels | None = None

    @property
    def layer(self) -> Labels | None:
        """The layer; None where every tile could be read."""
        return self._layer if self._layer is not None and self._layer in self._viewer.layers else None

    def show(self, maps: RunMaps) -> None:
        """Mark the unreadable tiles of a run."""
        unreadable = (maps.state == TileState.UNREADABLE).astype(np.uint8)
        if not unreadable.any():
            self.hide()
            return
        self.remove()
        active = self._viewer.layers.selection.active
        self._layer = self._viewer.add_labels(
            unreadable,
            name=NAME,
            scale=maps.grid.spacing_um,
            translate=maps.grid.centre_of_first_um,
            units=UNITS,
            axis_labels=("y", "x"),
            opacity=0.7,
            colormap=DirectLabelColormap(color_dict={0: "transparent", 1: COLOUR, None: "transparent"}),
            metadata={ROLE: "unreadable"},
        )
        self._layer.editable = False
        self._viewer.layers.selection.active = active

    def hide(self) -> None:
        """Show nothing."""
        if self.layer is not None:
            self.layer.visible = False

    def remove(self) -> None:
        """Take the layer away."""
        if self.layer is not None:
            self._viewer.layers.remove(self.layer)
        self._layer = None
