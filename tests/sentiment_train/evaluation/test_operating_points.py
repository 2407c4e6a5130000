"""Tables of thresholds, of abstaining and of reliability, and the list of mistakes, for a few answers."""

import numpy as np
import polars as pl
import pytest

from sentiment_train.evaluation.answers import LabelledAnswers, worst_mistakes
from sentiment_train.evaluation.operating_points import abstain_table, reliability_table, threshold_table

_LABELS = ["negative", "positive"]


def _answers(positive: list[float], truth: list[int], **columns: list[object]) -> LabelledAnswers:
    probabilities = np.array([[1 - p, p] for p in positive])
    reviews = pl.DataFrame(columns or {"label": truth})
    return LabelledAnswers(_LABELS, reviews, np.array(truth), probabilities, np.arange(10, 10 + len(truth)))


def test_a_threshold_moves_the_labels() -> None:
    """At 0.5 two of three praises are found; at 0.25 all, at the cost of one complaint; at 0.95 none is given."""
    table = threshold_table(_answers([0.9, 0.3, 0.6, 0.4, 0.1], [1, 1, 1, 0, 0]))
    assert table is not None
    assert [row["threshold"] for row in table] == pytest.approx([step / 20 for step in range(1, 20)])
    rows = {row["threshold"]: row for row in table}
    assert rows[0.5] == {
        "threshold": 0.5,
        "accuracy": 0.8,
        "precision": {"negative": 0.6667, "positive": 1.0},
        "recall": {"negative": 1.0, "positive": 0.6667},
        "f1": {"negative": 0.8, "positive": 0.8},
    }
    assert (rows[0.25]["recall"]["positive"], rows[0.25]["precision"]["positive"]) == (1.0, 0.75)
    assert (rows[0.95]["precision"]["positive"], rows[0.95]["accuracy"]) == (0.0, 0.4)


def test_a_threshold_belongs_to_what_it_lets_through() -> None:
    """A probability of exactly the threshold is given the second label."""
    table = threshold_table(_answers([0.25], [1]))
    assert table is not None
    assert [row["accuracy"] for row in table][3:6] == [1.0, 1.0, 0.0]


def test_three_labels_have_no_threshold() -> None:
    """One number does not divide three labels; abstaining works with any number."""
    answers = _answers([0.5], [0])._replace(labels=["negative", "neutral", "positive"])
    answers = answers._replace(probabilities=np.array([[0.45, 0.3, 0.25]]))
    assert threshold_table(answers) is None
    assert abstain_table(answers)[:2] == [
        {"score": 0.0, "n": 1, "coverage": 1.0, "accuracy": 1.0},
        {"score": 0.5, "n": 0, "coverage": 0.0, "accuracy": None},
    ]


def test_silence_below_a_score_raises_the_accuracy() -> None:
    """Of four answers the unsure one is wrong: at 0.6 and above three are left, all of them right."""
    rows = {row["score"]: row for row in abstain_table(_answers([0.95, 0.9, 0.2, 0.55], [1, 1, 0, 0]))}
    assert rows[0.5] == {"score": 0.5, "n": 4, "coverage": 1.0, "accuracy": 0.75}
    assert rows[0.6] == {"score": 0.6, "n": 3, "coverage": 0.75, "accuracy": 1.0}
    assert rows[0.9]["n"] == 2


def test_reliability_lists_the_filled_bins() -> None:
    """Two answers near 0.75, one of them right, and a right one at 0.98."""
    assert reliability_table(_answers([0.74, 0.76, 0.02], [1, 0, 0])) == [
        {"low": 0.7333, "high": 0.8, "n": 2, "score": 0.75, "accuracy": 0.5},
        {"low": 0.9333, "high": 1.0, "n": 1, "score": 0.98, "accuracy": 1.0},
    ]


def test_the_worst_mistake_comes_first() -> None:
    """Wrong answers are listed by their loss, under the reviews' ids; right ones are not, however unsure."""
    answers = _answers([0.6, 0.9, 0.49, 0.1], [0, 0, 0, 1], id=["a", "b", "c", "d"], product_id=["x", "y", "x", "z"])
    mistakes = worst_mistakes(answers, 2)
    assert mistakes[0] == {
        "id": "b",
        "product_id": "y",
        "label": "negative",
        "given": "positive",
        "probability": 0.1,
        "loss": 2.3026,
        "tokens": 11,
    }
    assert [mistake["id"] for mistake in mistakes] == ["b", "d"]
    assert [mistake["id"] for mistake in worst_mistakes(answers, 9)] == ["b", "d", "a"]


def test_without_ids_a_mistake_is_named_by_its_row() -> None:
    """Texts of a plain file have no id: their row, from 0, is theirs."""
    assert worst_mistakes(_answers([0.9, 0.9], [1, 0]), 5)[0]["id"] == "1"
    assert worst_mistakes(_answers([0.9, 0.9], [1, 0]), 5)[0]["product_id"] is None
