"""Intervals of the differences between two models, by drawing whole products again and again.

Reviews of one product resemble each other: a product that one model misjudges costs it many rows at once. Drawing rows
as if they were independent would make the intervals too narrow; products are drawn instead, each with all its rows
(cluster bootstrap: Davison & Hinkley, Bootstrap Methods and their Application, 1997, section 3.8).

Accuracy, macro F1 and calibration error are functions of sums over rows. So each product's sums are made once, and a
resample is one row of a product of matrices.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sentiment_train.evaluation import CALIBRATION_BINS

RESAMPLES = 2_000
_DRAWN_AT_ONCE = 4_000_000
"""Counts held in memory, 8 bytes each."""

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


class Differences(NamedTuple):
    """B minus A."""

    accuracy: Interval
    macro_f1: Interval
    calibration_error: Interval


def differences(
    truth: NDArray[np.int64], a: Floats, b: Floats, clusters: NDArray[np.int64], seed: int = 0
) -> Differences:
    """Return the differences of the figures, B minus A, with percentile intervals over resampled clusters.

    `truth` is `(n,)`, the place of the right label; `a` and `b` are probabilities `(n, n_labels)`; `clusters` is
    `(n,)`, numbered from 0 without gaps. With few clusters the intervals are too narrow.
    """
    sums = [_cluster_sums(truth, each, clusters) for each in (a, b)]
    whole = [_figures(each.sum(axis=0, keepdims=True), a.shape[1]) for each in sums]
    drawn = [_figures(each, a.shape[1]) for each in _resampled(sums, seed)]
    observed = (whole[1] - whole[0])[:, 0]
    low, high = np.quantile(drawn[1] - drawn[0], [0.025, 0.975], axis=1)
    return Differences(*(Interval(*map(float, each)) for each in zip(observed, low, high, strict=True)))


def _cluster_sums(truth: NDArray[np.int64], probabilities: Floats, clusters: NDArray[np.int64]) -> Floats:
    """Return, by cluster, the confusion matrix, and by bin of the score the surplus of right answers over the score."""
    n_labels = probabilities.shape[1]
    guessed, score = probabilities.argmax(axis=1), probabilities.max(axis=1)
    bins = np.minimum((score * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    sums = np.zeros((clusters.max() + 1, n_labels**2 + CALIBRATION_BINS))
    np.add.at(sums, (clusters, truth * n_labels + guessed), 1.0)
    np.add.at(sums, (clusters, n_labels**2 + bins), (guessed == truth) - score)
    return sums


def _resampled(sums: list[Floats], seed: int) -> list[Floats]:
    """Return the sums `(RESAMPLES, k)` of each model; a resample draws the same clusters for both."""
    n_clusters = len(sums[0])
    random = np.random.default_rng(seed)
    rows = max(1, _DRAWN_AT_ONCE // n_clusters)
    found: list[list[Floats]] = [[] for _ in sums]
    for start in range(0, RESAMPLES, rows):
        size = min(rows, RESAMPLES - start)
        times = random.multinomial(n_clusters, np.full(n_clusters, 1 / n_clusters), size).astype(np.float64)
        for each, held in zip(sums, found, strict=True):
            held.append(times @ each)
    return [np.concatenate(held) for held in found]


def _figures(sums: Floats, n_labels: int) -> Floats:
    """Return accuracy, macro F1 and calibration error, `(3, m)`, of m rows of sums."""
    confusion = sums[:, : n_labels**2].reshape(-1, n_labels, n_labels)
    right = np.diagonal(confusion, axis1=1, axis2=2)
    n = confusion.sum(axis=(1, 2))
    named = confusion.sum(axis=1) + confusion.sum(axis=2)  # true and given
    f1 = np.divide(2 * right, named, out=np.zeros_like(right), where=named > 0)
    occurring = np.maximum((named > 0).sum(axis=1), 1)  # as scikit-learn: a label that nobody names does not count
    calibration = np.abs(sums[:, n_labels**2 :]).sum(axis=1) / n
    return np.stack([right.sum(axis=1) / n, f1.sum(axis=1) / occurring, calibration])
