"""What the area of a tile is made of, each pixel counted once.

A name ending in "like" says what the pixels look like by colour, texture and distance to nuclei; it does not say what
they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from napari_mmlnb.describe.nuclei import NucleiTable
from napari_mmlnb.describe.stains import Float32, Mask, StainedTile, distance_to, opened, pixels, smooth
from napari_mmlnb.describe.texture import Texture, measure_texture


class Compartment(IntEnum):
    """What a pixel is counted as."""

    GLASS = 0
    NUCLEI = 1
    CYTOPLASM = 2
    NEUROPIL = 3
    STROMA = 4
    PALE = 5
    NECROSIS = 6
    BLOOD = 7
    CALCIFICATION = 8


@dataclass(frozen=True)
class CompartmentLimits:
    """Limits of colour (OD), texture (OD per um; 0 to 1) and distance (um) between the compartments.

    Parameters
    ----------
    calcification_od, calcification_um
        Darkness of all three channels, and the least radius of a body, above which it is no nucleus.
    blood_green_od, blood_red_share, blood_blue_share
        Erythrocytes: green absorbed strongly, red hardly, blue nearly as green.
    gap_um
        Space between nuclei narrower than twice this is counted as the cells' own cytoplasm.
    pale_od
        Mean density under which matrix is pale.
    stroma_eosin_od, stroma_coherence
        Collagen: eosin at least this, in fibres that keep one direction.
    stroma_dense_od
        Eosin above which matrix is counted as collagen whatever its direction.
    necrosis_clear_um, necrosis_eosin_od, necrosis_energy
        Debris: this far from any nucleus, eosinophilic, and coarsely granular.
    neuropil_eosin_od, neuropil_energy
        Felt of fine fibres: least eosin and least texture.
    """

    calcification_od: float = 0.75
    calcification_um: float = 4.0
    blood_green_od: float = 0.35
    blood_red_share: float = 0.40
    blood_blue_share: float = 0.70
    gap_um: float = 1.5
    pale_od: float = 0.13
    stroma_eosin_od: float = 0.12
    stroma_coherence: float = 0.30
    stroma_dense_od: float = 0.24
    necrosis_clear_um: float = 10.0
    necrosis_eosin_od: float = 0.20
    necrosis_energy: float = 0.060
    neuropil_eosin_od: float = 0.06
    neuropil_energy: float = 0.008


LIMITS = CompartmentLimits()


def map_compartments(
    tile: StainedTile, nuclei: NucleiTable, limits: CompartmentLimits = LIMITS
) -> npt.NDArray[np.uint8]:
    """Divide a tile among the compartments.

    Returns
    -------
    ndarray
        (h, w) uint8 of `Compartment`.
    """
    nuclear = nuclei.mask
    stained = ~nuclear & tile.tissue
    texture = measure_texture(np.ascontiguousarray(tile.density.mean(axis=2)), distance_to(nuclear | ~tile.tissue) > 1)
    found = np.full(tile.shape, Compartment.CYTOPLASM, dtype=np.uint8)
    # Later lines win: from what is common and vague to what is rare and plain.
    matrix = opened(stained, limits.gap_um)
    for compartment, mask in (
        *_matrix_kinds(tile, nuclei, texture, matrix, limits).items(),
        (Compartment.NUCLEI, nuclear),
        (Compartment.BLOOD, _blood(tile, limits) & ~nuclear),
        (Compartment.CALCIFICATION, _calcification(tile, limits)),
        (Compartment.GLASS, ~tile.tissue),
    ):
        found[mask] = compartment
    return found


def _matrix_kinds(
    tile: StainedTile, nuclei: NucleiTable, texture: Texture, matrix: Mask, limits: CompartmentLimits
) -> dict[Compartment, Mask]:
    """What the space between the cells is; in rising order of precedence."""
    averaged = _masked_smooth(np.stack([tile.eosin, tile.density.mean(axis=2)], axis=2), matrix, 3.0)
    eosin, density = averaged[..., 0], averaged[..., 1]
    aligned = (texture.coarse_coherence > limits.stroma_coherence) & (eosin > limits.stroma_eosin_od)
    far = distance_to(nuclei.mask) > pixels(limits.necrosis_clear_um)
    return {
        Compartment.NEUROPIL: matrix & (eosin > limits.neuropil_eosin_od) & (texture.energy > limits.neuropil_energy),
        Compartment.PALE: matrix & (density < limits.pale_od),
        Compartment.STROMA: matrix & (aligned | (eosin > limits.stroma_dense_od)),
        Compartment.NECROSIS: matrix
        & far
        & (eosin > limits.necrosis_eosin_od)
        & (texture.energy > limits.necrosis_energy)
        & (texture.coarse_coherence < limits.stroma_coherence),
    }


def _blood(tile: StainedTile, limits: CompartmentLimits) -> Mask:
    softened = smooth(tile.density, 0.5)
    red, green, blue = (softened[..., i] for i in range(3))
    mask = (
        (green > limits.blood_green_od)
        & (red < limits.blood_red_share * green)
        & (blue > limits.blood_blue_share * green)
        & tile.tissue
    )
    return opened(mask, 1.0)


def _calcification(tile: StainedTile, limits: CompartmentLimits) -> Mask:
    return opened((smooth(tile.haematoxylin, 1.0) > limits.calcification_od) & tile.tissue, limits.calcification_um)


def _masked_smooth(images: Float32, mask: Mask, sigma_um: float) -> Float32:
    """Gaussian average over the pixels of a mask alone, (h, w, channels)."""
    weight = mask.astype(np.float32)[..., None]
    averaged = smooth(np.concatenate([images * weight, weight], axis=2), sigma_um)
    return np.asarray(averaged[..., :-1] / np.maximum(averaged[..., -1:], 1e-3), dtype=np.float32)
