"""The area under the ROC curve of rows that count more or less, or are partly positive."""

import numpy as np

from drift_jobs.statistics.samples import Codes, Floats


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
