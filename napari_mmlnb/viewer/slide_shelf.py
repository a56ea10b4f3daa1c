"""The slides that are open in the viewer, and which of them is being worked on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_mmlnb.viewer.camera import fit
from napari_mmlnb.viewer.session import Session
from napari_mmlnb.viewer.slide_closing import close_behind
from napari_mmlnb.viewer.slide_layer import scanned_region, slide_of

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer


class SlideShelf(QObject):
    """Follows the viewer's layer list; every slide has a session of its own.

    All slides lie at the same micrometres, so only the chosen one is visible. A slide is closed when the last layer
    that shows it is removed.

    Signals
    -------
    changed
        Another slide is worked on, or the list has changed.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._entries: list[tuple[Image, Session]] = []
        self._current = -1
        for layer in viewer.layers:
            self._take(layer)
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the open slides, in the order of opening."""
        return tuple(layer.name for layer, _ in self._entries)

    @property
    def index(self) -> int:
        """Position of the chosen slide; -1 for none."""
        return self._current

    @property
    def session(self) -> Session | None:
        """Of the chosen slide."""
        return self._entries[self._current][1] if self._current >= 0 else None

    @property
    def layer(self) -> Image | None:
        """Of the chosen slide."""
        return self._entries[self._current][0] if self._current >= 0 else None

    def layer_of(self, session: Session) -> Image | None:
        """The layer of a session; None where it has been removed."""
        return next((layer for layer, each in self._entries if each is session), None)

    def choose(self, index: int) -> None:
        """Work on another slide: show it, hide the others, and fit it to the canvas."""
        if index != self._current:
            self._turn_to(index)

    def _turn_to(self, index: int) -> None:
        self._current = index
        for i, (layer, _) in enumerate(self._entries):
            # Napari reads and draws a layer anew even where this changes nothing.
            if layer.visible != (i == index):
                layer.visible = i == index
        layer, session = self._entries[index]
        if self._viewer.layers.selection.active is not layer:
            self._viewer.layers.selection.active = layer
        fit(self._viewer, scanned_region(session.slide))
        self.changed.emit()

    def detach(self) -> None:
        """Stop following the viewer."""
        self._viewer.layers.events.inserted.disconnect(self._on_inserted)
        self._viewer.layers.events.removed.disconnect(self._on_removed)

    def _take(self, layer) -> bool:
        slide = slide_of(layer)
        if slide is None:
            return False
        self._entries.append((layer, Session(slide)))
        self._current = len(self._entries) - 1
        return True

    def _on_inserted(self, event) -> None:
        if self._take(event.value):
            self._turn_to(self._current)

    def _on_removed(self, event) -> None:
        gone = [i for i, (layer, _) in enumerate(self._entries) if layer is event.value]
        if not gone:
            return
        self._forget(gone[0])
        slide = slide_of(event.value)
        if all(session.slide is not slide for _, session in self._entries):
            close_behind(slide)

    def _forget(self, index: int) -> None:
        del self._entries[index]
        if index != self._current:
            self._current -= index < self._current
            self.changed.emit()
            return
        self._current = len(self._entries) - 1
        if self._entries:
            self._turn_to(self._current)
        else:
            self.changed.emit()
