"""Stored tiles of the slide that could not be decoded, and the way to each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy, QVBoxLayout, QWidget

from napari_mmlnb.geometry import Region
from napari_mmlnb.slides.damage import DamagedTile
from napari_mmlnb.viewer import wording
from napari_mmlnb.viewer.section import wrapped_label

if TYPE_CHECKING:
    from napari_mmlnb.slides.slide import Slide

MOST_LISTED = 1000


class DamageList(QWidget):
    """How many, and a list to choose from; not there while nothing is damaged.

    Signals
    -------
    asked : Region
        The person wants to see this tile.
    """

    asked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._slide: Slide | None = None
        self._tiles: tuple[DamagedTile, ...] = ()
        self.count = wrapped_label(role="error")
        self.list = QComboBox()
        self.list.setAccessibleName("Damaged tiles")
        self.list.setToolTip("Choose a damaged tile to go there")
        self.list.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.list.setMinimumContentsLength(8)
        self.list.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.count)
        layout.addWidget(self.list)
        self.list.activated.connect(self._on_activated)
        self.hide()

    def set_slide(self, slide: Slide | None) -> None:
        """Look at another slide."""
        self._slide = slide
        self.show_tiles(() if slide is None else slide.damage.tiles)

    def show_tiles(self, tiles: Sequence[DamagedTile]) -> None:
        """List the tiles, as many as a list can bear; the one that was chosen stays so."""
        chosen = self._tiles[self.list.currentIndex()] if self._tiles and self.list.currentIndex() >= 0 else None
        self._tiles = tuple(tiles[:MOST_LISTED])
        self.count.setText(wording.damage_words(len(tiles)))
        self.list.clear()
        self.list.addItems(
            [wording.damaged_tile_words(i + 1, tile, self._region(tile)) for i, tile in enumerate(self._tiles)]
        )
        self.list.setPlaceholderText("Go to a damaged tile…")
        self.list.setCurrentIndex(self._tiles.index(chosen) if chosen in self._tiles else -1)
        self.setVisible(bool(self._tiles))

    def _on_activated(self, index: int) -> None:
        self.asked.emit(self._region(self._tiles[index]))

    def _region(self, tile: DamagedTile) -> Region:
        grid, shape = self._slide.grids[tile.level], self._slide.metadata.levels[tile.level]
        top, left = tile.row * shape.tile_height, tile.column * shape.tile_width
        rows = slice(top, min(top + shape.tile_height, shape.height))
        columns = slice(left, min(left + shape.tile_width, shape.width))
        return grid.crop(rows, columns).region
