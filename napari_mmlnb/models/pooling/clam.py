r"""Clustering-constrained attention: gated attention, taught to tell its most from its least attended tiles.

While training, the most attended tiles of a bag count as evidence for its class and the least attended as evidence
against, and a small classifier a class has to tell them apart; where classes exclude each other, the most attended
tiles in the branch of another class count as evidence against that class.

Source: Lu, Williamson, Chen, Chen, Barbieri, Mahmood: Data-efficient and weakly supervised computational pathology on
whole-slide images, Nature Biomedical Engineering 2021 (arXiv 2004.09666). The loss on tiles is the smooth top-1 SVM of
Berrada, Zisserman, Kumar (arXiv 1802.07595), as there.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from napari_mmlnb.models.pooling.base import PoolingFacts, PoolingShape, masked_softmax, projection
from napari_mmlnb.models.pooling.weighted import Rating, WeightedClassifier

BAG_WEIGHT = 0.7
"""Weight of the bag's loss beside `1 - BAG_WEIGHT` of the tiles' (Lu et al. 2021)."""

CLUSTERED_TILES = 8
"""Tiles a bag taken from either end of the attention (Lu et al. 2021)."""


class ClamClassifier(WeightedClassifier):
    """CLAM, with one attention for all classes or one a class.

    Parameters
    ----------
    shape : PoolingShape
        Sizes.
    attention_a_class : bool
        Whether each class has an attention of its own (CLAM-MB) or all share one (CLAM-SB).
    """

    def __init__(self, shape: PoolingShape, *, attention_a_class: bool) -> None:
        super().__init__()
        self.project = projection(shape.features, shape.dimension, shape.dropout)
        self.value = nn.Linear(shape.dimension, shape.hidden)
        self.gate = nn.Linear(shape.dimension, shape.hidden)
        self.score = nn.Linear(shape.hidden, shape.classes if attention_a_class else 1)
        self.head = nn.Linear(shape.dimension, shape.classes)
        self.clusters = nn.ModuleList(nn.Linear(shape.dimension, 2) for _ in range(shape.classes))

    @property
    def bias(self) -> Tensor:
        """The head's, (K,)."""
        return self.head.bias

    def rate(self, tiles: Tensor) -> Rating:
        """Tiles (..., n, F), projected, with a score an attention branch and their shares of the logits."""
        instances = self.project(tiles)
        scores = self.score(torch.tanh(self.value(instances)) * torch.sigmoid(self.gate(instances)))
        return Rating(instances, scores, instances @ self.head.weight.T)

    def instance_loss(
        self, bag: Tensor, mask: Tensor, labels: Tensor, *, tiles: int = CLUSTERED_TILES, exclusive: bool = True
    ) -> Tensor:
        """The clustering loss on tiles; training only.

        Parameters
        ----------
        bag : Tensor
            (B, N, F) float32.
        mask : Tensor
            (B, N) bool.
        labels : Tensor
            (B,) int64, the bags' classes.
        tiles : int
            Tiles from either end of the attention; fewer where a bag has fewer than twice as many.
        exclusive : bool
            Whether a bag of one class holds no evidence for another.

        Returns
        -------
        Tensor
            Scalar, the mean over the bags that have at least two tiles; 0 where none has.
        """
        rating = self.rate(bag)
        attention = masked_softmax(rating.scores.mT, mask)
        losses = []
        for row, label in enumerate(labels.tolist()):
            real = mask[row]
            count = min(tiles, int(real.sum()) // 2)
            if count == 0:
                continue
            weights, instances = attention[row][:, real].detach(), rating.instances[row][real]
            losses.append(self._clustering(weights, instances, label, count, exclusive=exclusive))
        return torch.stack(losses).mean() if losses else rating.instances.sum() * 0.0

    def _clustering(self, weights: Tensor, instances: Tensor, label: int, count: int, *, exclusive: bool) -> Tensor:
        """Loss of one bag: attention (R, n), instances (n, D)."""
        terms = []
        for which, cluster in enumerate(self.clusters):
            branch = weights[which if len(weights) > 1 else 0]
            most = instances[branch.topk(count).indices]
            if which == label:
                least = instances[branch.topk(count, largest=False).indices]
                targets = torch.cat([torch.ones(count), torch.zeros(count)])
                terms.append(smooth_svm(cluster(torch.cat([most, least])), targets.long().to(instances.device)))
            elif exclusive:
                against = torch.zeros(count, dtype=torch.long, device=instances.device)
                terms.append(smooth_svm(cluster(most), against))
        return torch.stack(terms).mean()


def smooth_svm(scores: Tensor, targets: Tensor, margin: float = 1.0, temperature: float = 1.0) -> Tensor:
    """Smooth top-1 SVM loss, mean over the samples.

    Parameters
    ----------
    scores : Tensor
        (n, K).
    targets : Tensor
        (n,) int64.
    margin, temperature : float
        By how much the right score must lead, and how smoothly (Berrada et al. 2018).
    """
    wrong = torch.ones_like(scores).scatter_(1, targets.unsqueeze(1), 0.0)
    hinge = temperature * torch.logsumexp((scores + margin * wrong) / temperature, dim=1)
    return (hinge - scores.gather(1, targets.unsqueeze(1)).squeeze(1)).mean()


_SOURCE = (
    "Lu et al.: Data-efficient and weakly supervised computational pathology on whole-slide images, "
    "Nature Biomedical Engineering 2021 (arXiv 2004.09666)"
)

CLAM_SB = PoolingFacts(
    name="clam_sb",
    title="CLAM, one attention",
    source=_SOURCE,
    attention="Weight of the tile in the slide's vector.",
    build=partial(ClamClassifier, attention_a_class=False),
)

CLAM_MB = PoolingFacts(
    name="clam_mb",
    title="CLAM, an attention a class",
    source=_SOURCE,
    attention="Weight of the tile in the vector of the most probable class; `branches` has those of all classes.",
    build=partial(ClamClassifier, attention_a_class=True),
)
