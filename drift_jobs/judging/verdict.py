"""The verdict: two frames in, one row for each metric and a level out. Pure; nothing is read, written or drawn here.

What makes a level is in `levels`; what the metrics are, in `metrics`; what quiet windows look like, in `calibration`.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import pandas as pd
from msgspec.structs import replace

from drift_jobs.judging.calibration import Calibration
from drift_jobs.judging.comparisons import Compared, compare
from drift_jobs.judging.estimates import estimate
from drift_jobs.judging.frames import LabelSet
from drift_jobs.judging.levels import ALPHA_WATCH, SEGMENT_SHARE, JudgedMetric, highest, judged
from drift_jobs.judging.metrics import largest_effect, practical_floor
from drift_jobs.judging.record import Checked
from drift_jobs.judging.segments import compare_segments
from drift_jobs.runs import Level, MetricRow, RunVerdict, is_alarm
from drift_jobs.statistics.two_sample import Difference
from sentiment_api.database.drift_results import shown_segment

_NAMED_METRICS: Final = 5  # as many as fit one line


class JudgingContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a window is judged by, beside the two frames."""

    min_rows: int
    """With fewer rows on either side nothing is judged."""
    calibration: Calibration | None = None
    """What quiet windows of about this size bring; without one the floors are the practical ones."""
    past: Sequence[RunVerdict] = ()
    """The verdicts of the two nights before, of the same model version and reference."""
    checks: Sequence[Checked] = ()
    """What became of the last estimates of accuracy once labels came, the oldest first."""
    versions: int = 1
    """Model versions that are judged in the same night: each may use that part of the alarms."""
    alarming: bool = True
    """False when the reference is only the training data: then a difference is told and is no alarm."""


def judge(current: pd.DataFrame, reference: pd.DataFrame, labels: LabelSet, context: JudgingContext) -> RunVerdict:
    """Return the verdict on `current` against `reference`, both frames of the same model.

    With too few rows the run is not judged, nor is any metric, but what can be computed is kept. Empty frames, constant
    columns and missing labels make metrics that are not judged, never an error.
    """
    whole, segments = compare(current, reference, labels), compare_segments(current, reference, labels)
    share = 1 - SEGMENT_SHARE if segments else 1.0
    smallest_p = context.calibration.smallest_p if context.calibration else ()
    rows = [
        *_leveled(whole, context, smallest_p, share),
        *_leveled(segments, context, (), SEGMENT_SHARE),
    ]
    n_current, n_reference = len(current), len(reference)
    estimates = estimate(current, reference, labels, context.checks)
    if lacking := _lacking_rows(n_current=n_current, n_reference=n_reference, min_rows=context.min_rows):
        unjudged = (replace(row, verdict="not_judged", detectable=None) for row in rows)
        metrics = (*unjudged, *estimates)
        return RunVerdict(
            verdict="not_judged", reason=lacking, n_current=n_current, n_reference=n_reference, metrics=metrics
        )
    final = [_repeated(row, context.past) for row in rows]
    verdict = highest(row.verdict for row in final)
    reason = _reason(verdict, final)
    if not context.alarming and is_alarm(verdict):
        verdict, reason = "none", f"differs from training data, which is no alarm: {reason}"
    metrics = (*final, *estimates)
    return RunVerdict(verdict=verdict, reason=reason, n_current=n_current, n_reference=n_reference, metrics=metrics)


def not_judged(reason: str, *, n_current: int) -> RunVerdict:
    """Return the verdict on a window that nothing can be compared with."""
    return RunVerdict(verdict="not_judged", reason=reason, n_current=n_current, n_reference=0)


def _leveled(
    compared: Sequence[Compared], context: JudgingContext, smallest_p: Sequence[float], share: float
) -> list[MetricRow]:
    """Return the rows with adjusted p-values, floors and levels, where there is a test."""
    tests = {number: each.test for number, each in enumerate(compared) if each.test is not None}

    def floor(number: int, test: Difference) -> float:
        metric = compared[number].row.metric
        return context.calibration.floor(metric, test) if context.calibration else practical_floor(metric)

    found = judged(tests, floor, smallest_p, share=share / context.versions)
    return [_with_level(each.row, found.get(number)) for number, each in enumerate(compared)]


def _with_level(row: MetricRow, found: JudgedMetric | None) -> MetricRow:
    if found is None:
        return row
    can_be_seen = found.detectable is not None and found.detectable <= largest_effect(row.metric)
    return replace(
        row,
        adjusted_p=found.adjusted_p,
        floor=found.floor,
        threshold=ALPHA_WATCH,
        detectable=found.detectable if can_be_seen else None,
        verdict=found.level,
    )


def _repeated(row: MetricRow, past: Sequence[RunVerdict]) -> MetricRow:
    """Return the row in drift when it is in watch for the second night of three, in the same direction."""
    if row.verdict == "watch" and any(_same_alarm(row, earlier) for night in past for earlier in night.metrics):
        return replace(row, verdict="drift", note="in watch on two of three nights")
    return row


def _same_alarm(row: MetricRow, earlier: MetricRow) -> bool:
    same = (row.metric, row.segment, row.direction) == (earlier.metric, earlier.segment, earlier.direction)
    return same and is_alarm(earlier.verdict)


_MORE_ROWS = {
    "window": "judge a longer one",
    "reference": "compare with a window of your own (--reference window:START..END)",
}


def _lacking_rows(*, n_current: int, n_reference: int, min_rows: int) -> str:
    for n, side in ((n_current, "window"), (n_reference, "reference")):
        if n < min_rows:
            return f"found {n} rows in the {side}, needed {min_rows}; {_MORE_ROWS[side]}, or lower --min-rows"
    return ""


def _reason(verdict: Level, rows: Sequence[MetricRow]) -> str:
    tests = sum(row.p_value is not None for row in rows)
    if verdict in ("none", "not_judged"):
        return f"none of {tests} tests found a change of its floor or more with an adjusted p below {ALPHA_WATCH}"
    changed = sorted((row for row in rows if row.verdict == verdict), key=_floors_crossed, reverse=True)
    named = ", ".join(map(_change, changed[:_NAMED_METRICS]))
    more = len(changed) - _NAMED_METRICS
    return f"{len(changed)} of {tests} tests found a change: {named}" + (f" and {more} more" if more > 0 else "")


def _floors_crossed(row: MetricRow) -> float:
    return (row.effect or 0.0) / (row.floor or 1.0)


def _change(row: MetricRow) -> str:
    way = "" if row.direction == "none" else f" {row.direction}"
    where = f" of {shown_segment(row.segment)}" if row.segment else ""
    return f"{row.metric}{where}{way} (effect {row.effect:.2f}, floor {row.floor:.2f})"
