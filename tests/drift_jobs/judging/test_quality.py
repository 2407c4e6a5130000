"""Measures with labels: their intervals, and how many labels have come by the age of a prediction."""

import datetime as dt
import time

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, f1_score, roc_auc_score

from drift_jobs.judging.frames import LabelSet
from drift_jobs.judging.quality import coverage, intervals, quality
from drift_jobs.runs import Coverage
from tests.protocols import MakeFrame, MakeRecords

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)


def test_measures_are_those_of_scikit_learn(make_records: MakeRecords, make_frame: MakeFrame, labels: LabelSet) -> None:
    """F1, ROC AUC (with ties) and the Brier score are what the library that people know computes."""
    frame = make_frame(make_records(300, seed=2)).round({"probability_positive": 1, "probability_negative": 1})
    truth, positive = frame["target"] == "positive", frame["probability_positive"]
    found = quality(frame, labels)
    assert found["f1"] == pytest.approx(f1_score(truth, frame["label"] == "positive"))
    assert found["roc_auc"] == pytest.approx(roc_auc_score(truth, positive))
    assert found["brier"] == pytest.approx(brier_score_loss(truth, positive))


def test_measures_of_three_labels_are_means_over_them() -> None:
    """F1 and ROC AUC of three labels are scikit-learn's, unweighted; without one of them there is no ROC AUC."""
    labels, frame = _three_labels()
    found, probabilities = quality(frame, labels), frame[labels.probability_columns]
    assert found["f1"] == pytest.approx(f1_score(frame["target"], frame["label"], average="macro"))
    assert found["roc_auc"] == pytest.approx(roc_auc_score(frame["target"], probabilities, multi_class="ovr"))
    assert quality(frame[frame["target"] != "neutral"], labels)["roc_auc"] is None


def test_intervals_hold_the_values(make_records: MakeRecords, make_frame: MakeFrame, labels: LabelSet) -> None:
    """Every measure of a window lies inside its interval, of which the same rows give the same ends."""
    frame = make_frame(make_records(800, seed=3))
    values, found = quality(frame, labels), intervals(frame, labels)
    assert set(found) == set(values)
    assert all(lower < (values[name] or 0.0) < upper for name, (lower, upper) in found.items())
    assert intervals(frame, labels) == found


def test_accuracy_of_independent_rows_has_the_binomial_interval(labels: LabelSet) -> None:
    """Of 1,000 products with one review each, 800 judged right: 0.8 +- 0.025."""
    lower, upper = intervals(_scored(1000, per_product=1), labels)["accuracy"]
    assert (lower, upper) == pytest.approx((0.775, 0.825), abs=0.006)


def test_products_make_intervals_wider(labels: LabelSet) -> None:
    """The same 1,000 rows in 40 products that are wholly right or wrong leave 0.8 +- 0.12."""
    lower, upper = intervals(_scored(1000, per_product=25), labels)["accuracy"]
    assert upper - lower == pytest.approx(0.25, abs=0.05)


def test_ranking_is_as_sure_as_drawing_pairs_again_says(
    make_records: MakeRecords, make_frame: MakeFrame, labels: LabelSet
) -> None:
    """The interval of ROC AUC is that of computing it anew on drawn products."""
    frame = make_frame(make_records(400, seed=4))
    random = np.random.default_rng(0)
    members = [rows for _, rows in frame.groupby("cluster")]
    drawn = [pd.concat([members[i] for i in random.integers(len(members), size=len(members))]) for _ in range(200)]
    areas = [quality(each, labels)["roc_auc"] or 0.0 for each in drawn]
    assert intervals(frame, labels)["roc_auc"] == pytest.approx(tuple(np.quantile(areas, [0.025, 0.975])), abs=0.01)


def test_three_labels_have_intervals_too() -> None:
    """F1 and ROC AUC of three labels lie inside their intervals."""
    labels, frame = _three_labels()
    values, found = quality(frame, labels), intervals(frame, labels)
    assert set(found) == set(values)
    assert all(lower < (values[name] or 0.0) < upper for name, (lower, upper) in found.items())


def test_what_is_not_defined_has_no_interval(
    make_records: MakeRecords, make_frame: MakeFrame, labels: LabelSet
) -> None:
    """No rows, few rows or one product have none at all; one class has none of ROC AUC."""
    frame = make_frame(make_records(200, seed=6))
    for hopeless in (frame[:0], frame[:19], frame.assign(cluster=7)):
        assert intervals(hopeless, labels) == {}
    one_class = intervals(frame[frame["target"] == "positive"], labels)
    assert set(one_class) == {"accuracy", "f1", "brier", "calibration_error"}


@pytest.mark.slow
def test_a_hundred_thousand_rows_take_seconds(labels: LabelSet) -> None:
    """The intervals of a month's feedback cost at most 5 s."""
    frame = _scored(100_000, per_product=2)
    start = time.process_time()
    intervals(frame, labels)
    assert time.process_time() - start < 5.0


def test_coverage_counts_whole_days() -> None:
    """23 hours are no day, 24 are one; the oldest are counted together."""
    hours = [1, 23, 24, 47, 14 * 24, 40 * 24]
    frame = pd.DataFrame({
        "created_at": [NOW - dt.timedelta(hours=each) for each in hours],
        "target": [None, "positive", "negative", None, "positive", "positive"],
    })  # fmt: skip
    assert coverage(frame, NOW) == (
        Coverage(days=0, rows=2, labelled=1),
        Coverage(days=1, rows=2, labelled=1),
        Coverage(days=14, rows=2, labelled=2),
    )


def test_coverage_of_nothing_is_nothing() -> None:
    """An empty window has no ages, nor have rows of a bundle."""
    assert coverage(pd.DataFrame({"created_at": [], "target": []}), NOW) == ()
    assert coverage(pd.DataFrame({"target": ["positive"]}), NOW) == ()


def _three_labels() -> tuple[LabelSet, pd.DataFrame]:
    """Return 500 rows of 100 products whose labels are drawn from their probabilities."""
    labels = LabelSet(("negative", "neutral", "positive"), "positive")
    random = np.random.default_rng(5)
    probabilities, names = random.dirichlet(np.ones(3), 500), np.array(labels.names)
    return labels, pd.DataFrame(dict(zip(labels.probability_columns, probabilities.T, strict=True))).assign(
        label=names[probabilities.argmax(axis=1)],
        score=probabilities.max(axis=1),
        target=[str(random.choice(names, p=row)) for row in probabilities],
        cluster=random.integers(0, 100, 500),
    )


def _scored(n: int, *, per_product: int) -> pd.DataFrame:
    """Return rows of which the first 8 of 10 are right, with equally many reviews of each product."""
    random = np.random.default_rng(1)
    positive = random.random(n)
    label = np.where(positive > 0.5, "positive", "negative")
    wrong = np.where(positive > 0.5, "negative", "positive")
    return pd.DataFrame({
        "label": label,
        "target": np.where(np.arange(n) < 0.8 * n, label, wrong),
        "score": np.maximum(positive, 1 - positive),
        "cluster": np.arange(n) // per_product,
        "probability_negative": 1 - positive,
        "probability_positive": positive,
    })  # fmt: skip
