"""The mean of the projected tiles: the plainest pooling, and the yard-stick for the others.

Source: Wang, Yan, Tang, Bai, Liu: Revisiting multiple instance neural networks (arXiv 1610.02501), mean pooling.
"""

from __future__ import annotations

from torch import Tensor, nn

from napari_mmlnb.models.pooling.base import PoolingFacts, PoolingShape, projection
from napari_mmlnb.models.pooling.weighted import Rating, WeightedClassifier


class MeanClassifier(WeightedClassifier):
    """Mean pooling with a linear head; every tile has the same attention.

    Parameters
    ----------
    shape : PoolingShape
        Sizes; `hidden` is not used.
    """

    def __init__(self, shape: PoolingShape) -> None:
        super().__init__()
        self.project = projection(shape.features, shape.dimension, shape.dropout)
        self.head = nn.Linear(shape.dimension, shape.classes)

    @property
    def bias(self) -> Tensor:
        """The head's, (K,)."""
        return self.head.bias

    def rate(self, tiles: Tensor) -> Rating:
        """Tiles (..., n, F), projected, all with score 0, and their shares of the logits."""
        instances = self.project(tiles)
        return Rating(instances, instances.new_zeros((*instances.shape[:-1], 1)), instances @ self.head.weight.T)


MEAN = PoolingFacts(
    name="mean",
    title="Mean",
    source="Wang et al.: Revisiting multiple instance neural networks, 2016 (arXiv 1610.02501)",
    attention="The same for all tiles: it says nothing of where the model looks.",
    build=MeanClassifier,
)
