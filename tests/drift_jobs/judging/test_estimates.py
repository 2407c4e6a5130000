"""Estimates before labels arrive: how often they hold under each kind of shift, and how their failure is noticed."""

import math
import time

import msgspec
import numpy as np
import pandas as pd
import pytest

from drift_jobs.judging.estimates import estimate
from drift_jobs.judging.frames import LabelSet
from drift_jobs.judging.record import Checked, checked
from drift_jobs.runs import MetricRow

pytestmark = pytest.mark.slow

LABELS = LabelSet(("negative", "positive"), "positive")
WINDOWS = 60


def _shop(
    random: np.random.Generator, n: int, *, mood: float = 1.5, spread: float = 2.0, truth: float = 1.0
) -> pd.DataFrame:
    """Return `n` reviews of products of unequal popularity.

    Products differ in mood and in what a text of that mood is worth; probabilities are too bold, and biased. `mood` and
    `spread` bring other texts (covariate shift), `truth` below 1 makes labels follow texts less (concept drift).
    """
    products = max(20, n // 8)
    popularity = 1 / np.arange(1, products + 1) ** 0.7
    product = random.choice(products, n, p=popularity / popularity.sum())
    log_odds = random.normal(mood, spread, n) + random.normal(0, 0.6, products)[product]
    worth = random.normal(0, 0.6, products)[product]
    positive = random.random(n) < 1 / (1 + np.exp(-(truth * log_odds + worth)))
    claimed = 1 / (1 + np.exp(-(1.5 * log_odds - 0.5)))
    return pd.DataFrame({
        "label": np.where(claimed > 0.5, "positive", "negative"),
        "score": np.maximum(claimed, 1 - claimed),
        "target": np.where(positive, "positive", "negative").astype(object),
        "cluster": product + int(random.integers(1 << 40)),
        "probability_negative": 1 - claimed,
        "probability_positive": claimed,
    })  # fmt: skip


def _with_share(random: np.random.Generator, n: int, share: float) -> pd.DataFrame:
    """Return a window of the same shop in which a given share of the labels is positive (label shift)."""
    rows = _shop(random, 4 * n)
    positive = int(share * n)
    kept = [rows[rows["target"] == "positive"][:positive], rows[rows["target"] == "negative"][: n - positive]]
    return pd.concat(kept, ignore_index=True)


def _window(random: np.random.Generator, kind: str) -> pd.DataFrame:
    shifts = {"none": {}, "harder texts": {"mood": 0.3, "spread": 1.2}, "better mood": {"mood": 3.0}}
    if kind in shifts:
        return _shop(random, 500, **shifts[kind])
    return _with_share(random, 500, {"more negative": 0.5, "more positive": 0.9}[kind])


def _metric(rows: list[MetricRow], name: str) -> MetricRow:
    return next(row for row in rows if row.metric == name)


def _accuracy(frame: pd.DataFrame) -> float:
    return float((frame["label"] == frame["target"]).mean())


def _holds(row: MetricRow, truth: float) -> bool:
    assert row.lower is not None
    assert row.upper is not None
    return row.lower <= truth <= row.upper


@pytest.mark.parametrize("kind", ["none", "more negative", "more positive", "harder texts", "better mood"])
def test_interval_holds_the_accuracy_that_labels_show(kind: str) -> None:
    """Without shift, under label shift and under covariate shift, about 95 of 100 windows lie inside."""
    random = np.random.default_rng(1)
    held = []
    for _ in range(WINDOWS):
        reference, window = _shop(random, 2000), _window(random, kind)
        rows = estimate(window.assign(target=None), reference, LABELS)
        held.append(_holds(_metric(rows, "estimated_accuracy"), _accuracy(window)))
    assert np.mean(held) >= 0.88


def test_concept_drift_is_not_seen_without_labels_and_withdraws_the_estimate_with_them() -> None:
    """When labels follow texts less, the interval misses every time; the record says so from the first windows on."""
    random = np.random.default_rng(2)
    reference, past, held = _shop(random, 2000), list[Checked](), []
    for _ in range(10):
        window = _shop(random, 600, truth=0.4)
        rows = estimate(window, reference, LABELS, past)
        held.append(_holds(_metric(rows, "estimated_accuracy"), _accuracy(window)))
        past += filter(None, map(checked, rows))
    assert not any(held)
    blind = _metric(estimate(window.assign(target=None), reference, LABELS, past), "estimated_accuracy")
    assert blind.value is not None
    assert blind.note.startswith("withdrawn: 1")
    assert "too high over the last 10 windows" in blind.note


def test_good_records_do_not_withdraw_the_estimate() -> None:
    """Of 30 shops in which nothing changes, four checked windows withdraw the estimate in at most three."""
    random = np.random.default_rng(3)
    withdrawn = 0
    for _ in range(30):
        reference, past = _shop(random, 2000), list[Checked]()
        for _ in range(4):
            rows = estimate(_shop(random, 600), reference, LABELS, past)
            past += filter(None, map(checked, rows))
        withdrawn += _metric(rows, "estimated_accuracy").note.startswith("withdrawn")
    assert withdrawn <= 3


def test_rows_say_what_is_known_of_both_sides() -> None:
    """Estimates stand beside the reference's known figures, are described without a test, and are near the truth."""
    random = np.random.default_rng(4)
    reference, window = _shop(random, 4000), _with_share(random, 2000, 0.5)
    rows = estimate(window.assign(target=None), reference, LABELS)
    assert [row.metric for row in rows] == [
        "estimated_accuracy", "estimated_f1", "estimated_roc_auc",
        "share_em_negative", "share_em_positive", "share_bbse_negative", "share_bbse_positive",
    ]  # fmt: skip
    assert {(row.family, row.p_value, row.threshold, row.n) for row in rows} == {("estimates", None, None, 2000)}
    assert _metric(rows, "estimated_accuracy").reference_value == pytest.approx(_accuracy(reference))
    share = _metric(rows, "share_em_positive")
    assert share.reference_value == pytest.approx((reference["target"] == "positive").mean())
    assert (share.value, share.direction) == (pytest.approx(0.5, abs=0.06), "down")
    area = _metric(rows, "estimated_roc_auc")
    assert area.value == pytest.approx(area.reference_value, abs=0.03)


def test_labels_are_held_against_the_estimate_of_the_same_rows() -> None:
    """Where only some rows have a label, those alone are estimated and realised; below 100 there is no check."""
    random = np.random.default_rng(5)
    reference, window = _shop(random, 2000), _shop(random, 1000)
    for labelled, expected in ((150, [150]), (99, [])):
        partly = window.assign(target=window["target"].where(window.index < labelled, None))
        rows = [row for row in estimate(partly, reference, LABELS) if row.metric == "checked_accuracy"]
        assert [row.n for row in rows] == expected
        assert all(row.value == pytest.approx(_accuracy(window[:labelled])) for row in rows)


def _damaged(reference: pd.DataFrame) -> dict[str, tuple[pd.DataFrame, pd.DataFrame, str]]:
    """Return windows and references in which something is wrong, and the beginning of what is said of it."""
    window = _shop(np.random.default_rng(7), 300)
    missing = window.assign(probability_negative=np.nan, probability_positive=np.nan, score=np.nan)
    return {
        "empty window": (window[:0], reference, "no rows"),
        "empty both": (window[:0], reference[:0], "no labelled rows in the reference"),
        "no labels": (window, reference.assign(target=None), "no labelled rows in the reference"),
        "probabilities missing": (missing, reference, "no rows"),
        "labels unknown": (window.assign(label="great"), reference, "no rows"),
        "one label": (window, reference.assign(target="positive"), "not recalibrated"),
        "one label given": (window, reference.assign(label="positive"), ""),
        "few labels": (window, reference[:50], "not recalibrated"),
        "one row": (window[:1], reference, ""),
        "one row each": (window[:1], reference[:1], "not recalibrated"),
        "one product": (window.assign(cluster=1), reference.assign(cluster=1), ""),
        "all right": (window.assign(target=window["label"]), reference.assign(target=reference["label"]), ""),
    }


@pytest.mark.parametrize("name", list(_damaged(_shop(np.random.default_rng(8), 10))))
def test_whatever_is_wrong_is_said_and_never_raises(name: str) -> None:
    """Each window has its rows, no number is NaN or infinite, and the note says what is missing."""
    window, reference, said = _damaged(_shop(np.random.default_rng(8), 1000))[name]
    rows = estimate(window, reference, LABELS)
    numbers = [value for row in rows for value in msgspec.structs.astuple(row) if isinstance(value, float)]
    assert all(map(math.isfinite, numbers))
    assert _metric(rows, "estimated_accuracy").note.startswith(said)
    assert (_metric(rows, "estimated_accuracy").value is None) == said.startswith("no ")
    assert all(row.note for row in rows if row.metric.startswith("share_") and row.value is None)


def test_a_hundred_thousand_rows_take_seconds() -> None:
    """A large window's estimates cost at most 3 s of processor time."""
    random = np.random.default_rng(9)
    reference, window = _shop(random, 20_000), _shop(random, 100_000)
    start = time.process_time()
    estimate(window, reference, LABELS)
    assert time.process_time() - start < 3.0
