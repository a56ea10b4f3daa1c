"""Everything that is laid on the slide: tissue, heatmap, unreadable tiles, outlines of the evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_mmlnb.result import RunMaps, RunResult
from napari_mmlnb.viewer.evidence_layer import EvidenceLayer
from napari_mmlnb.viewer.heatmap_layer import ATTENTION, NOT_VALID, SO_FAR, HeatmapLayer
from napari_mmlnb.viewer.session import Session
from napari_mmlnb.viewer.tissue_layer import TissueLayer
from napari_mmlnb.viewer.unreadable_layer import UnreadableLayer

if TYPE_CHECKING:
    from napari.viewer import Viewer


class Overlays:
    """The layers of a run, and the outline of the tissue, kept to one of each kind."""

    def __init__(self, viewer: Viewer) -> None:
        self.heatmap = HeatmapLayer(viewer)
        self.unreadable = UnreadableLayer(viewer)
        self.evidence = EvidenceLayer(viewer)
        self.tissue = TissueLayer(viewer)

    def show_partial(self, maps: RunMaps) -> None:
        """Attention so far, while a run goes on."""
        self.heatmap.show(maps, name=SO_FAR)

    def show_findings(self, result: RunResult) -> None:
        """Outlines of the evidence and the tiles that could not be read."""
        if result.maps is not None:
            self.unreadable.show(result.maps)
        else:
            self.unreadable.hide()
        self.evidence.show(result.evidence)

    def show_heatmap(self, session: Session, class_id: str | None = None) -> None:
        """Attention, or the contribution to a class; hidden for an abstained run unless it was asked for."""
        maps = session.result.maps if session.result is not None else None
        if maps is None or (session.abstained and not session.attention_asked_for):
            self.heatmap.hide()
        elif session.abstained:
            self.heatmap.show(maps, name=NOT_VALID)
        elif class_id is None:
            self.heatmap.show(maps, name=ATTENTION)
        else:
            label = session.result.class_record(class_id).label
            self.heatmap.show(maps, class_id=class_id, name=f"contribution to {label}")

    def hide(self) -> None:
        """Show nothing of a run."""
        self.heatmap.hide()
        self.unreadable.hide()
        self.evidence.hide()

    def clear(self) -> None:
        """Take every layer of a run away."""
        self.heatmap.remove()
        self.unreadable.remove()
        self.evidence.remove()
