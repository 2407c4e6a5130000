"""The use case: judge one window, each model version in it, and keep the result. One transaction, under a lock."""

import asyncio
import datetime as dt
from zoneinfo import ZoneInfo

import msgspec
import pandas as pd
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils.compat import uuid7

from drift_jobs.judging.frames import label_set
from drift_jobs.judging.verdict import Terms, judge, not_judged
from drift_jobs.reporting.evidently_report import describe
from drift_jobs.reporting.summary import report_page
from drift_jobs.runs import DriftRun, RunVerdict, same_outcome
from drift_jobs.storage.counts import versions_in
from drift_jobs.storage.predictions import labels_fit, prediction_frame, read_predictions
from drift_jobs.storage.references import Resolved, Written, resolve
from drift_jobs.storage.results import latest_run, lock, store_run
from drift_jobs.windows import Window
from sentiment_api.bundle import Bundle


class Task(msgspec.Struct, frozen=True):
    """What is to be judged."""

    bundle: Bundle
    window: Window
    reference: Written
    min_rows: int


async def judge_window(engine: AsyncEngine, task: Task) -> list[DriftRun]:
    """Return one run for each model version in the window, after storing those that say something new.

    Judging a window again returns the runs that are there, unless rows or feedback came since: then a further revision
    is stored. Two that start at once do the same work once. A window without predictions gives one run, not judged, of
    the bundle's version.
    """
    async with engine.begin() as connection:
        await lock(connection, task.window, str(task.reference))
        versions = await versions_in(connection, task.window) or [task.bundle.manifest.version]
        return [await _judge_version(connection, task, version) for version in versions]


async def _judge_version(connection: AsyncConnection, task: Task, version: str) -> DriftRun:
    started_at = dt.datetime.now(dt.UTC)
    reference = await resolve(connection, task.bundle, version, task.reference, task.window.start, zone=ZoneInfo("UTC"))
    rows = (await read_predictions(connection, task.window, version=version)).table
    # In a thread: a signal to stop must be heard while the numbers are worked out.
    verdict, frames = await asyncio.to_thread(_verdict, task, reference, version, rows)
    latest = await latest_run(connection, task.window, version, reference.name)
    if latest is not None and same_outcome(latest, verdict):
        return latest
    run = DriftRun(
        run_id=uuid7(),
        revision=1 if latest is None else latest.revision + 1,
        window_start=task.window.start,
        window_end=task.window.end,
        reference=reference.name,
        model_name=task.bundle.manifest.name if rows.empty else str(rows["model_name"].iloc[-1]),
        model_version=version,
        started_at=started_at,
        finished_at=dt.datetime.now(dt.UTC),
        **{name: getattr(verdict, name) for name in RunVerdict.__struct_fields__},
    )
    labels = label_set(task.bundle.manifest)
    description = None if frames is None else await asyncio.to_thread(describe, *frames, labels)
    if description is None:
        await store_run(connection, run, html=report_page(run, None), snapshot=None)
    else:
        html = report_page(run, description.html, description.left_out)
        await store_run(connection, run, html=html, snapshot=description.snapshot)
    return run


def _verdict(
    task: Task, reference: Resolved, version: str, rows: pd.DataFrame
) -> tuple[RunVerdict, tuple[pd.DataFrame, pd.DataFrame] | None]:
    """Return the verdict and the two frames that it compared, if there were two."""
    manifest = task.bundle.manifest
    labels = label_set(manifest)
    if not labels_fit(rows, labels):
        wanted = ", ".join(labels.names)
        reason = f"expected the labels {wanted}, found others of model version {version}; give its --model"
        return not_judged(reason, n_current=len(rows)), None
    if reference.frame is None:
        return not_judged(reference.lacking, n_current=len(rows)), None
    current = prediction_frame(rows, manifest)
    verdict = judge(current, reference.frame, labels, Terms(min_rows=task.min_rows))
    return verdict, (current, reference.frame)
