"""What a window is judged by: its rows and those of the reference, what quiet windows look like, and earlier nights."""

import datetime as dt
from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from drift_jobs.judging.calibration import Calibration, size_for
from drift_jobs.judging.frames import label_set
from drift_jobs.judging.record import Checked, checked
from drift_jobs.judging.verdict import Terms
from drift_jobs.nights.assessment import Inputs
from drift_jobs.nights.floors import known_calibration
from drift_jobs.nights.plan import JudgingPlan, Task
from drift_jobs.runs import DriftRun
from drift_jobs.storage.history import past_runs, runs_on
from drift_jobs.storage.predictions import labels_fit, prediction_frame, read_predictions
from drift_jobs.storage.references import ChosenReference, LoadedReference, read_frame
from drift_jobs.windows import Window, day_window

_NIGHTS_BEFORE: Final = 2
"""Watch on two of three nights in the same direction is drift."""
_TREND: Final = 30
"""Nights before this one that its page shows."""
_CHECKS: Final = 10
"""Estimates of accuracy that the record of past estimates is made of."""
_MILLISECOND: Final = dt.timedelta(milliseconds=1)


class Evidence(NamedTuple):
    """All that a window is judged by."""

    reference: LoadedReference
    inputs: Inputs
    calibration: Calibration | None
    """None when the window is too small to be judged."""
    earlier: Sequence[DriftRun]
    """Runs of the windows before it, the newest first."""


class Uncalibrated(NamedTuple):
    """What must be learned of the reference before a window can be judged."""

    reference: LoadedReference
    size: int


async def gather_evidence(
    connection: AsyncConnection, plan: JudgingPlan, task: Task, chosen: ChosenReference, now: dt.datetime
) -> Evidence | Uncalibrated:
    """Return what a window is judged by, or what must be known first."""
    reference = await read_frame(connection, plan.bundle, task.version, chosen, segment_keys=plan.segment_keys)
    inputs = await _inputs(connection, plan, task, reference, now)
    size = _size(plan, inputs)
    calibration = await known_calibration(connection, plan, task.version, reference, size) if size else None
    if size and not calibration:
        return Uncalibrated(reference, size)
    earlier = await past_runs(connection, task.version, chosen.name, task.window.start, _TREND)
    return Evidence(reference, inputs, calibration, earlier)


def terms_of(plan: JudgingPlan, task: Task, evidence: Evidence, nights: Sequence[DriftRun]) -> Terms:
    """Return by which rules the evidence is judged; `nights` are the `nights_before`."""
    return Terms(
        min_rows=plan.min_rows,
        calibration=evidence.calibration,
        past=nights,
        checks=checks(evidence.earlier),
        versions=task.versions,
        alarming=evidence.reference.alarming,
    )


async def nights_before(
    connection: AsyncConnection, plan: JudgingPlan, window: Window, version: str, reference: str
) -> list[DriftRun]:
    """Return the runs of the two nights before `window` that were judged; a night is one whole day of the shop.

    Windows of other lengths have no such rule, and do not count for it: two hours of one day are not two nights, and
    small days that were extended backwards hold the same rows as each other.
    """
    tonight = (window.end - _MILLISECOND).astimezone(plan.zone).date()
    if window != day_window(tonight, plan.zone):
        return []
    nights = [day_window(tonight - dt.timedelta(days=number + 1), plan.zone) for number in range(_NIGHTS_BEFORE)]
    return [run for run in await runs_on(connection, nights, version, reference) if run.verdict != "not_judged"]


async def _inputs(
    connection: AsyncConnection, plan: JudgingPlan, task: Task, reference: LoadedReference, now: dt.datetime
) -> Inputs:
    rows = await read_predictions(
        connection, task.window, cap=plan.sample, version=task.version, segment_keys=plan.segment_keys
    )
    manifest = plan.bundle.manifest
    labels = label_set(manifest)
    lacking, current = reference.lacking, None
    if labels_fit(rows.table, labels):
        current = prediction_frame(rows.table, manifest)
    else:
        wanted = ", ".join(labels.names)
        lacking = f"expected the labels {wanted}, found others of model version {task.version}; give its --model"
    return Inputs(
        labels=labels,
        model_name=manifest.name if rows.table.empty else str(rows.table["model_name"].iloc[-1]),
        n_current=len(rows.table),
        rows_in_window=rows.in_window if rows.sampled else None,
        current=current,
        reference=reference.frame,
        lacking=lacking,
        note=reference.note,
        timezone=plan.zone.key,
        now=now,
    )


def _size(plan: JudgingPlan, inputs: Inputs) -> int | None:
    """Return the size of the quiet windows by which this one is judged; None when it is too small to be judged."""
    if inputs.lacking or inputs.current is None or inputs.reference is None:
        return None
    n_current = len(inputs.current)
    return None if min(n_current, len(inputs.reference)) < plan.min_rows else size_for(n_current)


def checks(earlier: Sequence[DriftRun]) -> list[Checked]:
    """Return what became of the last estimates of accuracy, the oldest first; `earlier` has the newest first.

    Of windows that overlap the newest speaks: the labels of the same rows would be counted several times.
    """
    found: list[Checked] = []
    until: dt.datetime | None = None
    for run in earlier:
        check = next(filter(None, map(checked, run.metrics)), None)
        if check is not None and (until is None or run.window_end <= until):
            found.append(check)
            until = run.window_start
    return found[:_CHECKS][::-1]
