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
from napari_mmlnb.describe.texture import measure_texture


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
    CONFLUENT_DARK = 8


@dataclass(frozen=True)
class CompartmentLimits:
    """Limits between the compartments: colour (OD, or one channel's OD over another's), texture, distance (um).

    Texture is taken relative to the mean density, so that a strong stain does not make a rough tissue.

    Parameters
    ----------
    confluent_od, confluent_um
        Haematoxylin, and the least radius of a body, above which it is no nucleus.
    blood_green_od, blood_red_share, blood_blue_share
        Erythrocytes: green absorbed strongly, red hardly, blue nearly as green.
    gap_um
        Space between nuclei narrower than twice this is counted as the cells' own cytoplasm.
    pale_od
        Mean density under which matrix is pale.
    fibre_coherence, fibre_eosin_od
        Bundles: fibres that keep one direction over 12 um, with at least this eosin.
    dense_roughness, dense_eosin_od
        Dense matrix without structure: at most this texture (1/um), at least this eosin.
    pink_share
        Red absorption over green, above which matrix is too blue for fibres of nerve or debris.
    felt_roughness, felt_coherence
        Felt of fine fibres: least texture (1/um), greatest coherence over 12 um.
    debris_variation, debris_share, debris_clear_um, debris_radius_um
        Debris: coefficient of variation of the density over 3 um at least this, red over green at most this, this far
        from nuclei, and wide enough for a disc of this radius.
    """

    confluent_od: float = 0.95
    confluent_um: float = 5.0
    blood_green_od: float = 0.30
    blood_red_share: float = 0.36
    blood_blue_share: float = 0.68
    gap_um: float = 2.0
    pale_od: float = 0.11
    fibre_coherence: float = 0.24
    fibre_eosin_od: float = 0.04
    dense_roughness: float = 0.10
    dense_eosin_od: float = 0.10
    pink_share: float = 0.56
    felt_roughness: float = 0.10
    felt_coherence: float = 0.22
    debris_variation: float = 0.27
    debris_share: float = 0.44
    debris_clear_um: float = 2.0
    debris_radius_um: float = 4.0


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
    matrix = opened(stained, limits.gap_um)
    found = np.full(tile.shape, Compartment.CYTOPLASM, dtype=np.uint8)
    # Later lines win: from what is common and vague to what is rare and plain.
    for compartment, mask in (
        *_matrix_kinds(tile, nuclear, stained, limits).items(),
        (Compartment.BLOOD, _blood(tile, limits)),
    ):
        found[mask & matrix] = compartment
    found[nuclear] = Compartment.NUCLEI
    found[_confluent_dark(tile, limits)] = Compartment.CONFLUENT_DARK
    found[~tile.tissue] = Compartment.GLASS
    return found


def _matrix_kinds(
    tile: StainedTile, nuclear: Mask, stained: Mask, limits: CompartmentLimits
) -> dict[Compartment, Mask]:
    """What the space between the cells is, in rising order of precedence."""
    density = tile.mean_density
    texture = measure_texture(density, distance_to(~stained) > 1)
    planes = np.dstack([tile.density[..., :2], tile.eosin, density, density**2])
    red, green, eosin, mean, square = np.moveaxis(_masked_smooth(planes, stained, 3.0), 2, 0)
    roughness = texture.energy / np.maximum(mean, 1e-3)
    variation = np.sqrt(np.maximum(square - mean**2, 0)) / np.maximum(mean, 1e-3)
    share = red / np.maximum(green, 1e-3)
    tangled = texture.coarse_coherence < limits.felt_coherence
    fibres = (texture.coarse_coherence > limits.fibre_coherence) & (eosin > limits.fibre_eosin_od)
    dense = (roughness < limits.dense_roughness) & (eosin > limits.dense_eosin_od)
    clear = distance_to(nuclear) > pixels(limits.debris_clear_um)
    debris = tangled & clear & (variation > limits.debris_variation) & (share < limits.debris_share)
    return {
        Compartment.NEUROPIL: tangled & (roughness > limits.felt_roughness) & (share < limits.pink_share),
        Compartment.STROMA: fibres | dense,
        Compartment.NECROSIS: opened(debris, limits.debris_radius_um),
        Compartment.PALE: mean < limits.pale_od,
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


def _confluent_dark(tile: StainedTile, limits: CompartmentLimits) -> Mask:
    return opened((smooth(tile.haematoxylin, 1.0) > limits.confluent_od) & tile.tissue, limits.confluent_um)


def _masked_smooth(images: Float32, mask: Mask, sigma_um: float) -> Float32:
    """Gaussian average over the pixels of a mask alone, (h, w, channels)."""
    weight = mask.astype(np.float32)[..., None]
    averaged = smooth(np.concatenate([images * weight, weight], axis=2), sigma_um)
    return np.asarray(averaged[..., :-1] / np.maximum(averaged[..., -1:], 1e-3), dtype=np.float32)
