"""The statistics, each a pure function of arrays. What they mean for a window is decided in `verdict`.

Every p-value here takes rows to be independent. Reviews are not: they come in clusters, by product, so that with
nothing wrong a window of few products gets small p-values far too often. Only the floors on effects hold against that;
read the p-values as optimistic.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

MAX_CLASSIFIED_ROWS = 10_000
"""Rows of each side that the domain classifier sees: at 10,000 its null deviates by 0.006, far below any floor."""

_RIDGE = 1e-3  # of the mean variance: dimensions that never vary must not make the covariance singular


def kolmogorov_smirnov(current: Floats, reference: Floats) -> tuple[float, float]:
    """Return the largest distance between the two distribution functions, 0 to 1, and its asymptotic p-value.

    With many ties (small counts, yes or no) the p-value is too large, never too small. Both samples hold a number.
    """
    found = stats.ks_2samp(current, reference, method="asymp")
    return float(found.statistic), float(found.pvalue)


def largest_share_change(current: NDArray[np.int64], reference: NDArray[np.int64]) -> tuple[float, float]:
    """Return the largest absolute change of a share, 0 to 1, and the p-value of the chi-square test of homogeneity.

    Takes counts by label `(n_labels,)` in the same order; each side counts something. Both sides are samples here
    (`chi2_contingency`): the goodness-of-fit test, which takes the reference as exact, has false alarms of 17 % at 5 %.
    """
    effect = float(np.abs(current / current.sum() - reference / reference.sum()).max())
    seen = np.stack([current, reference])[:, (current + reference) > 0]
    if seen.shape[1] < 2:
        return 0.0, 1.0
    return effect, float(stats.chi2_contingency(seen, correction=False).pvalue)


def domain_auc(current: Floats, reference: Floats) -> tuple[float, float]:
    """Return how well a linear classifier tells two samples apart on rows it was not fitted on, and the p-value.

    Takes embeddings `(n, dim)` and `(m, dim)`, four rows each at least. The value is the area under the ROC curve: 0.5
    when nothing distinguishes them. The classifier is Fisher's discriminant, fitted on a random half of each side (by a
    fixed seed, so that a run can be repeated). The p-value is one-sided, from the Mann-Whitney null:
    z = (AUC - 0.5) / sqrt((n + m + 1) / (12 n m)), with n and m the held-out rows.
    """
    random = np.random.default_rng(0)
    fitted, held_out = _halves(current, random)
    reference_fitted, reference_held_out = _halves(reference, random)
    direction = _discriminant(fitted, reference_fitted)
    n, m = len(held_out), len(reference_held_out)
    ranks = stats.rankdata(np.concatenate([held_out @ direction, reference_held_out @ direction]))
    auc = (ranks[:n].sum() - n * (n + 1) / 2) / (n * m)
    return float(auc), float(stats.norm.sf((auc - 0.5) / math.sqrt((n + m + 1) / (12 * n * m))))


def two_proportions(hits: int, n: int, reference_hits: int, reference_n: int) -> float:
    """Return the two-sided p-value of the pooled z test that two proportions are equal; both counts are positive."""
    pooled = (hits + reference_hits) / (n + reference_n)
    deviation = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / reference_n))
    if deviation == 0:
        return 1.0
    return float(2 * stats.norm.sf(abs(hits / n - reference_hits / reference_n) / deviation))


def holm(p_values: list[float]) -> list[float]:
    """Return the p-values adjusted for their number, in the given order (Holm 1979, Scandinavian J. of Statistics 6).

    Rejecting those below alpha keeps the chance of any false rejection at alpha, however the tests depend.
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def _halves(rows: Floats, random: np.random.Generator) -> tuple[Floats, Floats]:
    order = random.permutation(len(rows))[:MAX_CLASSIFIED_ROWS]
    return rows[order[::2]], rows[order[1::2]]


def _discriminant(one: Floats, other: Floats) -> Floats:
    """Return the direction `(dim,)` that separates two samples best when both have the same covariance."""
    spread = (np.atleast_2d(np.cov(one, rowvar=False)) + np.atleast_2d(np.cov(other, rowvar=False))) / 2
    ridge = _RIDGE * (np.trace(spread) / len(spread) or 1.0)
    solved: Floats = np.linalg.solve(spread + ridge * np.eye(len(spread)), one.mean(axis=0) - other.mean(axis=0))
    return solved
