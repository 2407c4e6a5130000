"""What recalibration changes, and when it leaves everything as it is."""

import numpy as np
import pytest

from drift_jobs.statistics.scored_rows import MIN_ROWS, UNKNOWN, ScoredRows, recalibration


def _overconfident(n: int, labels: int = 2) -> ScoredRows:
    """Return rows whose logits are twice what they should be."""
    random = np.random.default_rng(n)
    logits = random.normal(size=(n, labels))
    truth = (logits + random.gumbel(size=(n, labels))).argmax(axis=1)
    odds = np.exp(2 * logits)
    return ScoredRows(odds / odds.sum(axis=1, keepdims=True), logits.argmax(axis=1), truth, np.arange(n))


@pytest.mark.parametrize("labels", [2, 3])
def test_probabilities_come_to_hold(labels: int) -> None:
    """On other rows of the same source, labels are right as often as they now promise, as they were not before."""
    learned = recalibration(_overconfident(20_000, labels))
    others = _overconfident(20_001, labels)
    better = others._replace(probabilities=learned.apply(others.probabilities))
    assert better.probabilities.sum(axis=1) == pytest.approx(1.0)
    assert others.chances.mean() - others.hits.mean() > 0.08
    assert better.chances.mean() == pytest.approx(better.hits.mean(), abs=0.01)


def test_nothing_becomes_certain() -> None:
    """Probabilities stay away from 0 and 1 by about what one row in the reference could tell."""
    learned = recalibration(_overconfident(500))
    found = learned.apply(np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert found.min() > 0
    assert found.max() < 1


def test_few_labelled_rows_teach_nothing() -> None:
    """Below 100 rows with a known label, or with one label only, probabilities stay as they are."""
    rows = _overconfident(MIN_ROWS + 50)
    few = rows._replace(truth=np.where(np.arange(rows.rows) < MIN_ROWS - 1, rows.truth, UNKNOWN))
    one = rows._replace(truth=np.ones(rows.rows, dtype=np.intp))
    for reference in (few, one):
        learned = recalibration(reference)
        assert not learned.is_fitted
        assert learned.apply(rows.probabilities) is rows.probabilities
    assert recalibration(rows).is_fitted
