"""What a run of the drift job leaves: its verdict, one row for each metric, and details. No statistics, no storage."""

import datetime as dt
import math
import uuid
from typing import Literal

import msgspec

from drift_jobs.windows import Window

Level = Literal["none", "watch", "drift", "not_judged"]
Family = Literal["predictions", "inputs", "accuracy", "estimates", "model"]
"""In the order in which a run's metrics are listed."""
Direction = Literal["up", "down", "none"]

LEVEL_NAMES: dict[Level, str] = {"none": "no drift", "watch": "watch", "drift": "drift", "not_judged": "not judged"}
"""The levels as people read them."""


def is_alarm(level: Level) -> bool:
    """Return whether a level is watch or drift."""
    return level in ("watch", "drift")


def direction(change: float) -> Direction:
    """Return which way a value went."""
    return "up" if change > 0 else "down" if change < 0 else "none"


class MetricRow(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of a run, with the columns of the table `drift_metrics`. No number is NaN or infinite."""

    metric: str
    segment: str = ""
    """Empty for the whole window, else `KEY:VALUE`, such as `product:B0042`."""
    family: Family
    value: float | None = None
    """In the current window."""
    lower: float | None = None
    """Of the 95 % interval of the value."""
    upper: float | None = None
    reference_value: float | None = None
    effect: float | None = None
    """What is compared with the floor; its scale depends on the metric."""
    p_value: float | None = None
    """None for metrics that are described without a test."""
    adjusted_p: float | None = None
    floor: float | None = None
    threshold: float | None = None
    """What `adjusted_p` is compared with for watch; for the golden texts, what the effect is compared with."""
    detectable: float | None = None
    """The smallest effect that 8 of 10 windows such as this one would have shown; None when none of any size."""
    direction: Direction = "none"
    verdict: Level = "not_judged"
    n: int
    """Rows of the current window that the metric could use."""
    note: str = ""
    """Why it is not judged, or what a reader must know of the value."""


def outcome(row: MetricRow) -> str:
    """Return what is said of a metric: its level, or why it has none."""
    if row.n == 0:
        return "no rows"
    return "described" if row.threshold is None else LEVEL_NAMES[row.verdict]


class BackTest(msgspec.Struct, frozen=True, kw_only=True):
    """How often quiet windows of about this size were called watch or drift when the floors were learned."""

    size: int
    """Rows of each window."""
    windows: int
    watch_rate: float
    """Share of windows in watch or drift."""
    watch_upper: float
    """One-sided upper 95 % bound of it (Clopper and Pearson 1934)."""
    drift_rate: float
    drift_upper: float
    alarms_a_year: float
    """Drift to expect in 365 nights in which nothing is wrong."""


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """How many predictions of one age have a rating or label by now."""

    days: int
    """Whole days between the prediction and the run."""
    rows: int
    labelled: int


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that changed, in a list of which the first changed most."""

    metric: str
    segment: str = ""
    effect: float
    value: float | None
    reference_value: float | None
    adjusted_p: float | None = None
    """Adjusted for false discovery among the segments; None where the list is not a list of tests."""


class MixChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the positive share, split into what the mix of products did and what happened within them.

    Kitagawa 1955, Journal of the American Statistical Association 50: `change` = `mix` + `within` + `unmatched`.
    """

    change: float
    mix: float
    within: float
    unmatched: float
    """Through products that only one side has."""
    matched_share: float
    """Share of current rows whose product the reference has too."""


class Causes(msgspec.Struct, frozen=True, kw_only=True):
    """What is behind a change: where to look first."""

    descriptors: tuple[Change, ...] = ()
    """By effect over floor, the largest first."""
    mix: MixChange | None = None
    """None when the products of both sides cannot be matched."""
    segments: tuple[Change, ...] = ()
    """Segments that changed, with at most 5 % false ones expected."""
    novel: tuple[uuid.UUID, ...] = ()
    """Predictions that are least like the reference, the strangest first."""


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """What a run says beside its metrics; the column `details` of `drift_runs`."""

    rows_in_window: int | None = None
    """Before sampling; None when all of them were judged."""
    alarming: bool = True
    """False when the reference is only the training data: then a difference is told and is no alarm."""
    back_test: BackTest | None = None
    coverage: tuple[Coverage, ...] = ()
    causes: Causes | None = None
    timezone: str = "UTC"
    """In which the window's days are the shop's."""


class RunVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What one model version's window was found to be."""

    verdict: Level
    reason: str
    """One line, for a person."""
    n_current: int
    n_reference: int
    details: Details = Details()
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
    """`bundle`, `auto:bundle`, `baseline:START..END` or `window:START..END`."""
    model_name: str
    model_version: str
    started_at: dt.datetime
    finished_at: dt.datetime


class StoredRun(msgspec.Struct, frozen=True):
    """A run that is stored now."""

    run: DriftRun
    is_new: bool
    """False when it was there before, and judging the window again gave the same."""
    before: Level | None = None
    """The verdict of the revision before it."""
    is_late: bool = False
    """Whether it is of an earlier night, whose rows or feedback came late."""


class Failed(msgspec.Struct, frozen=True):
    """A task that could not be done. The others went on."""

    window: Window
    version: str
    error: Exception
    is_late: bool = False


Outcome = StoredRun | Failed


def same_outcome(one: RunVerdict, other: RunVerdict) -> bool:
    """Return whether both say the same; numbers may differ by rounding (relative 1e-9), as they do between machines."""
    return (
        (one.verdict, one.n_current, one.n_reference) == (other.verdict, other.n_current, other.n_reference)
        and len(one.metrics) == len(other.metrics)
        and all(map(_same_row, _by_name(one), _by_name(other)))
    )


def _by_name(verdict: RunVerdict) -> list[MetricRow]:
    return sorted(verdict.metrics, key=lambda row: (row.segment, row.metric))


def _same_row(one: MetricRow, other: MetricRow) -> bool:
    pairs = zip(msgspec.structs.astuple(one), msgspec.structs.astuple(other), strict=True)
    return all(
        math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-12)
        if isinstance(left, float) and isinstance(right, float)
        else left == right
        for left, right in pairs
    )
