"""One row for each metric: what it is on both sides, how far apart, how surprising. Pure; `verdict` gives levels."""

import math
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from msgspec.structs import replace

from drift_jobs.judging.columns import Columns, paired_columns
from drift_jobs.judging.frames import DESCRIPTORS, LabelSet
from drift_jobs.judging.quality import intervals, labelled, quality
from drift_jobs.runs import Direction, Family, MetricRow
from drift_jobs.statistics.samples import Floats, Sample
from drift_jobs.statistics.two_sample import (
    Difference,
    domain_auc,
    kolmogorov_smirnov,
    mean_difference,
    share_difference,
    shares_difference,
)

DISTANCE_FLOOR: Final = 0.05
"""Of Kolmogorov-Smirnov distances: a normal variable's mean moves by an eighth of its standard deviation."""
LOGITS_FLOOR: Final = 0.1
"""Of the mean logits of more than two labels, in standard deviations of the reference."""
SHARE_FLOOR: Final = 0.02
"""Of a label's share: two reviews in a hundred change sides."""
AUC_FLOOR: Final = 0.03
"""Of the domain classifier's AUC beyond 0.5."""
ACCURACY_FLOOR: Final = 0.02
"""Of accuracy: about the difference between two models that one would choose between."""

MIN_LABELLED_ROWS: Final = 100
"""Rows with feedback that accuracy needs on both sides: below, a change of the floor's size cannot be seen at all."""
MIN_EMBEDDINGS: Final = 100
"""Rows with an embedding that the domain classifier needs on both sides, half of them to be fitted on."""

Differences = dict[str, Difference]
"""Tests by metric."""


class Compared(NamedTuple):
    """A metric that is not judged yet, and its test; without one it is described only."""

    row: MetricRow
    test: Difference | None


def compare(current: pd.DataFrame, reference: pd.DataFrame, labels: LabelSet) -> list[Compared]:
    """Return all metrics of the window as a whole.

    Empty frames, constant columns and missing labels leave values out, never raise.
    """
    now, before = paired_columns(current, reference, labels)
    tests = differences(now, before)
    rows = [*_inputs(now, before), *_predictions(now, before, labels), *_accuracy(current, reference, labels)]
    return [compared(row, tests.get(row.metric)) for row in rows]


def compared(row: MetricRow, test: Difference | None) -> Compared:
    """Return a row with what its test found."""
    if test is None:
        return Compared(row, None)
    found = replace(row, effect=test.effect, p_value=test.p_value)
    return Compared(replace(found, value=0.5 + test.effect) if row.metric == "embedding" else found, test)


def differences(current: Columns, reference: Columns) -> Differences:
    """Return the tests that both sides have enough rows for, by metric."""
    return dict(_differences(current, reference))


def practical_floor(metric: str) -> float:
    """Return the effect below which a change of `metric` is not worth a reader's time, however sure it is."""
    others = {
        "logits": LOGITS_FLOOR,
        "label_share": SHARE_FLOOR,
        "embedding": AUC_FLOOR,
        "accuracy": ACCURACY_FLOOR,
    }
    return others.get(metric, DISTANCE_FLOOR)


def largest_effect(metric: str) -> float:
    """Return the effect beyond which no change of `metric` can go: shares and distances end at 1, an AUC at 1."""
    return {"logits": float("inf"), "embedding": 0.5}.get(metric, 1.0)


def _differences(current: Columns, reference: Columns) -> Iterator[tuple[str, Difference]]:
    logits = [name for name in current.numbers if name.startswith("logit_")]
    for name in current.numbers:
        sides = current.numbers_of(name), reference.numbers_of(name)
        if name not in logits and _enough(sides, 1):
            yield name, kolmogorov_smirnov(*sides)
    if logits:
        sides = _standardized(current, reference, logits)
        if _enough(sides, 2):
            yield "logits", mean_difference(*sides)
    sides = current.embeddings(), reference.embeddings()
    if _enough(sides, MIN_EMBEDDINGS):
        yield "embedding", domain_auc(*sides)
    sides = current.label_shares(), reference.label_shares()
    if _enough(sides, 1):
        yield "label_share", shares_difference(*sides)
    sides = current.known_hits(), reference.known_hits()
    if _enough(sides, MIN_LABELLED_ROWS):
        yield "accuracy", share_difference(*sides)


def _enough(sides: tuple[Sample, Sample], rows: int) -> bool:
    return min(len(side.values) for side in sides) >= rows


def _standardized(current: Columns, reference: Columns, logits: list[str]) -> tuple[Sample, Sample]:
    """Return all logits together `(n, n_labels)`, in standard deviations of the reference."""
    now, before = (np.stack([side.numbers[name] for name in logits], axis=1) for side in (current, reference))
    kept, kept_before = (np.isfinite(rows).all(axis=1) for rows in (now, before))
    spread = before[kept_before].std(axis=0) if kept_before.any() else np.ones(len(logits))
    spread = np.where(spread > 0, spread, 1.0)
    return (
        Sample(now[kept] / spread, current.clusters[kept]),
        Sample(before[kept_before] / spread, reference.clusters[kept_before]),
    )


def _inputs(current: Columns, reference: Columns) -> Iterator[MetricRow]:
    for name in DESCRIPTORS:
        yield _means(name, "inputs", current.numbers_of(name).values, reference.numbers_of(name).values)
    n, m = (len(side.embeddings().values) for side in (current, reference))
    row = MetricRow(metric="embedding", family="inputs", n=n)
    if min(n, m) >= MIN_EMBEDDINGS:
        row = replace(row, reference_value=0.5)
    elif n:
        row = replace(row, note=f"found {n} and {m} rows with an embedding, needed {MIN_EMBEDDINGS}")
    yield row


def _predictions(current: Columns, reference: Columns, labels: LabelSet) -> Iterator[MetricRow]:
    for name in [*labels.logit_columns, "score"]:
        yield _means(name, "predictions", current.numbers_of(name).values, reference.numbers_of(name).values)
    if len(labels.names) > 2:
        yield MetricRow(metric="logits", family="predictions", n=len(current.label_shares().values))
    positive = labels.names.index(labels.positive)
    shares = (side.label_shares().values[:, positive] for side in (current, reference))
    yield _means("label_share", "predictions", *shares)


def _means(name: str, family: Family, current: Floats, reference: Floats) -> MetricRow:
    """Return the row of a column: the values shown are means, and give the direction."""
    value, before = _mean(current), _mean(reference)
    row = MetricRow(metric=name, family=family, value=value, reference_value=before, n=len(current))
    return row if value is None or before is None else replace(row, direction=direction(value - before))


def _accuracy(current: pd.DataFrame, reference: pd.DataFrame, labels: LabelSet) -> Iterator[MetricRow]:
    """Describe what is known to be right. Of these accuracy is tested; the other measures follow it.

    Feedback is not a random part of a window, which no test can see.
    """
    now, before = labelled(current, labels), labelled(reference, labels)
    values, reference_values = quality(now, labels), quality(before, labels)
    bounds = intervals(now, labels)
    for name in values:
        row = _quality_row(name, values, reference_values, len(now))
        lower, upper = bounds.get(name, (None, None))
        yield replace(row, lower=lower, upper=upper)


def _quality_row(
    name: str, values: Mapping[str, float | None], reference_values: Mapping[str, float | None], n: int
) -> MetricRow:
    value, reference_value = _number(values[name]), _number(reference_values[name])
    row = MetricRow(metric=name, family="accuracy", value=value, reference_value=reference_value, n=n)
    if value is None or reference_value is None:
        return row
    change = value - reference_value
    return replace(row, effect=abs(change), direction=direction(change))


def direction(change: float) -> Direction:
    """Return which way a value went."""
    return "up" if change > 0 else "down" if change < 0 else "none"


def _mean(values: Floats) -> float | None:
    return _number(values.mean()) if len(values) else None


def _number(value: float | None) -> float | None:
    """Return a plain float, or None for what Postgres and JSON readers should never meet."""
    return None if value is None or not math.isfinite(value) else float(value)
