"""Rows that come in clusters, and what follows from that for the variance of their means.

Reviews come in clusters, by product, and those of one product resemble each other. A test that takes rows to be
independent finds something in half the windows of 1,000 rows in which nothing is wrong. Here a sample knows the cluster
of each row: variances are those of sums over clusters (Liang and Zeger 1986, Biometrika 73), and degrees of freedom
follow the effective number of clusters, so that a window in which one product has half the rows proves little.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

DRAWS: Final = 200
"""Of a bootstrap: enough for the ends of a 95 % interval to a few percent of its width."""


class Sample(NamedTuple):
    """Rows of one side of a comparison."""

    values: Floats
    """`(n,)`, or `(n, dim)` for rows of several numbers."""
    clusters: Codes
    """`(n,)`: rows of one product have one number, from 0 on. On both sides of a comparison the same product may have
    the same number, or another one when that is not known."""
    products: Codes | None = None
    """`(n,)`, where they are not the clusters: a product that was drawn twice is two clusters of one product."""

    @property
    def effective_clusters(self) -> float:
        """The number of equally large clusters that would tell as much, when rows of one are much alike.

        It is (sum of sizes)^2 / sum of sizes^2 (Carter, Schnepel and Steigerwald 2017, Review of Economics and
        Statistics 99). 0 without rows.
        """
        if not len(self.clusters):
            return 0.0
        sizes = np.bincount(self.clusters).astype(float)
        return float(sizes.sum() ** 2 / (sizes**2).sum())


def covariance_of_means(rows: Floats, clusters: Codes) -> Floats:
    """Return the clustered covariance `(dim, dim)` of the column means of `(n, dim)` rows.

    Infinite where there is one cluster only: how much clusters differ is then unknown.
    """
    number = len(np.bincount(clusters).nonzero()[0])
    if number < 2:
        return np.full((rows.shape[1], rows.shape[1]), np.inf)
    residuals = rows - rows.mean(axis=0)
    sums = np.stack([np.bincount(clusters, weights=column) for column in residuals.T], axis=1)
    covariance: Floats = sums.T @ sums * (number / (number - 1)) / len(rows) ** 2
    return covariance


def drawn_sums(rows: Floats, clusters: Codes, seed: int = 0) -> Floats:
    """Return the sums over rows `(n, dim)` of each of 200 draws of clusters with replacement, `(200, dim)`.

    One seed, one result. Each drawn cluster comes with all its rows (Cameron, Gelbach and Miller 2008, Review of
    Economics and Statistics 90). Rows are summed by cluster first, so the cost of a draw grows with the clusters only.
    """
    random = np.random.default_rng(seed)
    codes = np.unique(clusters, return_inverse=True)[1]
    sums = np.stack([np.bincount(codes, weights=column) for column in rows.T], axis=1)
    number = len(sums)
    draws = [np.bincount(random.integers(number, size=number), minlength=number) @ sums for _ in range(DRAWS)]
    return np.array(draws)
