"""Expected accuracy, F1 and ROC AUC, and the parts of the accuracy's error, worked out by hand."""

import numpy as np
import pytest

from drift_jobs.statistics.performance import (
    estimated_accuracy,
    expected_areas,
    expected_f1,
    residual_correlation,
    shifted_accuracy,
)
from drift_jobs.statistics.prevalence import Shares
from drift_jobs.statistics.scored_rows import ScoredRows


def _answers(chances: list[float], truth: list[int], clusters: list[int]) -> ScoredRows:
    """Return rows by their probability of label 1, which is given from one half on."""
    positive = np.array(chances)
    given = (positive >= 0.5).astype(np.intp)
    return ScoredRows(np.stack([1 - positive, positive], axis=1), given, np.array(truth), np.array(clusters))


ALONE = _answers([0.9] * 900 + [0.9] * 100, [1] * 900 + [0] * 100, list(range(1000)))
"""Each row its own product; 9 of 10 answers are right, as they promise."""


def test_expected_accuracy_is_the_mean_chance() -> None:
    """Chances 0.9, 0.6 and 0.7 (of label 0) make 0.7333."""
    window = _answers([0.9, 0.6, 0.3], [1, 1, 0], [0, 1, 2])
    assert estimated_accuracy(window, ALONE).value == pytest.approx((0.9 + 0.6 + 0.7) / 3)


def test_error_is_that_of_both_samples() -> None:
    """100 rows of chance 0.9, by a reference of 1,000: the variance is 0.09 / 100 + 0.09 / 1,000."""
    window = _answers([0.9] * 100, [1] * 100, list(range(100)))
    assert estimated_accuracy(window, ALONE).error == pytest.approx(np.sqrt(0.09 / 100 + 0.09 / 1000), rel=0.01)


def test_surprises_of_one_product_go_together() -> None:
    """Products of two rows that are both right or both wrong: correlation 1, and 50 pairs tell what 50 rows would."""
    pairs = [number // 2 for number in range(1000)]
    together = ALONE._replace(clusters=np.array(pairs))
    assert residual_correlation(together) == pytest.approx(1.0)
    window = _answers([0.9] * 100, [1] * 100, pairs[:100])
    assert estimated_accuracy(window, together).error == pytest.approx(np.sqrt(0.09 / 50 + 0.09 / 500), rel=0.01)


def test_surprises_without_pairs_are_independent() -> None:
    """Where each product has one row there is nothing that goes together."""
    assert residual_correlation(ALONE) == 0.0


def test_one_product_in_the_reference_leaves_the_error_open() -> None:
    """How far one product's calibration holds for others is unknown."""
    one = ALONE._replace(clusters=np.zeros(1000, dtype=np.intp))
    assert np.isinf(estimated_accuracy(ALONE, one).error)


def test_moved_shares_weigh_the_recalls() -> None:
    """Recalls of 0.5 and 0.9 under shares of 0.25 and 0.75 make an accuracy of 0.8."""
    reference = _answers([0.2] * 5 + [0.8] * 5 + [0.2] + [0.8] * 9, [0] * 10 + [1] * 10, list(range(20)))
    known = Shares(np.array([0.25, 0.75]), np.zeros(2), np.ones(2), np.zeros((2, 2)))
    assert shifted_accuracy(reference, reference, known).value == pytest.approx(0.8)


def test_expected_f1_counts_expected_cells() -> None:
    """Given 1: 0.9 + 0.6 of 2 are right; given 0: 0.3 is a miss. F1 of label 1 = 2 * 1.5 / (2 + 1.8)."""
    window = _answers([0.9, 0.6, 0.3], [1, 1, 0], [0, 1, 2])
    assert expected_f1(window)[1] == pytest.approx(2 * 1.5 / (2 + 1.8))


def test_expected_area_counts_expected_pairs() -> None:
    """Two rows of chances 0.8 and 0.4: (0.8 * 0.6 + (0.8 * 0.2 + 0.4 * 0.6) / 2) / (1.2 * 0.8); none when certain."""
    window = _answers([0.8, 0.4], [1, 0], [0, 1])
    by_hand = (0.8 * 0.6 + (0.8 * 0.2 + 0.4 * 0.6) / 2) / (1.2 * 0.8)
    assert expected_areas(window, window.probabilities) == pytest.approx([by_hand, by_hand])
    certain = _answers([1.0, 1.0], [1, 1], [0, 1])
    assert expected_areas(certain, certain.probabilities) == [None, None]
