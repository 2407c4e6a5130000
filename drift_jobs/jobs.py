"""The unit of work: judge one window of one model version, and keep the result. In a transaction, under a lock.

What is found about a window is put together in `findings`; which windows are judged is said in `nights`.
"""

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils.compat import uuid7

from drift_jobs.findings import Inputs, find
from drift_jobs.floors import calibration_for, known_calibration
from drift_jobs.golden import golden_of, prevailing
from drift_jobs.judging.calibration import size_for
from drift_jobs.judging.frames import label_set
from drift_jobs.judging.record import Checked, checked
from drift_jobs.judging.verdict import Terms
from drift_jobs.reporting.evidently_report import describe
from drift_jobs.reporting.summary import report_page
from drift_jobs.runs import DriftRun, MetricRow, RunVerdict, same_outcome
from drift_jobs.storage.counts import input_state
from drift_jobs.storage.predictions import labels_fit, prediction_frame, read_predictions
from drift_jobs.storage.references import Chosen, Resolved, choose, read_frame
from drift_jobs.storage.results import latest_run, latest_state, lock, past_runs, remember_state, store_run
from drift_jobs.tasks import Judged, Plan, Task, Tell
from drift_jobs.windows import Window, day_window

_NIGHTS_BEFORE: Final = 2
"""Watch on two of three nights in the same direction is drift."""
_TREND: Final = 30
"""Nights before this one that its page shows."""
_CHECKS: Final = 10
"""Estimates of accuracy that the record of past estimates is made of."""
_PART: Final = "; "
_MILLISECOND: Final = dt.timedelta(milliseconds=1)


class _Uncalibrated(NamedTuple):
    """What must be learned of the reference before a window can be judged."""

    reference: Resolved
    size: int


async def judge_version(engine: AsyncEngine, plan: Plan, task: Task, tell: Tell) -> Judged:
    """Return the run on a window of a model version, after storing it when it says something new.

    Judging a window again returns the run that is there, unless rows or feedback came since: then a further revision is
    stored. Two that start at once store one run. A window that cannot be judged, or a version without a reference,
    gives a run that is not judged and says why.
    """
    started_at = dt.datetime.now(dt.UTC)
    while isinstance(found := await _attempt(engine, plan, task, started_at), _Uncalibrated):
        # Between the attempts, in which others wait for the lock: it can take minutes.
        await calibration_for(engine, plan, task.version, found.reference, found.size, tell)
    return found


async def _attempt(engine: AsyncEngine, plan: Plan, task: Task, started_at: dt.datetime) -> Judged | _Uncalibrated:
    """Judge the window, as far as it is known what quiet ones look like."""
    async with engine.begin() as connection:  # by itself: storing a baseline holds up whoever stores one, too
        chosen = await choose(connection, plan.bundle, task.version, plan.reference, task.window, zone=plan.zone)
    async with engine.begin() as connection:
        await lock(connection, task.window, f"{task.version} {chosen.name}")
        state = _state(plan, chosen, await input_state(connection, task.window, task.version))
        latest = await latest_run(connection, task.window, task.version, chosen.name)
        golden = prevailing(task.golden, latest)
        if latest is not None and await _holds(connection, latest, state, golden):
            return Judged(latest, is_new=False, before=latest.verdict)
        reference = await read_frame(connection, plan.bundle, task.version, chosen, segment_keys=plan.segment_keys)
        inputs = await _inputs(connection, plan, task, reference, started_at)
        size = _size(plan, inputs)
        calibration = size and await known_calibration(connection, plan, task.version, reference, size)
        if size and not calibration:
            return _Uncalibrated(reference, size)
        earlier = await past_runs(connection, task.version, chosen.name, task.window.start, _TREND)
        terms = Terms(
            min_rows=plan.min_rows,
            calibration=calibration or None,
            past=_nights_before(plan, task, earlier),
            checks=checks(earlier),
            versions=task.versions,
            alarming=reference.alarming,
        )
        # In a thread: a signal to stop must be heard while the numbers are worked out.
        verdict = await asyncio.to_thread(find, inputs, terms, golden)
        if latest is not None and same_outcome(latest, verdict):
            await remember_state(connection, latest.run_id, state)
            return Judged(latest, is_new=False, before=latest.verdict)
        run = _run(task, inputs, reference, latest, verdict, started_at)
        await _store(connection, run, inputs, state, earlier)
    return Judged(run, is_new=True, before=latest.verdict if latest else None)


def window_part(state: str) -> str:
    """Return what the state that a run was stored with says of its own window: an `input_state`."""
    return state.partition(_PART)[0]


def _state(plan: Plan, chosen: Chosen, window_state: str) -> str:
    """Return a text that changes with whatever a verdict depends on, but for earlier nights and the golden texts."""
    bounds = f"{plan.min_rows} to {plan.sample} rows, {plan.quiet_windows} quiet windows"
    return _PART.join((window_state, f"reference {chosen.state}", bounds, f"segments {', '.join(plan.segment_keys)}"))


async def _holds(connection: AsyncConnection, latest: DriftRun, state: str, golden: MetricRow | None) -> bool:
    """Return whether judging again would start from the same.

    Not where there was nothing to compare with: a file that was missing may be there by now, and no state tells.
    """
    if not latest.n_reference or golden_of(latest) != golden:
        return False
    window = Window(latest.window_start, latest.window_end)
    return await latest_state(connection, window, latest.model_version, latest.reference) == state


async def _inputs(connection: AsyncConnection, plan: Plan, task: Task, reference: Resolved, now: dt.datetime) -> Inputs:
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


def _size(plan: Plan, inputs: Inputs) -> int | None:
    """Return the size of the quiet windows by which this one is judged; None when it is too small to be judged."""
    n_reference = 0 if inputs.lacking or inputs.reference is None else len(inputs.reference)
    return None if min(inputs.n_current, n_reference) < plan.min_rows else size_for(inputs.n_current)


def _nights_before(plan: Plan, task: Task, earlier: Sequence[DriftRun]) -> list[DriftRun]:
    """Return the runs of the two nights before that were judged; a night is one whole day of the shop.

    Windows of other lengths have no such rule, and do not count for it: two hours of one day are not two nights, and
    small days that were extended backwards hold the same rows as each other.
    """
    tonight = (task.window.end - _MILLISECOND).astimezone(plan.zone).date()
    if task.window != day_window(tonight, plan.zone):
        return []
    nights = [day_window(tonight - dt.timedelta(days=number + 1), plan.zone) for number in range(_NIGHTS_BEFORE)]
    judged = [run for run in earlier if run.verdict != "not_judged"]
    return [run for run in judged if Window(run.window_start, run.window_end) in nights]


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


def _run(
    task: Task,
    inputs: Inputs,
    reference: Resolved,
    latest: DriftRun | None,
    verdict: RunVerdict,
    started_at: dt.datetime,
) -> DriftRun:
    return DriftRun(
        run_id=uuid7(),
        revision=1 if latest is None else latest.revision + 1,
        window_start=task.window.start,
        window_end=task.window.end,
        reference=reference.name,
        model_name=inputs.model_name,
        model_version=task.version,
        started_at=started_at,
        finished_at=dt.datetime.now(dt.UTC),
        **{name: getattr(verdict, name) for name in RunVerdict.__struct_fields__},
    )


async def _store(
    connection: AsyncConnection, run: DriftRun, inputs: Inputs, state: str, earlier: Sequence[DriftRun]
) -> None:
    description = None
    if inputs.current is not None and inputs.reference is not None:
        description = await asyncio.to_thread(describe, inputs.current, inputs.reference, inputs.labels)
    page, left_out = (description.html, description.left_out) if description else (None, ())
    html = report_page(run, page, left_out, history=earlier)
    await store_run(
        connection, run, html=html, snapshot=description.snapshot if description else None, input_state=state
    )
