"""One row for each metric: what it is on both sides, how far apart, how surprising. Pure; `verdict` gives levels."""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pandas as pd
from msgspec.structs import replace

from drift_jobs.judging.columns import Columns, paired_columns
from drift_jobs.judging.frames import LabelSet
from drift_jobs.judging.metrics import MIN_EMBEDDINGS, TESTED, Sides, TestedMetric
from drift_jobs.judging.quality import intervals, labelled, quality
from drift_jobs.runs import Family, MetricRow, direction
from drift_jobs.statistics.samples import Floats
from drift_jobs.statistics.two_sample import Difference

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
    rows = [*_rows(now, before, labels), *_accuracy(current, reference, labels)]
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


def _differences(current: Columns, reference: Columns) -> Iterator[tuple[str, Difference]]:
    for metric in TESTED:
        sides = metric.sides(current, reference)
        if sides is not None and min(len(side.values) for side in sides) >= metric.fewest_rows:
            yield metric.name, metric.test(*sides)


def _rows(current: Columns, reference: Columns, labels: LabelSet) -> Iterator[MetricRow]:
    """Yield the rows of what is tested, and of each logit; those of rows with labels come from `quality`."""
    for metric in TESTED:
        if metric.name == "logit":  # of more than two labels each is described, and `logits` is tested
            for name in labels.logit_columns:
                yield _means(name, "predictions", current.numbers_of(name).values, reference.numbers_of(name).values)
        elif metric.family != "accuracy" and (sides := metric.sides(current, reference)) is not None:
            yield _row(metric, sides, labels)


def _row(metric: TestedMetric, sides: Sides, labels: LabelSet) -> MetricRow:
    """Return the row of a metric without its test: means of both sides, where these are what a reader wants to see."""
    now, before = (side.values for side in sides)
    if metric.name == "embedding":
        return _embedding_row(len(now), len(before))
    if metric.name == "logits":
        return MetricRow(metric=metric.name, family=metric.family, n=len(now))
    if metric.name == "label_share":
        positive = labels.names.index(labels.positive)
        now, before = now[:, positive], before[:, positive]
    return _means(metric.name, metric.family, now, before)


def _embedding_row(n: int, m: int) -> MetricRow:
    row = MetricRow(metric="embedding", family="inputs", n=n)
    if min(n, m) >= MIN_EMBEDDINGS:
        return replace(row, reference_value=0.5)
    return replace(row, note=f"found {n} and {m} rows with an embedding, needed {MIN_EMBEDDINGS}") if n else row


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


def _mean(values: Floats) -> float | None:
    return _number(values.mean()) if len(values) else None


def _number(value: float | None) -> float | None:
    """Return a plain float, or None for what Postgres and JSON readers should never meet."""
    return None if value is None or not math.isfinite(value) else float(value)
