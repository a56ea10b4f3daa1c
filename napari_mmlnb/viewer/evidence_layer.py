"""Outlines of the evidence tiles with their ranks, and the way to go and look at one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_mmlnb.result import Evidence
from napari_mmlnb.viewer.camera import go_to
from napari_mmlnb.viewer.heatmap_layer import ROLE, UNITS

if TYPE_CHECKING:
    from napari.layers import Shapes
    from napari.viewer import Viewer

NAME = "evidence"
COLOUR = "#0b1f66"
CHOSEN_COLOUR = "#ff3d00"
EDGE_SHARE = 0.04


class EvidenceLayer:
    """A shapes layer with one square a tile; there are never more than a few dozen."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._layer: Shapes | None = None
        self._evidence: tuple[Evidence, ...] = ()

    @property
    def layer(self) -> Shapes | None:
        """The layer; None where there is no evidence."""
        return self._layer if self._layer is not None and self._layer in self._viewer.layers else None

    def show(self, evidence: Sequence[Evidence]) -> None:
        """Outline these tiles in place of those shown before."""
        if self.layer is not None and tuple(evidence) == self._evidence:
            self.layer.visible = True
            return
        self.remove()
        self._evidence = tuple(evidence)
        if not self._evidence:
            return
        active = self._viewer.layers.selection.active
        side = max(max(e.region.height, e.region.width) for e in self._evidence)
        self._layer = self._viewer.add_shapes(
            [e.region.corners for e in self._evidence],
            shape_type="polygon",
            name=NAME,
            features={"rank": [str(e.rank) for e in self._evidence]},
            text={"string": "{rank}", "anchor": "upper_left", "size": 14, "color": COLOUR},
            edge_width=side * EDGE_SHARE,
            edge_color=COLOUR,
            face_color="transparent",
            opacity=1.0,
            units=UNITS,
            axis_labels=("y", "x"),
            metadata={ROLE: "evidence"},
        )
        self._layer.editable = False
        self._viewer.layers.selection.active = active

    def choose(self, index: int) -> None:
        """Mark one tile and go there."""
        if self.layer is not None:
            self.layer.edge_color = [CHOSEN_COLOUR if i == index else COLOUR for i in range(len(self._evidence))]
        go_to(self._viewer, self._evidence[index].region)

    def hide(self) -> None:
        """Show nothing."""
        if self.layer is not None:
            self.layer.visible = False

    def remove(self) -> None:
        """Take the outlines away."""
        if self.layer is not None:
            self._viewer.layers.remove(self.layer)
        self._layer = None
        self._evidence = ()
