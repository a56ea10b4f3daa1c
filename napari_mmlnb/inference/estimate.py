r"""How sure the answer is while only a part of the tissue has been seen.

The image branch is a ratio of sums over tiles, :math:`y_c = b_c + \sum_i w_i s_{ic} / \sum_i w_i` with
:math:`w_i = e^{e_i}`. Of a fair sample of the tissue it is an estimate of what all tiles together will say. Its
standard error comes from the jackknife that leaves out one block of neighbouring tiles after the other (neighbours are
alike, so single tiles would promise too much), for blocks of unequal size:

.. math::

    \tilde y_j = h_j y - (h_j - 1) y_{(j)}, \quad h_j = n / m_j, \qquad
    \mathrm{var}\, y = \frac{1}{G} \sum_j \frac{(\tilde y_j - \bar y)^2}{h_j - 1} \Big(1 - \frac{n}{N}\Big)

with G blocks, of which block j holds m_j of the n tiles seen, of N in all; the last factor is the correction for a
finite population: once all tiles are seen nothing is uncertain any more. Intervals are made on the log-odds of a class
against all others, with Student's t.

Sources: Busing, Meijer, van der Leeden, Delete-m jackknife for unequal m, Statistics and Computing 9 (1999); Cochran,
Sampling techniques, 3rd ed. (1977), on the ratio of sums and the finite population.

Limits. It speaks of the tiles that were not read yet, and of nothing else: not of whether the model is right, nor of
the text, which joins at the end. A rare spot of high attention that no tile seen has met cannot be foreseen, so early
intervals of such slides are too narrow (measured by `benchmarks/anytime.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, stdtr, stdtrit

from napari_mmlnb.result import ClassRecord

Floats = npt.NDArray[np.float64]

LEVEL = 0.90
"""Of the intervals."""
_LEAST_BLOCKS = 2.0


@dataclass(frozen=True)
class RunEstimate:
    """The image branch's answer so far; it can still change.

    Parameters
    ----------
    classes : tuple of ClassRecord
        As the bundle names them.
    probabilities : mapping
        {class id: calibrated probability}.
    intervals : mapping
        {class id: (low, high)}, where the image branch's final probability lies, at `level`.
    level : float
        0 to 1.
    tiles_seen, tiles_total : int
        How much of the tissue this rests on.
    stability : float
        0 to 1, how sure the leading class is to lead the image branch at the end too; 1 once all tiles are seen.
    """

    classes: tuple[ClassRecord, ...]
    probabilities: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    level: float
    tiles_seen: int
    tiles_total: int
    stability: float

    @property
    def leading(self) -> str:
        """Id of the most probable class."""
        return max(self.probabilities, key=lambda class_id: self.probabilities[class_id])

    @property
    def share_seen(self) -> float:
        """0 to 1."""
        return self.tiles_seen / max(self.tiles_total, 1)


@dataclass(frozen=True)
class Jackknife:
    """An estimate with the same left-out estimates.

    Parameters
    ----------
    whole : ndarray
        (K,), of all tiles seen.
    without : ndarray
        (G, K), without each block in turn.
    sizes : ndarray
        (G,), tiles seen of each block.
    unseen : float
        0 to 1, the share of all tiles that was not seen.
    """

    whole: Floats
    without: Floats
    sizes: Floats
    unseen: float

    @property
    def freedom(self) -> float:
        """Degrees of freedom: effective number of blocks less one; 0 where there are too few to tell anything."""
        blocks = float(self.sizes.sum() ** 2 / np.square(self.sizes).sum())
        return blocks - 1 if blocks >= _LEAST_BLOCKS else 0.0

    def standard_error(self, of_whole: Floats, of_parts: Floats) -> Floats:
        """Of a function of the estimate, given of the whole (...,) and of what is left without each block (G, ...)."""
        h = (self.sizes.sum() / self.sizes)[:, None]
        pseudo = h * of_whole - (h - 1) * of_parts
        centre = len(h) * of_whole - ((1 - 1 / h) * of_parts).sum(axis=0)
        variance = np.mean(np.square(pseudo - centre) / (h - 1), axis=0)
        return np.asarray(np.sqrt(variance * self.unseen))


def leave_out_blocks(
    scores: npt.NDArray[np.float32],
    shares: npt.NDArray[np.float32],
    bias: npt.NDArray[np.float32],
    blocks: npt.NDArray[np.int64],
    total: int,
) -> Jackknife:
    """Logits of the image branch from the tiles seen, and from those without each block.

    Parameters
    ----------
    scores : ndarray
        (n,), attention before the softmax.
    shares : ndarray
        (n, K), what each tile would add to the logits if its attention were 1.
    bias : ndarray
        (K,).
    blocks : ndarray
        (n,), the block of the tissue in which each tile lies.
    total : int
        N, tiles in all.
    """
    _, block = np.unique(blocks, return_inverse=True)
    count = int(block.max()) + 1
    weights = np.exp(scores.astype(np.float64) - float(scores.max()))
    attended = np.bincount(block, weights, minlength=count)
    spoken = np.stack(
        [np.bincount(block, weights * shares[:, k], minlength=count) for k in range(shares.shape[1])], axis=1
    )
    rest = np.maximum(attended.sum() - attended, np.finfo(np.float64).tiny)
    return Jackknife(
        whole=bias + spoken.sum(axis=0) / attended.sum(),
        without=bias + (spoken.sum(axis=0) - spoken) / rest[:, None],
        sizes=np.bincount(block, minlength=count).astype(np.float64),
        unseen=1 - len(scores) / total,
    )


def estimate(
    jackknife: Jackknife,
    classes: tuple[ClassRecord, ...],
    temperature: float,
    tiles: tuple[int, int],
    level: float = LEVEL,
) -> RunEstimate:
    """Probabilities with their intervals, and how stable the leading class is.

    Parameters
    ----------
    jackknife : Jackknife
        Of the logits.
    classes : tuple of ClassRecord
        In the order of the logits.
    temperature : float
        That calibrates the logits.
    tiles : (int, int)
        Seen and in all.
    level : float
        Of the intervals.
    """
    z, parts = jackknife.whole / temperature, jackknife.without / temperature
    odds, freedom = _log_odds(z), jackknife.freedom
    probabilities = expit(odds)
    if jackknife.unseen <= 0:
        low = high = probabilities
        stability = 1.0
    elif freedom > 0:
        reach = stdtrit(freedom, 0.5 + level / 2) * jackknife.standard_error(odds, _log_odds(parts))
        low, high = expit(odds - reach), expit(odds + reach)
        stability = _stability(jackknife, z, parts)
    else:
        low, high = np.zeros_like(odds), np.ones_like(odds)
        stability = 0.0
    class_ids = [record.id for record in classes]
    return RunEstimate(
        classes=classes,
        probabilities=dict(zip(class_ids, map(float, probabilities), strict=True)),
        intervals=dict(zip(class_ids, zip(map(float, low), map(float, high), strict=True), strict=True)),
        level=level,
        tiles_seen=tiles[0],
        tiles_total=tiles[1],
        stability=stability,
    )


def _stability(jackknife: Jackknife, z: Floats, parts: Floats) -> float:
    """Probability that the leading class stays ahead of each of the others; the least of them."""
    leading = int(z.argmax())
    others = np.arange(len(z)) != leading
    margin = z[leading] - z[others]
    error = jackknife.standard_error(margin, parts[:, [leading]] - parts[:, others])
    # Blocks that all say the same leave no doubt, unless what they say is a tie.
    without_doubt = np.where(margin > 0, np.inf, 0.0)
    certain = np.divide(margin, error, out=without_doubt, where=error > 0)
    return float(stdtr(jackknife.freedom, certain).min())


def _log_odds(z: Floats) -> Floats:
    """Of each class against all others, of logits (..., K)."""
    classes = z.shape[-1]
    others = np.stack([np.logaddexp.reduce(np.delete(z, k, axis=-1), axis=-1) for k in range(classes)], axis=-1)
    return np.asarray(z - others)
