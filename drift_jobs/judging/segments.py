"""The same questions for parts of a window: each product, each value of the metadata keys that an operator names."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from drift_jobs.judging.columns import Columns, paired_columns
from drift_jobs.judging.comparisons import Compared, compared, direction
from drift_jobs.judging.frames import LabelSet
from drift_jobs.runs import MetricRow
from drift_jobs.statistics.two_sample import Difference, kolmogorov_smirnov, mean_difference

SEGMENT_PREFIX = "segment_"
"""Of the frames' columns that name a row's segment, such as `segment_product`; missing where it has none."""
MIN_SEGMENT_ROWS = 100
"""Rows that a segment needs on both sides."""
MAX_SEGMENTS = 20
"""Segments of each key that are tested, those with the most rows in the window."""


def compare_segments(current: pd.DataFrame, reference: pd.DataFrame, labels: LabelSet) -> list[Compared]:
    """Return two tests for each large segment: the share of the positive label, and the distribution of words.

    Within a product its reviews count as independent. Segments that one side does not know are left out.
    """
    keys = [name for name in current.columns if name.startswith(SEGMENT_PREFIX) and name in reference.columns]
    return [found for key in keys for found in _of_key(key, current, reference, labels)]


def _of_key(key: str, current: pd.DataFrame, reference: pd.DataFrame, labels: LabelSet) -> Iterator[Compared]:
    counts, before = (frame[key].value_counts() for frame in (current, reference))
    large = [value for value in counts.index if min(counts[value], before.get(value, 0)) >= MIN_SEGMENT_ROWS]
    for value in large[:MAX_SEGMENTS]:
        sides = [frame[frame[key] == value] for frame in (current, reference)]
        if key == f"{SEGMENT_PREFIX}product":
            sides = [side.assign(cluster=np.arange(len(side))) for side in sides]
        name = f"{key.removeprefix(SEGMENT_PREFIX)}:{value}"
        yield from _tests(name, *paired_columns(sides[0], sides[1], labels), labels)


def _tests(segment: str, current: Columns, reference: Columns, labels: LabelSet) -> Iterator[Compared]:
    positive = labels.names.index(labels.positive)
    shares = [side.label_shares() for side in (current, reference)]
    shares = [side._replace(values=side.values[:, positive]) for side in shares]
    words = [side.numbers_of("words") for side in (current, reference)]
    for metric, test, sides in (("label_share", mean_difference, shares), ("words", kolmogorov_smirnov, words)):
        if all(len(side.values) for side in sides):
            yield _compared(
                segment, metric, test(*sides), [float(side.values.mean()) for side in sides], len(current.clusters)
            )


def _compared(segment: str, metric: str, test: Difference, means: list[float], n: int) -> Compared:
    row = MetricRow(
        metric=metric,
        segment=segment,
        family="inputs" if metric == "words" else "predictions",
        value=means[0],
        reference_value=means[1],
        direction=direction(means[0] - means[1]),
        n=n,
    )
    return compared(row, test)
