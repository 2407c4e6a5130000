"""Probabilities that hold what they promise on the reference, by isotonic regression, one label at a time."""

from typing import Final, NamedTuple

import numpy as np
from sklearn.isotonic import IsotonicRegression

from drift_jobs.statistics.answers import Answers
from drift_jobs.statistics.samples import Floats

MIN_ROWS: Final = 100
"""With fewer labelled rows an isotonic fit follows chance more than the classifier, whose own calibration is kept."""


class Recalibration(NamedTuple):
    """Maps a classifier's probabilities to those that a reference showed."""

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


def recalibration(reference: Answers) -> Recalibration:
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
