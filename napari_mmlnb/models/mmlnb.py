"""MMLNB on whole slides: image branch, text branch, PRMF gate, and the heads that keep each branch visible.

Source of the classifier: MMLNB (arXiv 2503.12927) and its released code; the image head 512 -> K mends a fault there
(the image loss was taken on raw features). From images to slides is our design, after MMLNB: gated-attention MIL over
tiles takes the place of VGG16 on one image, and a text head on u lets the text-only answer be shown beside the others,
since generated text comes from the same pixels and can merely echo the classifier.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napari_mmlnb.models.fusion.prmf import PrmfGate
from napari_mmlnb.models.pooling.base import BagAnswer, Pooled, RatedTiles
from napari_mmlnb.models.pooling.chunks import OnlineSoftmax, some
from napari_mmlnb.models.pooling.gated_attention import GatedAttention
from napari_mmlnb.models.pooling.weighted import Rating
from napari_mmlnb.models.text_encoder import TextEncoder


@dataclass(frozen=True)
class MmlnbShape:
    """Sizes of the parts; stored in the bundle so that the same network can be built again.

    Parameters
    ----------
    features : int
        Length of a tile's feature vector.
    classes : int
        K.
    vocabulary : int
        Token ids of the text branch.
    image : int
        D, length of the slide's vector.
    text : int
        T, length of the text's vector.
    text_layers, max_tokens : int
        Depth and longest text of the text branch.
    dropout : float
        Of the projected tiles.
    """

    features: int
    classes: int
    vocabulary: int
    image: int = 512
    text: int = 128
    text_layers: int = 2
    max_tokens: int = 192
    dropout: float = 0.25


@dataclass(frozen=True)
class ImageAnswer:
    """What the image branch says.

    Parameters
    ----------
    logits : Tensor
        (B, K); equals ``bias + contribution.sum(1)``.
    contribution : Tensor
        (B, N, K), signed, one share a tile and class.
    pooled : Pooled
        Slide vector and attention.
    """

    logits: Tensor
    contribution: Tensor
    pooled: Pooled


@dataclass(frozen=True)
class FusedAnswer:
    """What text and image say together.

    Parameters
    ----------
    text_logits, fused_logits : Tensor
        (B, K).
    gate : Tensor
        (B,), PRMF's c.
    """

    text_logits: Tensor
    fused_logits: Tensor
    gate: Tensor


class Mmlnb(nn.Module):
    """The trainable part of the system, from tile features and token ids to logits.

    Parameters
    ----------
    shape : MmlnbShape
        Sizes of the parts.
    """

    feature_mean: Tensor
    feature_scale: Tensor

    def __init__(self, shape: MmlnbShape) -> None:
        super().__init__()
        self.shape = shape
        self.pooling = GatedAttention(shape.features, shape.image, dropout=shape.dropout)
        self.image_head = nn.Linear(shape.image, shape.classes)
        self.text = TextEncoder(shape.vocabulary, shape.text, shape.text_layers, max_tokens=shape.max_tokens)
        self.text_head = nn.Linear(shape.text, shape.classes)
        self.fusion = PrmfGate(shape.text, shape.image)
        self.head = nn.Sequential(nn.ReLU(), nn.Dropout(0.3), nn.Linear(shape.text, shape.classes))
        # Statistics of the training tiles: features of inner stages differ in scale by orders of magnitude.
        self.register_buffer("feature_mean", torch.zeros(shape.features))
        self.register_buffer("feature_scale", torch.ones(shape.features))

    def answer_image(self, bag: Tensor, mask: Tensor) -> ImageAnswer:
        """The image branch.

        Parameters
        ----------
        bag : Tensor
            (B, N, F) float32 tile features as the encoder gave them.
        mask : Tensor
            (B, N) bool, True on real tiles.
        """
        pooled = self.pooling((bag - self.feature_mean) * self.feature_scale, mask)
        share = pooled.instances @ self.image_head.weight.T
        contribution = pooled.attention.unsqueeze(-1) * share
        return ImageAnswer(self.image_head(pooled.embedding), contribution, pooled)

    def rate(self, tiles: Tensor) -> Rating:
        """Tiles (n, F), each for itself: what `answer_image` weighs, before anything is known of the others."""
        standard = (tiles - self.feature_mean).mul_(self.feature_scale)
        instances = self.pooling.project(standard)
        return Rating(instances, self.pooling.scores(instances), instances @ self.image_head.weight.T)

    def rate_in_chunks(self, chunks: Iterable[Tensor], *, keep_instances: bool) -> RatedTiles:
        """Rate tiles piece by piece, at least one in all; inference only.

        Parameters
        ----------
        chunks : iterable of Tensor
            (n, F) float32 each.
        keep_instances : bool
            Whether some of the tiles are to be pooled again later; else memory hardly grows with their number.
        """
        mean = OnlineSoftmax()
        scores, shares, instances = [], [], []
        with torch.inference_mode():
            for chunk in some(chunks):
                rating = self.rate(chunk)
                scores.append(rating.scores[:, 0])
                shares.append(rating.shares)
                if keep_instances:
                    instances.append(rating.instances)
                else:
                    mean.add(rating.scores.mT, rating.instances)
            if keep_instances:
                return RatedTiles(torch.cat(scores), torch.cat(shares), instances=torch.cat(instances))
            return RatedTiles(torch.cat(scores), torch.cat(shares), embedding=mean.mean)

    def answer_rated(self, tiles: RatedTiles) -> BagAnswer:
        """The image branch on one bag of rated tiles: what `answer_image` says of them; inference only."""
        with torch.inference_mode():
            attention = torch.softmax(tiles.scores, dim=0)[None]
            embedding = _pooled(attention, tiles)
            contributions = attention.mT * tiles.shares
            return BagAnswer(
                self.image_head(embedding), embedding, attention, contributions[None], self.image_head.bias
            )

    def answer_fused(self, image: ImageAnswer, ids: Tensor) -> FusedAnswer:
        """Text branch and fusion.

        Parameters
        ----------
        image : ImageAnswer
            Of the same B slides.
        ids : Tensor
            (B, T) int64 token ids, 0 is padding.
        """
        return self.fuse(image.pooled.embedding, ids)

    def fuse(self, embedding: Tensor, ids: Tensor) -> FusedAnswer:
        """`answer_fused` of slides whose vectors (B, D) are known."""
        u = self.text(ids)
        fused = self.fusion(u, embedding)
        return FusedAnswer(self.text_head(u), self.head(fused.embedding), fused.gate)


def _pooled(attention: Tensor, tiles: RatedTiles) -> Tensor:
    """The slide's vector (1, D) under attention (1, n)."""
    if tiles.embedding is not None:
        return tiles.embedding
    if tiles.instances is None:
        raise ValueError("rated tiles need their instances or their weighted mean")
    return attention @ tiles.instances
