"""How accurate the answers of a window are, judged by their own probabilities (CBPE; NannyML, arXiv 2505.05295).

If the probabilities are calibrated on the reference, and what a text says of its label has not changed, the accuracy
that labels would show is the mean probability of the given labels. Its error has three parts: labels are drawn, given
the probabilities; they are drawn together inside a product; and the calibration was learned from a finite reference.
What cannot be seen this way is that texts and labels no longer go together as they did (concept drift).
"""

from typing import Final, NamedTuple

import numpy as np

from drift_jobs.statistics.prevalence import Shares
from drift_jobs.statistics.samples import Codes, Floats, covariance_of_means
from drift_jobs.statistics.scored_rows import ScoredRows

CELLS: Final = 20
"""Cells of probability, equally filled by the reference, in which its rows are weighed by how many the window has."""


class Estimate(NamedTuple):
    """An accuracy that nobody has seen yet."""

    value: float
    error: float
    """Standard error of what labels would show, minus the value; infinite when the reference has one cluster only."""


def estimated_accuracy(window: ScoredRows, reference: ScoredRows) -> Estimate:
    """Return the accuracy that holds if each text's chances are what they were in the reference.

    The probabilities of both sides are those recalibrated on the reference; some truth is known there, and the window
    has rows.
    """
    known = reference.known()
    variance = _drawing_variance(window, residual_correlation(known)) + _learning_variance(window, known)
    return Estimate(float(window.chances.mean()), float(np.sqrt(variance)))


def shifted_accuracy(window: ScoredRows, reference: ScoredRows, shares: Shares) -> Estimate:
    """Return the accuracy that holds if only the shares of the labels moved: the mean of recalls, by `shares`.

    Some truth of each label is known in the reference.
    """
    known = reference.known()
    recalls = np.array([known.hits[known.truth == label].mean() for label in range(len(shares.values))])
    weights = shares.values / known.truth_shares()
    deviations = weights[known.truth] * (known.hits - recalls[known.truth])
    learning = covariance_of_means(deviations[:, None], known.clusters)[0, 0]
    drawing = _drawing_variance(window, residual_correlation(known))
    spread = recalls @ shares.covariance @ recalls if np.isfinite(shares.covariance).all() else np.inf
    return Estimate(float(shares.values @ recalls), float(np.sqrt(drawing + learning + spread)))


def residual_correlation(known: ScoredRows) -> float:
    """Return how much alike the surprises (hit minus chance) of two rows of one product are, 0 to 1.

    It is the moment estimate over all pairs inside products; 0 when there are no pairs.
    """
    chances = known.chances
    surprises, spreads = known.hits - chances, np.sqrt(chances * (1 - chances))
    pairs = _pairs(spreads, known.clusters)
    return float(np.clip(_pairs(surprises, known.clusters) / pairs, 0.0, 1.0)) if pairs > 0 else 0.0


def expected_cells(window: ScoredRows) -> Floats:
    """Return the rows `(n_labels, n_labels)` to expect by given label (first) and right label."""
    labels = range(window.probabilities.shape[1])
    return np.stack([window.probabilities[window.given == label].sum(axis=0) for label in labels])


def expected_f1(window: ScoredRows) -> Floats:
    """Return the F1 `(n_labels,)` to expect of each label: 0 where a label is neither given nor right."""
    cells = expected_cells(window)
    f1: Floats = 2 * np.diag(cells) / np.maximum(cells.sum(axis=0) + cells.sum(axis=1), 1e-12)
    return f1


def expected_areas(window: ScoredRows, scores: Floats) -> list[float | None]:
    """Return the area under the ROC curve to expect of each label against the rest, ranked by `scores` `(n, n_labels)`.

    These are the probabilities before recalibration, which makes many of them equal.
    """
    sides = zip(scores.T, window.probabilities.T, strict=True)
    return [weighted_area(ranks(score), chance, 1 - chance) for score, chance in sides]


def _pairs(values: Floats, clusters: Codes) -> float:
    """Return the sum of products over all pairs of different rows of one cluster, each pair twice."""
    sums = np.bincount(clusters, weights=values)
    return float(sums @ sums - values @ values)


def _drawing_variance(window: ScoredRows, correlation: float) -> float:
    """Return the variance of the window's accuracy, given its probabilities."""
    variances = window.chances * (1 - window.chances)
    together = _pairs(np.sqrt(variances), window.clusters)
    return float(variances.sum() + correlation * together) / window.rows**2


def _learning_variance(window: ScoredRows, known: ScoredRows) -> float:
    """Return the clustered variance of the reference's mean surprise, its rows weighed as the window needs them."""
    edges = np.unique(np.quantile(known.chances, np.linspace(0, 1, CELLS + 1)[1:-1]))
    cells, cells_before = (np.searchsorted(edges, side.chances, "right") for side in (window, known))
    counts, counts_before = (np.bincount(each, minlength=len(edges) + 1) for each in (cells, cells_before))
    weights = (counts / window.rows) / np.maximum(counts_before / known.rows, 1 / known.rows)
    surprises = weights[cells_before] * (known.hits - known.chances)
    return float(covariance_of_means(surprises[:, None], known.clusters)[0, 0])


def ranks(scores: Floats) -> Codes:
    """Return the rank `(n,)` of each score from 0 on; equal scores have one rank."""
    found: Codes = np.unique(scores, return_inverse=True)[1].astype(np.intp)
    return found


def shares_below(ranked: Codes, weights: Floats) -> Floats:
    """Return `(n,)`: the share of all weight that lies on lower ranks than the row's, its own rank for half.

    Zeros when there is no weight.
    """
    by_rank = np.bincount(ranked, weights=weights)
    shares: Floats = ((np.cumsum(by_rank) - by_rank / 2) / (by_rank.sum() or 1.0))[ranked]
    return shares


def weighted_area(ranked: Codes, positive: Floats, negative: Floats) -> float | None:
    """Return the share of (positive, negative) pairs in which the positive row ranks higher, ties for half.

    `positive` and `negative` `(n,)` are how much of a row is which. None when one of them is nowhere.
    """
    if not positive.sum() or not negative.sum():
        return None
    return float(positive @ shares_below(ranked, negative) / positive.sum())
