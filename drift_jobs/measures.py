"""The statistics, each a pure function of samples. What they mean for a window is decided in `verdict`.

Reviews come in clusters, by product, and those of one product resemble each other. A test that takes rows to be
independent finds something in half the windows of 1,000 rows in which nothing is wrong. Here a sample knows the cluster
of each row: variances are those of sums over clusters (Liang and Zeger 1986, Biometrika 73), and degrees of freedom
follow the effective number of clusters, so that a window in which one product has half the rows proves little.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

MAX_CLASSIFIED_ROWS = 10_000
"""Rows of each side that the domain classifier sees: at 10,000 its null deviates by 0.006, far below any floor."""

_RIDGE = 1e-3  # of the mean variance: dimensions that never vary must not make the covariance singular
_QUANTILES = np.linspace(0.1, 0.9, 9)


class Sample(NamedTuple):
    """Rows of one side of a comparison."""

    values: Floats
    """`(n,)`, or `(n, dim)` for rows of several numbers."""
    clusters: Codes
    """`(n,)`: rows of one product have one number, from 0 on."""

    @property
    def effective_clusters(self) -> float:
        """The number of equally large clusters that would tell as much, when rows of one are much alike.

        It is (sum of sizes)^2 / sum of sizes^2 (Carter, Schnepel and Steigerwald 2017, Review of Economics and
        Statistics 99).
        """
        sizes = np.bincount(self.clusters)
        return float(sizes.sum() ** 2 / (sizes.astype(float) ** 2).sum())


class Difference(NamedTuple):
    """How far two samples are apart."""

    effect: float
    p_value: float


def kolmogorov_smirnov(current: Sample, reference: Sample) -> Difference:
    """Return the largest distance between the two distribution functions, 0 to 1, and its p-value.

    The p-value is the asymptotic one for as many independent rows as the clusters are worth: n divided by the mean
    design effect (Kish 1965) of the shares below the deciles. With many ties (small counts, yes or no) it is too large,
    never too small. Both samples hold a number.
    """
    distance = float(stats.ks_2samp(current.values, reference.values, method="asymp").statistic)
    at = np.unique(np.quantile(np.concatenate([current.values, reference.values]), _QUANTILES))
    n, m = (_independent_rows(sample, at) for sample in (current, reference))
    return Difference(distance, float(stats.kstwobign.sf(distance * np.sqrt(n * m / (n + m)))))


def mean_difference(current: Sample, reference: Sample) -> Difference:
    """Return the largest absolute change of a mean, and the p-value that no mean changed.

    Of values `(n, dim)` all means are tested together, by Hotelling's statistic (shares of labels are means of yes and
    no; leave one of them out, since they add up to 1). Its F distribution has the degrees of freedom of Welch and
    Satterthwaite, with one less than the effective number of clusters on each side.
    """
    now, before = (sample.values.reshape(len(sample.values), -1) for sample in (current, reference))
    change = now.mean(axis=0) - before.mean(axis=0)
    effect = float(np.abs(change).max())
    spreads = [_covariance_of_means(rows, sample.clusters) for rows, sample in ((now, current), (before, reference))]
    varying = np.diag(spreads[0] + spreads[1]) > 0
    if not varying.any() or not all(np.isfinite(spread).all() for spread in spreads):
        return Difference(effect, 1.0)
    change, spreads = change[varying], [spread[np.ix_(varying, varying)] for spread in spreads]
    freedom = _welch_satterthwaite(spreads, [sample.effective_clusters - 1 for sample in (current, reference)])
    dim = len(change)
    distance = float(change @ np.linalg.pinv(spreads[0] + spreads[1]) @ change)
    rest = max(freedom - dim + 1, 1.0)
    return Difference(effect, float(stats.f.sf(distance * rest / (dim * max(freedom, 1.0)), dim, rest)))


def domain_auc(current: Sample, reference: Sample) -> Difference:
    """Return how well a linear classifier tells two samples apart on rows it was not fitted on, and the p-value.

    Takes embeddings `(n, dim)` and `(m, dim)`. The effect is the area under the ROC curve beyond 0.5: 0 when nothing
    distinguishes them. The classifier is Fisher's discriminant, fitted on the rows of a random half of the clusters (by
    a fixed seed, so that a run can be repeated): with rows of one product in both halves it would learn the products.
    The p-value is one-sided, with the clustered variance of the area (Obuchowski 1997, Biometrics 53).
    """
    random = np.random.default_rng(0)
    fitted, held_out = _halves(current, random)
    reference_fitted, reference_held_out = _halves(reference, random)
    if min(map(len, (fitted.values, held_out.values, reference_fitted.values, reference_held_out.values))) < 2:
        return Difference(0.0, 1.0)
    direction = _discriminant(fitted.values, reference_fitted.values)
    scores, reference_scores = held_out.values @ direction, reference_held_out.values @ direction
    above = _shares_below(scores, reference_scores)  # mean: the area
    below = 1 - _shares_below(reference_scores, scores)
    area = float(above.mean())
    variance = float(
        _covariance_of_means(above[:, None], held_out.clusters)[0, 0]
        + _covariance_of_means(below[:, None], reference_held_out.clusters)[0, 0]
    )
    if not np.isfinite(variance) or variance == 0:
        return Difference(area - 0.5, 1.0)
    freedom = max(1.0, min(side.effective_clusters for side in (held_out, reference_held_out)) - 1)
    return Difference(area - 0.5, float(stats.t.sf((area - 0.5) / np.sqrt(variance), freedom)))


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


def _covariance_of_means(rows: Floats, clusters: Codes) -> Floats:
    """Return the clustered covariance of the column means `(dim, dim)`; infinite where there is one cluster only."""
    number = len(np.bincount(clusters).nonzero()[0])
    if number < 2:
        return np.full((rows.shape[1], rows.shape[1]), np.inf)
    residuals = rows - rows.mean(axis=0)
    sums = np.stack([np.bincount(clusters, weights=column) for column in residuals.T], axis=1)
    covariance: Floats = sums.T @ sums * (number / (number - 1)) / len(rows) ** 2
    return covariance


def _welch_satterthwaite(spreads: list[Floats], freedoms: list[float]) -> float:
    """Return the degrees of freedom of the difference of two means with these covariances, by their traces."""
    parts = [float(np.trace(spread)) for spread in spreads]
    divisor = sum(part**2 / max(freedom, 1.0) for part, freedom in zip(parts, freedoms, strict=True))
    return sum(parts) ** 2 / divisor if divisor else 1.0


def _independent_rows(sample: Sample, at: Floats) -> float:
    """Return the number of independent rows that would know the shares below `at` as well; at most what there are."""
    below = (sample.values[:, None] <= at).astype(float)
    shares = below.mean(axis=0)
    plain = shares * (1 - shares) / len(below)
    kept = plain > 0
    if not kept.any():
        return float(len(below))
    clustered = np.diag(_covariance_of_means(below[:, kept], sample.clusters))
    if not np.isfinite(clustered).all():
        return 1.0
    return len(below) / max(1.0, float((clustered / plain[kept]).mean()))


def _shares_below(values: Floats, others: Floats) -> Floats:
    """Return for each value the share of `others` below it, ties for half."""
    ordered = np.sort(others)
    counts = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    shares: Floats = counts / (2 * len(others))
    return shares


def _halves(sample: Sample, random: np.random.Generator) -> tuple[Sample, Sample]:
    """Divide the clusters at random into two halves of about as many rows, of `MAX_CLASSIFIED_ROWS` rows at most."""
    rows = random.permutation(len(sample.values))[:MAX_CLASSIFIED_ROWS]
    values, clusters = sample.values[rows], sample.clusters[rows]
    sizes = np.bincount(clusters)
    order = random.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    is_first = np.zeros(len(sizes), dtype=bool)
    counts = [0, 0]
    for cluster in order:  # the largest first, each to the half that has fewer rows
        side = int(counts[0] > counts[1])
        is_first[cluster] = side == 0
        counts[side] += int(sizes[cluster])
    first = is_first[clusters]
    return Sample(values[first], clusters[first]), Sample(values[~first], clusters[~first])


def _discriminant(one: Floats, other: Floats) -> Floats:
    """Return the direction `(dim,)` that separates two samples best when both have the same covariance."""
    spread = (np.atleast_2d(np.cov(one, rowvar=False)) + np.atleast_2d(np.cov(other, rowvar=False))) / 2
    ridge = _RIDGE * (np.trace(spread) / len(spread) or 1.0)
    solved: Floats = np.linalg.solve(spread + ridge * np.eye(len(spread)), one.mean(axis=0) - other.mean(axis=0))
    return solved
