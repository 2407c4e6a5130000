"""What a classifier answered, row by row, with the truth where it is known; and its probabilities recalibrated.

Estimates of accuracy and of label shares work on these rows.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from drift_jobs.statistics.samples import Codes, Floats, Sample

UNKNOWN = -1
"""In `truth`: nobody has said yet which label is right."""
MIN_ROWS: Final = 100
"""With fewer labelled rows an isotonic fit follows chance more than the classifier, whose own calibration is kept."""


class ScoredRows(NamedTuple):
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

    def known(self) -> "ScoredRows":
        """Return the rows whose truth is known."""
        return self.only(self.truth != UNKNOWN)

    def only(self, kept: NDArray[np.bool_]) -> "ScoredRows":
        """Return the rows where `kept` is true."""
        return ScoredRows(self.probabilities[kept], self.given[kept], self.truth[kept], self.clusters[kept])

    def truth_shares(self) -> Floats:
        """Return the share `(n_labels,)` of each label among the known truths; zeros when none is known."""
        counts = np.bincount(self.truth[self.truth != UNKNOWN], minlength=self.probabilities.shape[1])
        shares: Floats = counts / max(1, counts.sum())
        return shares


class Recalibration(NamedTuple):
    """Maps a classifier's probabilities to those that a reference showed: isotonic regression, label by label."""

    curves: tuple[IsotonicRegression, ...]
    """One for each label; none when the probabilities stay as they are."""
    margin: float
    """No probability is nearer to 0 or 1: `n` rows cannot tell an event of probability 1 / n from an impossible one."""

    @property
    def is_fitted(self) -> bool:
        """Return whether anything was learned."""
        return bool(self.curves)

    def apply(self, probabilities: Floats) -> Floats:
        """Return the probabilities `(n, n_labels)` recalibrated; each row adds up to 1."""
        if not self.curves or not len(probabilities):
            return probabilities
        columns = [curve.predict(column) for curve, column in zip(self.curves, probabilities.T, strict=True)]
        kept = np.clip(np.stack(columns, axis=1), self.margin, 1 - self.margin)
        normalized: Floats = kept / kept.sum(axis=1, keepdims=True)
        return normalized


def recalibration(reference: ScoredRows) -> Recalibration:
    """Return what the rows with a known truth teach (Zadrozny and Elkan 2002, KDD).

    It changes nothing when there are fewer than `MIN_ROWS` of them, or when a label never occurs among them.
    """
    known = reference.known()
    if known.rows < MIN_ROWS or not known.truth_shares().all():
        return Recalibration((), 0.0)
    curves = tuple(
        IsotonicRegression(out_of_bounds="clip").fit(column, known.truth == label)
        for label, column in enumerate(known.probabilities.T)
    )
    return Recalibration(curves, 1 / (known.rows + 2))
