"""The outline of the tissue, laid on the slide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt
from napari.utils.colormaps import DirectLabelColormap

from napari_mmlnb.viewer.heatmap_layer import ROLE, UNITS

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.viewer import Viewer

    from napari_mmlnb.slides.tissue import TissueMask

NAME = "tissue"
INSIDE, RIM = 1, 2
INSIDE_RGBA = (0.0, 0.55, 0.58, 0.10)
RIM_RGBA = (0.0, 0.55, 0.58, 0.90)
RIM_PX = 2


@dataclass(frozen=True)
class TissueOutline:
    """A tissue mask with its rim.

    Parameters
    ----------
    tissue : TissueMask
        The mask.
    raster : ndarray
        (h, w) uint8; 0 no tissue, `INSIDE`, `RIM`.
    """

    tissue: TissueMask
    raster: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, tissue: TissueMask) -> TissueOutline:
        """Find the rim, which lies in the tissue, `RIM_PX` wide; tissue at the slide's edge has one there too."""
        mask = tissue.mask.astype(np.uint8)
        core = cv2.erode(mask, np.ones((3, 3), np.uint8), iterations=RIM_PX, borderValue=0)
        return cls(tissue, np.where(core, INSIDE, RIM).astype(np.uint8) * mask)


class TissueLayer:
    """Keeps a single labels layer up to date; there only while it is shown."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._layer: Labels | None = None
        self._outline: TissueOutline | None = None

    @property
    def layer(self) -> Labels | None:
        """The layer; None where nothing is shown, or a person has removed it."""
        return self._layer if self._layer is not None and self._layer in self._viewer.layers else None

    @property
    def shown(self) -> bool:
        """Whether there is anything to be seen."""
        return self.layer is not None and self.layer.visible

    def show(self, outline: TissueOutline) -> None:
        """Draw an outline in place of the one before."""
        if self.layer is not None and outline is self._outline:
            self.layer.visible = True
            return
        self.remove()
        self._outline = outline
        active = self._viewer.layers.selection.active
        grid = outline.tissue.grid
        self._layer = self._viewer.add_labels(
            outline.raster,
            name=NAME,
            scale=grid.spacing_um,
            translate=grid.centre_of_first_um,
            units=UNITS,
            axis_labels=("y", "x"),
            opacity=1.0,
            colormap=DirectLabelColormap(color_dict={INSIDE: INSIDE_RGBA, RIM: RIM_RGBA, None: "transparent"}),
            metadata={ROLE: "tissue"},
        )
        self._layer.editable = False
        self._lay_below_findings()
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
        self._outline = None

    def _lay_below_findings(self) -> None:
        layers = self._viewer.layers
        above = [i for i, other in enumerate(layers) if other is not self._layer and ROLE in other.metadata]
        if above:
            layers.move(len(layers) - 1, above[0])
