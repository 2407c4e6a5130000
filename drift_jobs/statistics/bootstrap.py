"""Windows that could as well have come: clusters drawn with replacement, each with all its rows."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from drift_jobs.statistics.samples import Codes, Floats

DRAWS: Final = 200
"""Enough for the ends of a 95 % interval to a few percent of its width."""


def drawn_weights(clusters: Codes, draws: int = DRAWS, seed: int = 0) -> Iterator[Floats]:
    """Yield `(n,)`, as often as `draws` says: how often each row is drawn. The same seed gives the same draws.

    Cameron, Gelbach and Miller 2008, Review of Economics and Statistics 90.
    """
    random = np.random.default_rng(seed)
    codes = np.unique(clusters, return_inverse=True)[1]
    number = int(codes.max(initial=-1)) + 1
    for _ in range(draws):
        times = np.bincount(random.integers(number, size=number), minlength=number).astype(float)
        yield times[codes]
