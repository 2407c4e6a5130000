"""The area under the ROC curve of rows that count more or less, or are partly positive."""

import numpy as np

from drift_jobs.statistics.samples import Codes, Floats


def ranks(scores: Floats) -> Codes:
    """Return the rank `(n,)` of each score from 0 on; equal scores have one rank."""
    found: Codes = np.unique(scores, return_inverse=True)[1].astype(np.intp)
    return found


def weighted_area(ranked: Codes, positive: Floats, negative: Floats) -> float | None:
    """Return the share of (positive, negative) pairs in which the positive row ranks higher, ties for half.

    `positive` and `negative` `(n,)` are how much of a row is which. None when one of them is nowhere.
    """
    above, below = np.bincount(ranked, weights=positive), np.bincount(ranked, weights=negative)
    pairs = float(above.sum() * below.sum())
    return float(above @ (np.cumsum(below) - below / 2)) / pairs if pairs > 0 else None
