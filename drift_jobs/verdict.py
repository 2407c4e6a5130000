"""The verdict: two frames in, one row for each metric and a level out. Pure; nothing is read, written or drawn here.

A metric is in watch or drift when two things hold: its p-value, adjusted by Holm's method over all tests of the run, is
below `ALPHA_WATCH` or `ALPHA_DRIFT`, and its effect is at least its floor. The first without the second is what large
windows always show; the second without the first is what small ones do.

The p-values know that reviews cluster by product (see `measures`). What the levels do not promise yet: the floors (see
`comparisons`) are practical ones, the same for every shop, not learned on its quiet windows.
"""

from typing import Final

import pandas as pd
from msgspec.structs import replace

from drift_jobs.comparisons import compare
from drift_jobs.frames import LabelSet
from drift_jobs.measures import holm
from drift_jobs.runs import Level, MetricRow, RunVerdict

ALPHA_WATCH: Final = 0.05
ALPHA_DRIFT: Final = 0.01

_NAMED_METRICS = 5  # as many as fit one line


def judge(current: pd.DataFrame, reference: pd.DataFrame, labels: LabelSet, *, min_rows: int) -> RunVerdict:
    """Return the verdict on `current` against `reference`, both frames of the same model.

    With fewer than `min_rows` rows on either side the run is not judged, nor is any metric, but what can be computed is
    kept. Empty frames, constant columns and missing labels make metrics that are not judged, never an error.
    """
    rows = _leveled(_adjusted(compare(current, reference, labels)))
    sizes = {"n_current": len(current), "n_reference": len(reference)}
    if lacking := _lacking_rows(**sizes, min_rows=min_rows):
        unjudged = tuple(replace(row, verdict="not_judged") for row in rows)
        return RunVerdict(verdict="not_judged", reason=lacking, metrics=unjudged, **sizes)
    verdict = _highest(rows)
    return RunVerdict(verdict=verdict, reason=_reason(verdict, rows), metrics=tuple(rows), **sizes)


def not_judged(reason: str, *, n_current: int) -> RunVerdict:
    """Return the verdict on a window that nothing can be compared with."""
    return RunVerdict(verdict="not_judged", reason=reason, n_current=n_current, n_reference=0)


def _adjusted(rows: list[MetricRow]) -> list[MetricRow]:
    """Return the rows with Holm's p-values and the threshold, where there is a test."""
    adjusted = iter(holm([row.p_value for row in rows if row.p_value is not None]))
    return [
        row if row.p_value is None else replace(row, adjusted_p=next(adjusted), threshold=ALPHA_WATCH) for row in rows
    ]


def _leveled(rows: list[MetricRow]) -> list[MetricRow]:
    return [replace(row, verdict=_level(row)) for row in rows]


_MORE_ROWS = {
    "window": "judge a longer one",
    "reference": "compare with a window of your own (--reference window:START..END)",
}


def _level(row: MetricRow) -> Level:
    if row.adjusted_p is None or row.effect is None or row.floor is None:
        return "not_judged"
    if row.effect < row.floor or row.adjusted_p >= ALPHA_WATCH:
        return "none"
    return "drift" if row.adjusted_p < ALPHA_DRIFT else "watch"


def _highest(rows: list[MetricRow]) -> Level:
    found = {row.verdict for row in rows}
    order: tuple[Level, ...] = ("drift", "watch", "none")
    return next((level for level in order if level in found), "not_judged")


def _lacking_rows(*, n_current: int, n_reference: int, min_rows: int) -> str:
    for n, side in ((n_current, "window"), (n_reference, "reference")):
        if n < min_rows:
            return f"found {n} rows in the {side}, needed {min_rows}; {_MORE_ROWS[side]}, or lower --min-rows"
    return ""


def _reason(verdict: Level, rows: list[MetricRow]) -> str:
    tests = sum(row.p_value is not None for row in rows)
    if verdict in ("none", "not_judged"):
        return f"none of {tests} metrics changed by its floor or more with an adjusted p below {ALPHA_WATCH}"
    changed = sorted((row for row in rows if row.verdict == verdict), key=_floors_crossed, reverse=True)
    named = ", ".join(map(_change, changed[:_NAMED_METRICS]))
    more = len(changed) - _NAMED_METRICS
    return f"{len(changed)} of {tests} metrics changed: {named}" + (f" and {more} more" if more > 0 else "")


def _floors_crossed(row: MetricRow) -> float:
    return (row.effect or 0.0) / (row.floor or 1.0)


def _change(row: MetricRow) -> str:
    way = "" if row.direction == "none" else f" {row.direction}"
    return f"{row.metric}{way} (effect {row.effect:.2f}, floor {row.floor:.2f})"
