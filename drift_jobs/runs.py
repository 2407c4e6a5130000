"""What a run of the drift job leaves: its verdict, and one row for each metric. No statistics and no storage here."""

import datetime as dt
import math
import uuid
from typing import Literal

import msgspec

Level = Literal["none", "watch", "drift", "not_judged"]
Family = Literal["inputs", "predictions", "accuracy"]
Direction = Literal["up", "down", "none"]

LEVEL_NAMES: dict[Level, str] = {"none": "no drift", "watch": "watch", "drift": "drift", "not_judged": "not judged"}
"""The levels as people read them."""


class MetricRow(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of a run, with the columns of the table `drift_metrics`. No number is NaN or infinite."""

    metric: str
    family: Family
    value: float | None = None
    """In the current window."""
    reference_value: float | None = None
    effect: float | None = None
    """What is compared with the floor; its scale depends on the metric."""
    p_value: float | None = None
    """None for metrics that are described without a test."""
    adjusted_p: float | None = None
    floor: float | None = None
    threshold: float | None = None
    """What `adjusted_p` is compared with for watch."""
    direction: Direction = "none"
    verdict: Level = "not_judged"
    n: int
    """Rows of the current window that the metric could use."""


def outcome(row: MetricRow) -> str:
    """Return what is said of a metric: its level, or why it has none."""
    if row.n == 0:
        return "no rows"
    return "described" if row.p_value is None else LEVEL_NAMES[row.verdict]


class RunVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What one model version's window was found to be."""

    verdict: Level
    reason: str
    """One line, for a person."""
    n_current: int
    n_reference: int
    metrics: tuple[MetricRow, ...] = ()


class DriftRun(RunVerdict, frozen=True, kw_only=True):
    """A verdict together with what was judged and when: a row of the table `drift_runs` and its metrics."""

    run_id: uuid.UUID
    revision: int
    """1, then one more each time that judging the window again gave something else."""
    window_start: dt.datetime
    window_end: dt.datetime
    """Exclusive."""
    reference: str
    """`bundle` or `window:START..END`."""
    model_name: str
    model_version: str
    started_at: dt.datetime
    finished_at: dt.datetime


def same_outcome(one: RunVerdict, other: RunVerdict) -> bool:
    """Return whether both say the same; numbers may differ by rounding (relative 1e-9), as they do between machines."""
    return (
        (one.verdict, one.n_current, one.n_reference) == (other.verdict, other.n_current, other.n_reference)
        and len(one.metrics) == len(other.metrics)
        and all(map(_same_row, _by_name(one), _by_name(other)))
    )


def _by_name(verdict: RunVerdict) -> list[MetricRow]:
    return sorted(verdict.metrics, key=lambda row: row.metric)


def _same_row(one: MetricRow, other: MetricRow) -> bool:
    pairs = zip(msgspec.structs.astuple(one), msgspec.structs.astuple(other), strict=True)
    return all(
        math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-12)
        if isinstance(left, float) and isinstance(right, float)
        else left == right
        for left, right in pairs
    )
