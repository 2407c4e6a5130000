"""One row for each metric: what it is on both sides, how far apart, how surprising. Pure; `verdict` gives levels."""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd
from msgspec.structs import replace

from drift_jobs.frames import DESCRIPTORS, LabelSet
from drift_jobs.measures import Floats, Sample, domain_auc, kolmogorov_smirnov, mean_difference
from drift_jobs.quality import labelled, quality
from drift_jobs.runs import Direction, Family, MetricRow

DISTANCE_FLOOR: Final = 0.1
"""Of Kolmogorov-Smirnov distances: a normal variable's mean moves by a quarter of its standard deviation."""
SHARE_FLOOR: Final = 0.05
"""Of a label's share: five reviews in a hundred change sides; less than that a shop's week does by itself."""
AUC_FLOOR: Final = 0.05
"""Of the domain classifier's AUC beyond 0.5: below 0.55 two samples are all but impossible to tell apart."""
ACCURACY_FLOOR: Final = 0.03
"""Of accuracy: about the difference between two models that one would choose between."""

MIN_LABELLED_ROWS: Final = 100
"""Rows with feedback that accuracy needs on both sides: below, a change of the floor's size cannot be seen at all."""
MIN_EMBEDDINGS: Final = 100
"""Rows with an embedding that the domain classifier needs on both sides, half of them to be fitted on."""


def compare(current: pd.DataFrame, reference: pd.DataFrame, labels: LabelSet) -> list[MetricRow]:
    """Return the rows of all metrics, not judged yet: those with a p-value have a floor, the others are described.

    Empty frames, constant columns and missing labels leave values out, never raise.
    """
    return [
        *_inputs(current, reference),
        *_predictions(current, reference, labels),
        *_accuracy(current, reference, labels),
    ]


def _inputs(current: pd.DataFrame, reference: pd.DataFrame) -> Iterator[MetricRow]:
    for name in DESCRIPTORS:
        yield _distance(name, "inputs", current, reference)
    yield _embedding(current, reference)


def _predictions(current: pd.DataFrame, reference: pd.DataFrame, labels: LabelSet) -> Iterator[MetricRow]:
    for name in [*labels.logit_columns, "score"]:
        yield _distance(name, "predictions", current, reference)
    yield _label_share(current, reference, labels)


def _distance(name: str, family: Family, current: pd.DataFrame, reference: pd.DataFrame) -> MetricRow:
    """Compare one column by its distribution function; the values shown are means, and give the direction."""
    now, before = _finite(current, name), _finite(reference, name)
    values, n = [_mean(side.values) for side in (now, before)], len(now.values)
    row = MetricRow(metric=name, family=family, value=values[0], reference_value=values[1], n=n)
    if row.value is None or row.reference_value is None:
        return row
    effect, p_value = kolmogorov_smirnov(now, before)
    change = row.value - row.reference_value
    return replace(row, effect=effect, p_value=p_value, floor=DISTANCE_FLOOR, direction=_direction(change))


def _embedding(current: pd.DataFrame, reference: pd.DataFrame) -> MetricRow:
    now, before = _embeddings(current), _embeddings(reference)
    row = MetricRow(metric="embedding", family="inputs", n=len(now.values))
    enough = min(len(now.values), len(before.values)) >= MIN_EMBEDDINGS
    if not enough or now.values.shape[1] != before.values.shape[1]:
        return row
    effect, p_value = domain_auc(now, before)
    return replace(row, value=0.5 + effect, reference_value=0.5, effect=effect, p_value=p_value, floor=AUC_FLOOR)


def _label_share(current: pd.DataFrame, reference: pd.DataFrame, labels: LabelSet) -> MetricRow:
    """Compare the shares of all labels; the values shown, and the direction, are those of the positive one."""
    now, before = _shares(current, labels), _shares(reference, labels)
    positive = labels.names.index(labels.positive)
    shares = [_mean(side.values[:, positive]) for side in (now, before)]
    n = len(now.values)
    row = MetricRow(metric="label_share", family="predictions", value=shares[0], reference_value=shares[1], n=n)
    if row.value is None or row.reference_value is None:
        return row
    p_value = mean_difference(_without_last(now), _without_last(before)).p_value  # the shares add up to 1
    effect = float(np.abs(now.values.mean(axis=0) - before.values.mean(axis=0)).max())
    direction = _direction(row.value - row.reference_value)
    return replace(row, effect=effect, p_value=p_value, floor=SHARE_FLOOR, direction=direction)


def _accuracy(current: pd.DataFrame, reference: pd.DataFrame, labels: LabelSet) -> Iterator[MetricRow]:
    """Compare what is known to be right. Accuracy is tested; the other measures follow it and are described only.

    Feedback is not a random part of a window, which no test can see.
    """
    now, before = labelled(current, labels), labelled(reference, labels)
    values, reference_values = quality(now, labels), quality(before, labels)
    for name in values:
        value, reference_value = _number(values[name]), _number(reference_values[name])
        row = MetricRow(metric=name, family="accuracy", value=value, reference_value=reference_value, n=len(now))
        if value is not None and reference_value is not None:
            change = value - reference_value
            row = replace(row, effect=abs(change), direction=_direction(change))
        if name == "accuracy" and min(len(now), len(before)) >= MIN_LABELLED_ROWS:
            p_value = mean_difference(_hits(now), _hits(before)).p_value
            row = replace(row, p_value=p_value, floor=ACCURACY_FLOOR)
        yield row


def _direction(change: float) -> Direction:
    return "up" if change > 0 else "down" if change < 0 else "none"


def _sample(values: Floats, frame: pd.DataFrame) -> Sample:
    """Return the sample of `values`, one for each row of `frame`; its clusters are numbered anew, without gaps."""
    clusters = np.unique(frame["cluster"].to_numpy(), return_inverse=True)[1]
    return Sample(values, clusters)


def _finite(frame: pd.DataFrame, name: str) -> Sample:
    kept = frame[np.isfinite(frame[name].to_numpy(dtype=float))]
    return _sample(kept[name].to_numpy(dtype=float), kept)


def _embeddings(frame: pd.DataFrame) -> Sample:
    """Return `(n, dim)` of the rows that have an embedding without NaN, of the most frequent dimension."""
    found = frame["embedding"]
    widths = np.array([0 if row is None or not np.isfinite(row).all() else len(row) for row in found], dtype=int)
    width = int(np.bincount(widths[widths > 0]).argmax()) if (widths > 0).any() else 0
    kept = frame[(widths == width) & (widths > 0)]
    return _sample(np.array(kept["embedding"].to_list(), dtype=float).reshape(len(kept), width), kept)


def _shares(frame: pd.DataFrame, labels: LabelSet) -> Sample:
    """Return yes and no for each label, `(n, n_labels)`, of the rows with one of the labels."""
    kept = frame[frame["label"].isin(labels.names)]
    return _sample(np.stack([(kept["label"] == name).to_numpy(dtype=float) for name in labels.names], axis=1), kept)


def _without_last(sample: Sample) -> Sample:
    return sample._replace(values=sample.values[:, :-1])


def _hits(frame: pd.DataFrame) -> Sample:
    return _sample((frame["label"] == frame["target"]).to_numpy(dtype=float), frame)


def _mean(values: Floats) -> float | None:
    return _number(values.mean()) if len(values) else None


def _number(value: float | None) -> float | None:
    """Return a plain float, or None for what Postgres and JSON readers should never meet."""
    return None if value is None or not math.isfinite(value) else float(value)
