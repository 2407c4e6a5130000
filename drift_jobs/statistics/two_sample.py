"""The two-sample tests, each a pure function of two samples that knows of their clusters (see `samples`)."""

from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from drift_jobs.statistics.samples import Codes, Floats, Sample, covariance_of_means

MAX_CLASSIFIED_ROWS = 10_000
"""Rows of each side that the domain classifier sees: at 10,000 its null deviates by 0.006, far below any floor."""

POWER: Final = 0.8
"""How often a change of the size that is called the smallest visible one is seen."""

_Z_POWER = float(special.ndtri(POWER))
_RIDGE = 1e-3  # of the mean variance: dimensions that never vary must not make the covariance singular
_QUANTILES = np.linspace(0.1, 0.9, 9)


class Difference(NamedTuple):
    """How far two samples are apart, how surprising that is, and what could have been seen."""

    effect: float
    p_value: float
    standard_error: float = float("inf")
    """Of the effect; infinite where it cannot be known."""
    freedom: float = 1.0
    """Degrees of freedom of the standard error."""
    null: Literal["two_sided", "one_sided", "distance"] = "two_sided"
    """How effect / standard error is distributed when nothing changed: as the absolute value of Student's t, as the
    upper side of it, or as twice Kolmogorov's statistic with tails as much heavier as Student's are than the normal."""
    sign: int = 0
    """Of the change that the effect is the size of: 1 upwards, -1 downwards, 0 where there is no such thing."""

    def smallest_visible(self, p_value: float, floor: float) -> float | None:
        """Return the true effect that reaches both `p_value` and `floor` in 8 of 10 such windows, None for any size.

        It is what must be reached plus 0.84 standard errors (Cohen 1988, Statistical Power Analysis).
        """
        if not np.isfinite(self.standard_error):
            return None
        visible = max(self._critical(p_value), floor) + _Z_POWER * self.standard_error
        return visible if np.isfinite(visible) else None

    def _critical(self, p_value: float) -> float:
        if self.null == "distance":
            normal_p = 2 * special.ndtr(special.stdtrit(self.freedom, p_value / 2))
            return float(special.kolmogi(normal_p)) * 2 * self.standard_error
        tail = p_value / 2 if self.null == "two_sided" else p_value
        return -float(special.stdtrit(self.freedom, tail)) * self.standard_error


def kolmogorov_smirnov(current: Sample, reference: Sample) -> Difference:
    """Return the largest distance between the two distribution functions, 0 to 1, and its p-value.

    The p-value is the asymptotic one for as many independent rows as the clusters are worth: n divided by the mean
    design effect (Kish 1965) of the shares below the deciles; as that effect is itself estimated from the clusters, the
    normal tail behind it becomes Student's. With many ties (small counts, yes or no) the p-value is too large, never
    too small. Both samples hold a number. The standard error is that at a share of one half, the largest.
    """
    distance = _distance(np.sort(current.values), np.sort(reference.values))
    at = np.unique(np.quantile(np.concatenate([current.values, reference.values]), _QUANTILES))
    n, m = (_independent_rows(sample, at) for sample in (current, reference))
    parts = [0.25 / n, 0.25 / m]
    error = float(np.sqrt(sum(parts)))
    freedom = _satterthwaite(parts, [sample.effective_clusters - 1 for sample in (current, reference)])
    normal_p = special.kolmogorov(distance / (2 * error))
    p_value = 2 * special.stdtr(freedom, special.ndtri(normal_p / 2))
    sign = int(np.sign(current.values.mean() - reference.values.mean()))
    return Difference(distance, float(p_value), error, freedom, "distance", sign)


def mean_difference(current: Sample, reference: Sample) -> Difference:
    """Return the largest absolute change of a mean, and the p-value that no mean changed.

    Of values `(n, dim)` all means are tested together, by Hotelling's statistic (shares of labels are means of yes and
    no; leave one of them out, since they add up to 1). Its F distribution has the degrees of freedom of Welch and
    Satterthwaite, with one less than the effective number of clusters on each side. The standard error is that of the
    mean that changed most.
    """
    now, before = (sample.values.reshape(len(sample.values), -1) for sample in (current, reference))
    change = now.mean(axis=0) - before.mean(axis=0)
    most = int(np.abs(change).argmax())
    effect, sign = float(np.abs(change[most])), int(np.sign(change[most]))
    spreads = [covariance_of_means(rows, sample.clusters) for rows, sample in ((now, current), (before, reference))]
    together = spreads[0] + spreads[1]
    varying = np.diag(together) > 0
    if not varying.any() or not np.isfinite(together).all():
        return Difference(effect, 1.0, sign=sign)
    freedom = _satterthwaite(
        [float(np.trace(spread)) for spread in spreads],
        [sample.effective_clusters - 1 for sample in (current, reference)],
    )
    change, kept = change[varying], together[np.ix_(varying, varying)]
    dim = len(change)
    distance = float(change @ np.linalg.pinv(kept) @ change)
    rest = max(freedom - dim + 1, 1.0)
    p_value = float(special.fdtrc(dim, rest, distance * rest / (dim * freedom)))
    return Difference(effect, p_value, float(np.sqrt(together[most, most])), freedom, sign=sign)


def share_difference(current: Sample, reference: Sample) -> Difference:
    """Test a share of yes (1) and no (0), also where it is near 1 and a side of 100 rows has no variance at all.

    A product with 97 % praise has 100 reviews of 100 positive in one window of twenty; with the variance of that window
    this is 5 standard errors from 1,000 reviews before. So the standard error is at least that of independent rows with
    one share on both sides, and where rows are independent the p-value is exact (Fisher 1935, The Logic of Inductive
    Inference).
    """
    found = mean_difference(current, reference)
    n, m = len(current.values), len(reference.values)
    share = (current.values.sum() + reference.values.sum()) / (n + m)
    plain = float(share * (1 - share))
    error = max(found.standard_error, float(np.sqrt(plain * (1 / n + 1 / m))))
    if all(np.bincount(side.clusters).max() == 1 for side in (current, reference)):
        table = [[side.values.sum(), (1 - side.values).sum()] for side in (current, reference)]
        return found._replace(p_value=float(stats.fisher_exact(table).pvalue), standard_error=error)
    freedom = found.freedom
    if all(np.ptp(side.values) == 0 for side in (current, reference)):
        # All yes on one side and all no on the other: as if each product had but one opinion.
        parts = [plain / side.effective_clusters for side in (current, reference)]
        error = float(np.sqrt(sum(parts)))
        freedom = _satterthwaite(parts, [side.effective_clusters - 1 for side in (current, reference)])
    is_known = np.isfinite(error) and error > 0
    p_value = float(2 * special.stdtr(freedom, -found.effect / error)) if is_known else 1.0
    return found._replace(p_value=p_value, standard_error=error, freedom=freedom)


def shares_difference(current: Sample, reference: Sample) -> Difference:
    """Test the shares of all labels, `(n, n_labels)` of yes and no; the effect is the largest change of any.

    Of two labels one is tested, since they add up to 1. Of more each is, and the smallest p-value counts for as many
    (Bonferroni): a joint test would need variances that are never zero.
    """
    columns = range(current.values.shape[1])
    found = [
        share_difference(*(side._replace(values=side.values[:, column]) for side in (current, reference)))
        for column in columns
    ]
    if len(found) == 2:
        return found[0]
    most = max(found, key=lambda each: each.effect)
    return most._replace(p_value=min(1.0, len(found) * min(each.p_value for each in found)))


def domain_auc(current: Sample, reference: Sample) -> Difference:
    """Return how well a linear classifier tells two samples apart on rows it was not fitted on, and the p-value.

    Takes embeddings `(n, dim)` and `(m, dim)`. The effect is the area under the ROC curve beyond 0.5: 0 when nothing
    distinguishes them. The classifier is Fisher's discriminant, fitted on the rows of half of the products (chosen by a
    fixed seed, so that a run can be repeated): with rows of one product in both halves it would learn the products.
    The p-value is one-sided, with the clustered variance of the area (Obuchowski 1997, Biometrics 53). Where all rows
    of one side are above all of the other nothing varies: then the variance is that of the rank sum when nothing
    distinguishes them, of as many rows as there are effective clusters (Mann and Whitney 1947).
    """
    found = separation(current, reference)
    if found is None:
        return Difference(0.0, 1.0, null="one_sided")
    above = _shares_below(found.scores, found.reference_scores)  # mean: the area
    below = 1 - _shares_below(found.reference_scores, found.scores)
    area = float(above.mean())
    variance = float(
        covariance_of_means(above[:, None], found.clusters)[0, 0]
        + covariance_of_means(below[:, None], found.reference_clusters)[0, 0]
    )
    if not np.isfinite(variance) or (variance == 0 and area <= 0.5):
        return Difference(area - 0.5, 1.0, null="one_sided")
    sides = (Sample(above, found.clusters), Sample(below, found.reference_clusters))
    if variance == 0:
        variance = sum(1 / (12 * side.effective_clusters) for side in sides)
    freedom = max(1.0, min(side.effective_clusters for side in sides) - 1)
    error = float(np.sqrt(variance))
    return Difference(area - 0.5, float(special.stdtr(freedom, (0.5 - area) / error)), error, freedom, "one_sided")


class Separation(NamedTuple):
    """What a classifier that was fitted on half of the products says of the rows of the other half."""

    scores: Floats
    """Of current rows `(k,)`: high for what the reference does not know."""
    rows: Codes
    """Which rows of the current sample these are."""
    clusters: Codes
    reference_scores: Floats
    reference_clusters: Codes


def separation(current: Sample, reference: Sample) -> Separation | None:
    """Return the scores of the rows that the domain classifier did not learn from; None when too few are left."""
    random = np.random.default_rng(0)
    rows, reference_rows = (random.permutation(len(side.values))[:MAX_CLASSIFIED_ROWS] for side in (current, reference))
    products, reference_products = (
        (side.clusters if side.products is None else side.products)[kept]
        for side, kept in ((current, rows), (reference, reference_rows))
    )
    learns = _half_of_products(products, reference_products, random)
    fitted, held_out = rows[learns[products]], rows[~learns[products]]
    of_reference = learns[reference_products]
    reference_fitted, reference_held_out = reference_rows[of_reference], reference_rows[~of_reference]
    if min(map(len, (fitted, held_out, reference_fitted, reference_held_out))) < 2:
        return None
    direction = _discriminant(current.values[fitted], reference.values[reference_fitted])
    return Separation(
        scores=current.values[held_out] @ direction,
        rows=held_out,
        clusters=current.clusters[held_out],
        reference_scores=reference.values[reference_held_out] @ direction,
        reference_clusters=reference.clusters[reference_held_out],
    )


def _half_of_products(current: Codes, reference: Codes, random: np.random.Generator) -> NDArray[np.bool_]:
    """Return for each product's number whether it is in the first half; both sides are halved by rows, about.

    A product that both sides have is in one half: the classifier is judged on products that it has not seen anywhere.
    The largest ones first, each goes where it makes the two halves more alike.
    """
    number = int(max(current.max(initial=-1), reference.max(initial=-1))) + 1
    shares = np.stack([np.bincount(side, minlength=number) / max(1, len(side)) for side in (current, reference)])
    order = random.permutation(number)
    order = order[np.argsort(-shares.sum(axis=0)[order], kind="stable")]
    first = [False] * number
    excess = [0.0, 0.0]  # of the first half over the second, on each side
    for product, (one, other) in zip(order.tolist(), shares.T[order].tolist(), strict=True):
        sign = -1.0 if excess[0] * one + excess[1] * other > 0 else 1.0
        first[product] = sign > 0
        excess[0] += sign * one
        excess[1] += sign * other
    return np.array(first, dtype=bool)


def _distance(ordered: Floats, others: Floats) -> float:
    """Return the Kolmogorov-Smirnov distance of two sorted samples."""
    at = np.concatenate([ordered, others])
    gaps = np.searchsorted(ordered, at, "right") / len(ordered) - np.searchsorted(others, at, "right") / len(others)
    return float(np.abs(gaps).max())


def _satterthwaite(parts: list[float], freedoms: list[float]) -> float:
    """Return the degrees of freedom, 1 at least, of a sum of variances with these degrees (Satterthwaite 1946)."""
    divisor = sum(part**2 / max(freedom, 1.0) for part, freedom in zip(parts, freedoms, strict=True))
    return max(1.0, sum(parts) ** 2 / divisor) if divisor else 1.0


def _independent_rows(sample: Sample, at: Floats) -> float:
    """Return the number of independent rows that would know the shares below `at` as well; at most what there are.

    The clustered variances are those of `covariance_of_means` for each of `at`, from a table of counts by cluster and
    interval: calibration asks for them thousands of times.
    """
    n, products = len(sample.values), int(sample.clusters.max()) + 1
    intervals = np.searchsorted(at, sample.values, "left")
    cells = np.bincount(sample.clusters * (len(at) + 1) + intervals, minlength=products * (len(at) + 1))
    counts = cells.reshape(products, -1)
    sizes = counts.sum(axis=1)
    below = counts[:, :-1].cumsum(axis=1)
    shares = below.sum(axis=0) / n
    plain = shares * (1 - shares) / n
    kept = plain > 0
    if not kept.any():
        return float(n)
    number = int(np.count_nonzero(sizes))
    if number < 2:
        return 1.0
    residuals = below[:, kept] - sizes[:, None] * shares[kept]
    clustered = (residuals**2).sum(axis=0) * (number / (number - 1)) / n**2
    return n / max(1.0, float((clustered / plain[kept]).mean()))


def _shares_below(values: Floats, others: Floats) -> Floats:
    """Return for each value the share of `others` below it, ties for half."""
    ordered = np.sort(others)
    counts = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    shares: Floats = counts / (2 * len(others))
    return shares


def _discriminant(one: Floats, other: Floats) -> Floats:
    """Return the direction `(dim,)` that separates two samples best when both have the same covariance."""
    spread = (np.atleast_2d(np.cov(one, rowvar=False)) + np.atleast_2d(np.cov(other, rowvar=False))) / 2
    ridge = _RIDGE * (np.trace(spread) / len(spread) or 1.0)
    solved: Floats = np.linalg.solve(spread + ridge * np.eye(len(spread)), one.mean(axis=0) - other.mean(axis=0))
    return solved
