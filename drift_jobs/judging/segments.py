"""The same questions for parts of a window: each product, each value of the metadata keys that an operator names."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drift_jobs.judging.columns import Columns, paired_columns
from drift_jobs.judging.comparisons import Compared, compared
from drift_jobs.judging.frames import LabelSet
from drift_jobs.judging.metrics import TESTED
from drift_jobs.runs import MetricRow, direction
from drift_jobs.statistics.samples import Codes, Sample
from drift_jobs.statistics.two_sample import Difference, kolmogorov_smirnov, share_difference

SEGMENT_PREFIX: Final = "segment_"
"""Of the frames' columns that name a row's segment, such as `segment_product`; missing where it has none."""
MIN_SEGMENT_ROWS: Final = 100
"""Rows that a segment, and each test of it, needs on both sides."""
MAX_SEGMENTS: Final = 20
"""Segments of each key that are tested, those with the most rows in the window."""
MAX_VALUE_CHARACTERS: Final = 200
"""Of a segment's value, as of a product id. Metadata may be far longer, too long for an index of Postgres: one such
value would lose the night."""

_PRODUCT = f"{SEGMENT_PREFIX}product"
_METRICS = ("label_share", "words", "accuracy")
_FAMILIES = {metric.name: metric.family for metric in TESTED if metric.name in _METRICS}


def compare_segments(current: pd.DataFrame, reference: pd.DataFrame, labels: LabelSet) -> list[Compared]:
    """Return up to three tests for each large segment: share of the positive label, words, accuracy.

    Within a product its reviews count as independent; within a value of another key they are clustered by product.
    Segments that one side does not know are left out, as are rows whose value is missing, an empty text, or longer than
    200 characters.
    """
    keys = [name for name in current.columns if name.startswith(SEGMENT_PREFIX) and name in reference.columns]
    if not keys:
        return []
    sides = paired_columns(current.assign(embedding=None), reference.assign(embedding=None), labels)
    return [
        found for key in keys for found in _of_key(key, (_texts(current[key]), _texts(reference[key])), sides, labels)
    ]


def _of_key(
    key: str, values: tuple[NDArray[np.object_], NDArray[np.object_]], sides: tuple[Columns, Columns], labels: LabelSet
) -> Iterator[Compared]:
    rows, before = (_rows_of_values(side) for side in values)
    large = [value for value in rows if min(len(rows[value]), len(before.get(value, ()))) >= MIN_SEGMENT_ROWS]
    large.sort(key=lambda value: (-len(rows[value]), value))
    for value in large[:MAX_SEGMENTS]:
        parts = [side.take(found[value]) for side, found in zip(sides, (rows, before), strict=True)]
        if key == _PRODUCT:
            parts = [part._replace(clusters=np.arange(len(part.clusters))) for part in parts]
        yield from _tests(f"{key.removeprefix(SEGMENT_PREFIX)}:{value}", parts[0], parts[1], labels)


def _texts(values: pd.Series) -> NDArray[np.object_]:
    """Return values as Postgres writes those of a JSON object, `(n,)`; None for what is missing, empty or too long.

    A column of numbers becomes floats as soon as one is missing: 5 and 5.0 are one value here.
    """
    texts = np.empty(len(values), dtype=object)
    for row, value in enumerate(values.to_list()):
        text = _text(value)
        texts[row] = text if text and len(text) <= MAX_VALUE_CHARACTERS else None
    return texts


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if value is None or value is pd.NA or value != value:  # noqa: PLR0124 - of all values only NaN and NaT are not what they are
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _rows_of_values(texts: NDArray[np.object_]) -> dict[str, Codes]:
    """Return the rows of each value, in their order."""
    codes, names = pd.factorize(texts)  # -1 for None
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes + 1, minlength=len(names) + 1)
    return dict(zip(names, np.split(order, np.cumsum(counts)[:-1])[1:], strict=True))


def _tests(segment: str, current: Columns, reference: Columns, labels: LabelSet) -> Iterator[Compared]:
    for name in _METRICS:
        now, before = (_sample(name, side, labels) for side in (current, reference))
        if min(len(now.values), len(before.values)) >= MIN_SEGMENT_ROWS:
            test = kolmogorov_smirnov if name == "words" else share_difference
            yield _compared(segment, name, (now, before), test(now, before))


def _sample(metric: str, side: Columns, labels: LabelSet) -> Sample:
    if metric == "accuracy":
        return side.known_hits()
    if metric == "words":
        return side.numbers_of("words")
    shares = side.label_shares()
    return shares._replace(values=shares.values[:, labels.names.index(labels.positive)])


def _compared(segment: str, metric: str, sides: tuple[Sample, Sample], test: Difference) -> Compared:
    value, before = (float(side.values.mean()) for side in sides)
    row = MetricRow(
        metric=metric,
        segment=segment,
        family=_FAMILIES[metric],
        value=value,
        reference_value=before,
        direction=direction(value - before),
        n=len(sides[0].values),
    )
    return compared(row, test)
