"""Which poolings there are."""

from __future__ import annotations

from napari_mmlnb.models.pooling.additive import ADDITIVE
from napari_mmlnb.models.pooling.base import PoolingFacts
from napari_mmlnb.models.pooling.clam import CLAM_MB, CLAM_SB
from napari_mmlnb.models.pooling.dsmil import DSMIL
from napari_mmlnb.models.pooling.gated_attention import GATED_ATTENTION
from napari_mmlnb.models.pooling.max import MAX
from napari_mmlnb.models.pooling.mean import MEAN
from napari_mmlnb.models.pooling.transmil import TRANSMIL
from napari_mmlnb.registry import Registry

POOLINGS: Registry[PoolingFacts] = Registry(
    "pooling", (GATED_ATTENTION, ADDITIVE, CLAM_SB, CLAM_MB, DSMIL, TRANSMIL, MEAN, MAX)
)
