"""How past estimates of accuracy compare with what labels later showed, and when the estimate is withdrawn for it."""

import datetime as dt
import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from scipy import stats

from drift_jobs.runs import DriftRun, MetricRow, direction
from drift_jobs.statistics.performance import Estimate
from drift_jobs.statistics.samples import Sample, covariance_of_means

CHECKED: Final = "checked_accuracy"
"""The metric that holds an estimate against the labels of the same rows."""
WITHDRAWN: Final = "withdrawn: "
"""How the note of an estimate begins that is not to be relied on."""
WINDOWS: Final = 10
"""Checked windows that the record looks back on."""
LEAST_DIFFERENCE: Final = 0.02
"""An estimate that is nearer to the truth serves, however sure the difference is."""

_Z = float(stats.norm.ppf(0.975))
_ERRORS_SEEN: Final = _Z + float(stats.norm.ppf(0.8))  # standard errors that 8 of 10 windows tell from nothing


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """One window's estimate and what its labels showed, on the same rows."""

    estimated: float
    realised: float
    error: float
    """Standard error of the difference, if the estimate is right."""
    n: int


def checked_row(estimate: Estimate, hits: Sample) -> MetricRow:
    """Return what labels showed (`hits`, 1 or 0 for each labelled row) beside the estimate for the very same rows.

    `value` is the realised accuracy with its interval, `reference_value` the estimate, `detectable` the difference that
    8 of 10 such windows would tell from nothing: 2.80 standard errors.
    """
    realised = float(hits.values.mean())
    lower, upper = share_interval(hits)
    return MetricRow(
        metric=CHECKED,
        family="estimates",
        value=realised,
        lower=lower,
        upper=upper,
        reference_value=estimate.value,
        effect=abs(realised - estimate.value),
        detectable=_ERRORS_SEEN * estimate.error if math.isfinite(estimate.error) else None,
        direction=direction(realised - estimate.value),
        n=len(hits.values),
    )


def checked(row: MetricRow) -> Checked | None:
    """Return the check that a stored row holds; None for other rows and for those whose error nobody knows."""
    if row.metric != CHECKED or row.value is None or row.reference_value is None or not row.detectable:
        return None
    return Checked(estimated=row.reference_value, realised=row.value, error=row.detectable / _ERRORS_SEEN, n=row.n)


def checks(earlier: Sequence[DriftRun]) -> list[Checked]:
    """Return what became of the last `WINDOWS` estimates of accuracy, the oldest first; `earlier` has the newest first.

    Of windows that overlap the newest speaks: the labels of the same rows would be counted several times.
    """
    found: list[Checked] = []
    until: dt.datetime | None = None
    for run in earlier:
        check = next(filter(None, map(checked, run.metrics)), None)
        if check is not None and (until is None or run.window_end <= until):
            found.append(check)
            until = run.window_start
    return found[:WINDOWS][::-1]


def is_withdrawn(past: Sequence[Checked]) -> str:
    """Return why the estimate is not to be relied on, or "" when the record (the latest last) is good or empty.

    It is bad when over the last 10 checked windows, weighed by their rows, the difference is beyond its 95 % interval
    and at least 2 points.
    """
    record = past[-WINDOWS:]
    rows = sum(each.n for each in record)
    if not rows:
        return ""
    weights = np.array([each.n for each in record]) / rows
    estimated = float(weights @ [each.estimated for each in record])
    realised = float(weights @ [each.realised for each in record])
    error = float(np.sqrt(weights**2 @ [each.error**2 for each in record]))
    difference = estimated - realised
    if abs(difference) < max(LEAST_DIFFERENCE, _Z * error):
        return ""
    way = "high" if difference > 0 else "low"
    return (
        f"{100 * abs(difference):.1f} points too {way} over the last {len(record)} windows with labels "
        f"({estimated:.3f} estimated, {realised:.3f} realised on {rows} rows)"
    )


def share_interval(hits: Sample) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927, JASA 22).

    It is that of as many independent rows as the clusters are worth: n divided by the design effect (Kish 1965). From
    0 to 1 when there is one cluster only.
    """
    n, share = len(hits.values), float(hits.values.mean())
    variance = float(covariance_of_means(hits.values[:, None], hits.clusters)[0, 0])
    worth = min(n, share * (1 - share) / variance) if variance > 0 else float(n)
    if not worth:
        return 0.0, 1.0
    middle = (share + _Z**2 / (2 * worth)) / (1 + _Z**2 / worth)
    half = _Z / (1 + _Z**2 / worth) * math.sqrt(share * (1 - share) / worth + _Z**2 / (4 * worth**2))
    return max(0.0, middle - half), min(1.0, middle + half)
