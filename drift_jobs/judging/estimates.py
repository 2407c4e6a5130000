"""What can be said of a window before labels arrive: its accuracy and label shares, and how far they may be wrong.

These rows are described, not tested. The statistics are in `performance` and `prevalence`, the record of what the
estimates were worth in `record`.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from msgspec.structs import replace
from scipy import stats

from drift_jobs.judging.frames import LabelSet
from drift_jobs.judging.metrics import MIN_LABELLED_ROWS
from drift_jobs.judging.quality import labelled, quality
from drift_jobs.judging.record import WITHDRAWN, Checked, checked, checked_row, is_withdrawn
from drift_jobs.runs import MetricRow, direction
from drift_jobs.statistics.performance import (
    Estimate,
    estimated_accuracy,
    expected_areas,
    expected_f1,
    shifted_accuracy,
)
from drift_jobs.statistics.prevalence import Shares, bbse_shares, em_shares
from drift_jobs.statistics.samples import Floats, Sample
from drift_jobs.statistics.scored_rows import MIN_ROWS, Recalibration, ScoredRows, recalibration

ESTIMATED_ACCURACY = "estimated_accuracy"

_IF_LABEL_SHIFT = "if only the label shares moved, and reviews of one label look as they did"
_NO_SHARES = "a label never occurs in the reference, or the answers hardly depend on the right label"
_Z = float(stats.norm.ppf(0.975))


def estimate(
    current: pd.DataFrame, reference: pd.DataFrame, labels: LabelSet, past: Sequence[Checked] = ()
) -> list[MetricRow]:
    """Return the estimates for the window, and, from 100 rows with a true label on, how they compare with the labels.

    `past` is the record of earlier windows, the latest last; this window's own check counts as the last. What cannot be
    estimated has no value and a note that says why. Never raises for what a frame may hold.
    """
    sides = _sides(current, reference, labels)
    values_before = quality(labelled(reference, labels), labels)
    rows = [*_performance(sides, labels), *_shares(sides, labels)]
    known = [replace(row, reference_value=values_before.get(_of(row), row.reference_value)) for row in rows]
    check = _check(sides)
    record = [*past, *filter(None, map(checked, check))]
    return [*(_with_record(row, is_withdrawn(record)) for row in known), *check]


class _Sides(NamedTuple):
    window: ScoredRows
    """Recalibrated, as `reference` is."""
    reference: ScoredRows
    scores: Floats
    """The window's probabilities before that."""
    learned: Recalibration
    lacking: str
    """Why nothing can be estimated, or empty."""


def _sides(current: pd.DataFrame, reference: pd.DataFrame, labels: LabelSet) -> _Sides:
    window, before = scored_rows(current, labels), scored_rows(reference, labels)
    learned = recalibration(before)
    lacking = "" if window.rows else "no rows with a label of the model and probabilities"
    if not before.known().rows:
        lacking = "no labelled rows in the reference"
    now, then = (side._replace(probabilities=learned.apply(side.probabilities)) for side in (window, before))
    return _Sides(now, then, window.probabilities, learned, lacking)


def scored_rows(frame: pd.DataFrame, labels: LabelSet) -> ScoredRows:
    """Return the rows that have one of the labels as answer, and numbers as probabilities."""
    probabilities = frame[labels.probability_columns].to_numpy(dtype=float)
    given, truth = (_codes(frame[column], labels) for column in ("label", "target"))
    kept = (given >= 0) & np.isfinite(probabilities).all(axis=1)
    clusters = np.unique(frame["cluster"].to_numpy()[kept], return_inverse=True)[1].astype(np.intp)
    return ScoredRows(probabilities[kept], given[kept], truth[kept], clusters)


def _codes(column: pd.Series, labels: LabelSet) -> np.ndarray:
    """Return the number of each label, -1 for what is none of the model's."""
    return np.array(column.map({name: number for number, name in enumerate(labels.names)}).fillna(-1), dtype=np.intp)


def _of(row: MetricRow) -> str:
    """Return the measure with labels that a row estimates."""
    return row.metric.removeprefix("estimated_")


def _performance(sides: _Sides, labels: LabelSet) -> Iterator[MetricRow]:
    found = {"estimated_f1": None, "estimated_roc_auc": None} if sides.lacking else _expected(sides, labels)
    yield _accuracy(sides)
    for name, value in found.items():
        yield MetricRow(metric=name, family="estimates", value=value, n=sides.window.rows, note=sides.lacking)


def _expected(sides: _Sides, labels: LabelSet) -> dict[str, float | None]:
    """Return F1 and ROC AUC of the positive label or, for more than two labels, their means, as in `quality`."""
    f1, areas = list(expected_f1(sides.window)), expected_areas(sides.window, sides.scores)
    if len(labels.names) == 2:
        positive = labels.names.index(labels.positive)
        f1, areas = [f1[positive]], [areas[positive]]
    known = [area for area in areas if area is not None]
    return {
        "estimated_f1": float(np.mean(f1)),
        "estimated_roc_auc": float(np.mean(known)) if len(known) == len(areas) else None,
    }


def _accuracy(sides: _Sides) -> MetricRow:
    row = MetricRow(metric=ESTIMATED_ACCURACY, family="estimates", n=sides.window.rows, note=sides.lacking)
    if sides.lacking:
        return row
    lower, upper = _accuracy_interval(sides)
    note = "" if sides.learned.is_fitted else f"not recalibrated: that needs {MIN_ROWS} labelled rows and all labels"
    return replace(row, value=float(sides.window.chances.mean()), lower=lower, upper=upper, note=note)


def _accuracy_interval(sides: _Sides) -> tuple[float | None, float | None]:
    """Return an interval that holds whichever of two things happened, since answers alone do not tell which.

    Either other texts came (the chances of each text are what they were), or other shares of the labels did. The
    interval reaches over both, so it is wider the more that matters.
    """
    found = [estimated_accuracy(sides.window, sides.reference)]
    if (shares := em_shares(sides.window, sides.reference)) is not None:
        found.append(shifted_accuracy(sides.window, sides.reference, shares))
    if not all(math.isfinite(each.error) for each in found):
        return None, None
    lower, upper = min(each.value - _Z * each.error for each in found), max(_upper(each) for each in found)
    return max(0.0, lower), min(1.0, upper)


def _upper(found: Estimate) -> float:
    return found.value + _Z * found.error


def _shares(sides: _Sides, labels: LabelSet) -> Iterator[MetricRow]:
    for method, estimator in (("em", em_shares), ("bbse", bbse_shares)):
        found = None if sides.lacking else estimator(sides.window, sides.reference)
        note = _NO_SHARES if found is None else _IF_LABEL_SHIFT
        for label, name in enumerate(labels.names):
            row = MetricRow(metric=f"share_{method}_{name}", family="estimates", n=sides.window.rows)
            row = replace(row, note=sides.lacking or note, reference_value=_share_before(sides.reference, label))
            yield row if found is None else _with_share(row, found, label)


def _share_before(reference: ScoredRows, label: int) -> float | None:
    return float(reference.truth_shares()[label]) if reference.known().rows else None


def _with_share(row: MetricRow, found: Shares, label: int) -> MetricRow:
    value, known = float(found.values[label]), bool(np.isfinite(found.covariance).all())
    change = value - (row.reference_value or 0.0)
    return replace(
        row,
        value=value,
        lower=float(found.lower[label]) if known else None,
        upper=float(found.upper[label]) if known else None,
        effect=abs(change),
        direction=direction(change),
    )


def _check(sides: _Sides) -> list[MetricRow]:
    known = sides.window.known()
    if sides.lacking or known.rows < MIN_LABELLED_ROWS:
        return []
    return [checked_row(estimated_accuracy(known, sides.reference), Sample(known.hits, known.clusters))]


def _with_record(row: MetricRow, withdrawn: str) -> MetricRow:
    is_estimate = row.metric == ESTIMATED_ACCURACY and row.value is not None
    return replace(row, note=f"{WITHDRAWN}{withdrawn}") if is_estimate and withdrawn else row
