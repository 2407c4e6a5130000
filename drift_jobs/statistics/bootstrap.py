"""Windows that could as well have come: clusters drawn with replacement, each with all its rows."""

from typing import Final

import numpy as np

from drift_jobs.statistics.samples import Codes, Floats

DRAWS: Final = 200
"""Enough for the ends of a 95 % interval to a few percent of its width."""


def drawn_sums(rows: Floats, clusters: Codes, seed: int = 0) -> Floats:
    """Return the sums over rows `(n, dim)` of each of 200 draws of clusters, `(200, dim)`; one seed, one result.

    Cameron, Gelbach and Miller 2008, Review of Economics and Statistics 90. Rows are summed by cluster first, so that a
    draw costs no more than there are clusters.
    """
    random = np.random.default_rng(seed)
    codes = np.unique(clusters, return_inverse=True)[1]
    sums = np.stack([np.bincount(codes, weights=column) for column in rows.T], axis=1)
    number = len(sums)
    draws = [np.bincount(random.integers(number, size=number), minlength=number) @ sums for _ in range(DRAWS)]
    return np.array(draws)
