"""What a classifier answered, row by row, and the truth where it is known: the shape that estimates work on."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drift_jobs.statistics.samples import Codes, Floats, Sample

UNKNOWN = -1
"""In `truth`: nobody has said yet which label is right."""


class Answers(NamedTuple):
    """Rows of one side; labels are numbers from 0 on, in the order of the probabilities' columns."""

    probabilities: Floats
    """`(n, n_labels)`; each row adds up to 1."""
    given: Codes
    """`(n,)`: the label that was answered."""
    truth: Codes
    """`(n,)`: the right label, or `UNKNOWN`."""
    clusters: Codes
    """`(n,)`: rows of one product have one number, from 0 on."""

    @property
    def rows(self) -> int:
        """Return how many answers there are."""
        return len(self.given)

    @property
    def chances(self) -> Floats:
        """Return `(n,)`: the probability of the label that was answered."""
        chances: Floats = self.probabilities[np.arange(self.rows), self.given]
        return chances

    @property
    def hits(self) -> Floats:
        """Return `(n,)`: 1 where the answer is right, else 0, also where the truth is not known."""
        hits: Floats = (self.given == self.truth).astype(float)
        return hits

    @property
    def effective_clusters(self) -> float:
        """Return the number of equally large clusters that would tell as much (see `samples`)."""
        return Sample(self.probabilities, self.clusters).effective_clusters

    def known(self) -> "Answers":
        """Return the rows whose truth is known."""
        return self.only(self.truth != UNKNOWN)

    def only(self, kept: NDArray[np.bool_]) -> "Answers":
        """Return the rows where `kept` is true."""
        return Answers(self.probabilities[kept], self.given[kept], self.truth[kept], self.clusters[kept])

    def truth_shares(self) -> Floats:
        """Return the share `(n_labels,)` of each label among the known truths; zeros when none is known."""
        counts = np.bincount(self.truth[self.truth != UNKNOWN], minlength=self.probabilities.shape[1])
        shares: Floats = counts / max(1, counts.sum())
        return shares
