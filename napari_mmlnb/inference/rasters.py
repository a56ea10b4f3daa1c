"""The rasters of a run: one pixel a tile, NaN where nothing is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_mmlnb.bundles.bundle import Bundle
from napari_mmlnb.inference.answer import TileAnswer
from napari_mmlnb.inference.bag import Bag
from napari_mmlnb.result import RunMaps, TileState
from napari_mmlnb.slides.backends.base import RGB
from napari_mmlnb.slides.slide import Slide
from napari_mmlnb.slides.tile_grid import TileGrid
from napari_mmlnb.slides.tissue import TissueMask

_THUMBNAIL_PX = 1024


class Rasters:
    """Draws `RunMaps` of a slide, again and again as attention sharpens.

    Parameters
    ----------
    slide : Slide
        For the thumbnail, read once.
    tissue : TissueMask
        Where tissue is.
    tiles : TileGrid
        Which places are looked at.
    bundle : Bundle
        For class names and the fixed scale of the map.
    """

    def __init__(self, slide: Slide, tissue: TissueMask, tiles: TileGrid, bundle: Bundle) -> None:
        self._tissue = tissue
        self._tiles = tiles
        self._classes = bundle.spec.class_ids
        self._limits = (0.0, bundle.calibration.attention_high)
        self._thumbnail, self._thumbnail_grid = slide.findings.once(
            "thumbnail", _THUMBNAIL_PX, lambda: slide.thumbnail(_THUMBNAIL_PX)
        )

    def draw(
        self,
        bag: Bag,
        answer: TileAnswer | None,
        evidence_tiles: tuple[RGB, ...] = (),
        distances: npt.NDArray[np.float32] | None = None,
    ) -> RunMaps:
        """The rasters as they are now; without an answer the maps are empty.

        `distances`, of the tiles used from the training tiles, come with the result.
        """
        state = np.full(self._tiles.grid.shape, TileState.NO_TISSUE, dtype=np.uint8)
        state[tuple(self._tiles.cells.T)] = bag.state
        attention = self._empty()
        contribution = {class_id: self._empty() for class_id in self._classes}
        if answer is not None:
            rows, columns = self._tiles.cells[bag.used].T
            attention[rows, columns] = answer.attention
            for k, class_id in enumerate(self._classes):
                contribution[class_id][rows, columns] = answer.contribution[:, k]
        distance = None
        if distances is not None:
            distance = self._empty()
            distance[tuple(self._tiles.cells[bag.used].T)] = distances
        return RunMaps(
            grid=self._tiles.grid,
            attention=attention,
            contribution=contribution,
            state=state,
            attention_limits=self._limits,
            tissue=self._tissue.mask,
            tissue_grid=self._tissue.grid,
            thumbnail=self._thumbnail,
            thumbnail_grid=self._thumbnail_grid,
            evidence_tiles=evidence_tiles,
            distance=distance,
        )

    def _empty(self) -> npt.NDArray[np.float32]:
        return np.full(self._tiles.grid.shape, np.nan, dtype=np.float32)
