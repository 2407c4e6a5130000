"""Measures of many weightings at once, against scikit-learn's of one, and against values worked out by hand."""

import numpy as np
import pytest
from sklearn import metrics

from sentiment_train.evaluation.measures import equal_bins, equal_mass_bins, log_losses, measures


def _random_answers(n: int, n_labels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right labels, probabilities with ties among them, and two weightings of which many are 0."""
    random = np.random.default_rng(5)
    truth = random.integers(n_labels, size=n)
    logits = np.round(random.normal(size=(n, n_labels)) + 1.5 * np.eye(n_labels)[truth], 1)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return truth, probabilities, random.integers(0, 4, size=(2, n)).astype(float)


@pytest.mark.parametrize("n_labels", [2, 3])
def test_measures_are_those_of_scikit_learn(n_labels: int) -> None:
    """For each weighting every measure equals scikit-learn's with these sample weights."""
    truth, probabilities, weights = _random_answers(300, n_labels)
    found = measures(truth, probabilities, weights)
    given, one_hot = probabilities.argmax(axis=1), np.eye(n_labels)[truth]
    for row, weight in enumerate(weights):
        options = {"average": None, "sample_weight": weight}
        expected = {
            "accuracy": metrics.accuracy_score(truth, given, sample_weight=weight),
            "macro_f1": metrics.f1_score(truth, given, sample_weight=weight, average="macro"),
            "precision": metrics.precision_score(truth, given, **options),
            "recall": metrics.recall_score(truth, given, **options),
            "f1": metrics.f1_score(truth, given, **options),
            "roc_auc": metrics.roc_auc_score(one_hot, probabilities, sample_weight=weight),
            "average_precision": metrics.average_precision_score(one_hot, probabilities, **options),
            "log_loss": metrics.log_loss(truth, probabilities, sample_weight=weight),
        }
        for name, value in expected.items():
            assert found[name][row] == pytest.approx(value), name


def test_a_row_drawn_twice_counts_as_two_rows() -> None:
    """Weights that are whole numbers give what the repeated rows give, calibration included."""
    truth, probabilities, weights = _random_answers(60, 3)
    times = weights[0].astype(int)
    repeated = np.repeat(truth, times), np.repeat(probabilities, times, axis=0)
    once = measures(*repeated, np.ones((1, times.sum())))
    for name, values in measures(truth, probabilities, weights[:1]).items():
        if name != "calibration_error_equal_mass":  # its bins are those of the rows as they are
            assert values[0] == pytest.approx(once[name][0]), name


def test_what_needs_two_labels_is_nan() -> None:
    """With one right label alone there is no ranking; a label that does not occur has none either."""
    probabilities = np.array([[0.2, 0.8], [0.4, 0.6]])
    found = measures(np.array([1, 1]), probabilities, np.ones((1, 2)))
    assert np.isnan(found["roc_auc"]).all()
    assert np.isnan(found["average_precision"]).all()
    assert found["recall"].tolist() == [[0.0, 1.0]]


def test_an_impossible_answer_costs_a_bounded_loss() -> None:
    """A right label of probability 0 costs 34.5 nats, not infinitely many."""
    assert log_losses(np.array([0]), np.array([[0.0, 1.0]])) == pytest.approx(34.539, abs=1e-3)


def test_bins_of_equal_mass_follow_the_scores() -> None:
    """Scores between 0.9 and 1 share two bins of one width, and fill fifteen of equal number evenly."""
    scores = np.linspace(0.9, 1.0, 300)
    assert set(equal_bins(scores)) == {13, 14}
    assert np.bincount(equal_mass_bins(scores)).tolist() == [20] * 15


def test_bins_of_equal_mass_see_what_bins_of_one_width_do_not() -> None:
    """An excess at 0.94 and a lack at 0.99 cancel out in one bin, and show in two."""
    probabilities = np.repeat([[0.06, 0.94], [0.01, 0.99]], 1000, axis=0)
    truth = np.array([1] * 990 + [0] * 10 + [1] * 940 + [0] * 60)
    found = measures(truth, probabilities, np.ones((1, 2000)))
    assert found["calibration_error"] == pytest.approx(0.0)
    assert found["calibration_error_equal_mass"] == pytest.approx(0.05)
