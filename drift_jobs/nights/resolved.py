"""A window resolved: its state, its rows, its reference and its floors in one frozen value, read once.

Whatever is worked out about the window is worked out from this value alone, outside of any transaction.
"""

import datetime as dt
from typing import Final

import msgspec
import pandas as pd
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from drift_jobs.judging.calibration import Calibration, size_for
from drift_jobs.judging.frames import LabelSet, label_set
from drift_jobs.judging.record import checks
from drift_jobs.judging.verdict import JudgingContext
from drift_jobs.nights.floors import calibration_for
from drift_jobs.nights.golden import prevailing
from drift_jobs.nights.plan import JudgingPlan, Tell
from drift_jobs.nights.state import Task, WindowState
from drift_jobs.runs import DriftRun, MetricRow
from drift_jobs.storage.history import past_runs
from drift_jobs.storage.predictions import WindowRows, labels_fit, prediction_frame, read_predictions
from drift_jobs.storage.references import LoadedReference, load_reference

_TREND: Final = 30
"""Nights before this one that its page shows."""


class ResolvedWindow(msgspec.Struct, frozen=True, kw_only=True):
    """All that one window of one model version is judged by."""

    state: WindowState
    """As it was before the rows were read."""
    labels: LabelSet
    model_name: str
    n_current: int
    """Rows that were read, also those that `current` leaves out because a logit is no number."""
    rows_in_window: int | None
    """Before sampling; None when all of them were read."""
    current: pd.DataFrame | None
    """None when the rows cannot be read as this model's."""
    reference: pd.DataFrame | None
    """None when there is nothing to compare with."""
    lacking: str
    """Why one of them is None; empty when none is."""
    note: str
    """What a reader must know of the reference."""
    context: JudgingContext
    """By which rules it is judged, with the floors."""
    golden: MetricRow | None
    """What holds of the golden texts."""
    earlier: tuple[DriftRun, ...]
    """Runs of the windows before it, the newest first."""
    timezone: str
    now: dt.datetime
    """When the window is judged: the age of its predictions is counted from here."""


async def resolve_window(engine: AsyncEngine, plan: JudgingPlan, task: Task, tell: Tell) -> ResolvedWindow:
    """Return the window of `task` resolved. Its floors are learned first when nobody has needed them yet."""
    now, state = dt.datetime.now(dt.UTC), task.state
    async with engine.connect() as connection:
        reference = await load_reference(
            connection, plan.bundle, task.version, state.reference, segment_keys=plan.segment_keys
        )
        rows = await _read_rows(connection, plan, task)
        earlier = await past_runs(connection, task.version, reference.name, task.window.start, _TREND)
    current, lacking = _current(rows, plan, task, reference)
    calibration = await _calibration(engine, plan, task.version, current, reference, tell)
    manifest = plan.bundle.manifest
    return ResolvedWindow(
        state=state,
        labels=label_set(manifest),
        model_name=manifest.name if rows.table.empty else str(rows.table["model_name"].iloc[-1]),
        n_current=len(rows.table),
        rows_in_window=rows.in_window if rows.sampled else None,
        current=current,
        reference=reference.frame,
        lacking=lacking,
        note=reference.note,
        context=_context(plan, task, reference, calibration, earlier),
        golden=prevailing(task.golden, state.latest),
        earlier=tuple(earlier),
        timezone=plan.zone.key,
        now=now,
    )


async def _read_rows(connection: AsyncConnection, plan: JudgingPlan, task: Task) -> WindowRows:
    return await read_predictions(
        connection, task.window, cap=plan.sample, version=task.version, segment_keys=plan.segment_keys
    )


def _current(
    rows: WindowRows, plan: JudgingPlan, task: Task, reference: LoadedReference
) -> tuple[pd.DataFrame | None, str]:
    """Return the window's frame, and why it or the reference's is None."""
    labels = label_set(plan.bundle.manifest)
    if labels_fit(rows.table, labels):
        return prediction_frame(rows.table, plan.bundle.manifest), reference.lacking
    wanted = ", ".join(labels.names)
    return None, f"expected the labels {wanted}, found others of model version {task.version}; give its --model"


async def _calibration(
    engine: AsyncEngine,
    plan: JudgingPlan,
    version: str,
    current: pd.DataFrame | None,
    reference: LoadedReference,
    tell: Tell,
) -> Calibration | None:
    """Return what quiet windows of about this size bring; None when the window is too small to be judged."""
    if current is None or reference.frame is None or min(len(current), len(reference.frame)) < plan.min_rows:
        return None
    return await calibration_for(engine, plan, version, reference, size_for(len(current)), tell)


def _context(
    plan: JudgingPlan,
    task: Task,
    reference: LoadedReference,
    calibration: Calibration | None,
    earlier: list[DriftRun],
) -> JudgingContext:
    return JudgingContext(
        min_rows=plan.min_rows,
        calibration=calibration,
        past=task.state.nights,
        checks=checks(earlier),
        versions=task.versions,
        alarming=reference.alarming,
    )
