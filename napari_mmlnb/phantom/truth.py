"""What is known of a phantom: the file `*.truth.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

Subtype = Literal["ud", "pd", "d"]
Share = Annotated[float, Field(ge=0, le=1)]

TILE_UM = 112.0
"""Side of a tile of the attribute grid: 224 px of 0.5 um."""

NEUROBLASTIC = ("neuroblast", "differentiating", "ganglion_like", "mitosis", "karyorrhexis")
"""Kinds of cell that count as neuroblastic."""

DIFFERENTIATING = ("differentiating", "ganglion_like")
"""Kinds of cell that count as differentiating."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TruthRegion(_Record):
    """An area of one kind of tissue.

    `polygon_um` is one ring of [y, x] in micrometres. A hole is joined to the outline by a cut of no width, so that the
    even-odd rule fills the area as drawn. `discriminative` says that the area decides the slide's subtype.
    """

    kind: str
    polygon_um: tuple[tuple[float, float], ...]
    discriminative: bool


class TileAttributes(_Record):
    """What one tile of the grid holds (112 um squares from the slide's origin; the last ones reach beyond the edge).

    `tissue`, `neuropil`, `necrosis`, `calcification`, `discriminative`: shares of the tile's area, 0 to 1.
    `differentiating`: share of the tile's neuroblastic cells that are differentiating or ganglion-like, 0 to 1.
    `mki`: mitotic and karyorrhectic cells per 100 neuroblastic cells of the tile. `rosettes`: Homer-Wright rosettes
    whose centre lies in the tile. `neuroblastic_cells`: the number of cells behind the two ratios.
    """

    row: int
    column: int
    tissue: Share
    neuropil: Share
    differentiating: Share
    mki: Annotated[float, Field(ge=0, le=100)]
    necrosis: Share
    rosettes: Annotated[int, Field(ge=0)]
    calcification: Share
    discriminative: Share
    neuroblastic_cells: Annotated[int, Field(ge=0)]


class PhantomTruth(_Record):
    """Everything that is known of a phantom. `size_px` is [x, y]; `mpp` is the same on both axes."""

    subtype: Subtype
    seed: int
    mpp: Annotated[float, Field(gt=0)]
    size_px: tuple[int, int]
    stain_shift: float
    regions: tuple[TruthRegion, ...]
    cells: dict[str, int]
    tile_um: float = TILE_UM
    tile_attributes: tuple[TileAttributes, ...]

    @property
    def neuroblastic_cells(self) -> int:
        """Number of neuroblastic cells."""
        return sum(self.cells.get(kind, 0) for kind in NEUROBLASTIC)

    @property
    def differentiating_share(self) -> float:
        """Share of the slide's neuroblastic cells that are differentiating; 5 % parts PD from D (INPC)."""
        return sum(self.cells.get(kind, 0) for kind in DIFFERENTIATING) / max(self.neuroblastic_cells, 1)

    @property
    def mki(self) -> float:
        """Mitotic and karyorrhectic cells per 100 neuroblastic cells of the slide."""
        return (
            100.0 * (self.cells.get("mitosis", 0) + self.cells.get("karyorrhexis", 0)) / max(self.neuroblastic_cells, 1)
        )

    @property
    def grid_shape(self) -> tuple[int, int]:
        """Rows and columns of the attribute grid."""
        return (
            max(tile.row for tile in self.tile_attributes) + 1,
            max(tile.column for tile in self.tile_attributes) + 1,
        )

    def tile_map(self, attribute: str) -> npt.NDArray[np.float32]:
        """One attribute as a raster, (rows, columns), one pixel a tile.

        Raises
        ------
        AttributeError
            If tiles have no such attribute.
        """
        raster = np.zeros(self.grid_shape, np.float32)
        for tile in self.tile_attributes:
            raster[tile.row, tile.column] = getattr(tile, attribute)
        return raster

    @classmethod
    def from_file(cls, path: Path | str) -> PhantomTruth:
        """Read `*.truth.json`."""
        return cls.model_validate_json(Path(path).read_text(encoding="utf-8"))
