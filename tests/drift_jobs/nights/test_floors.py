"""What a run learns from quiet windows before it judges, and how long that holds."""

import asyncio
import datetime as dt
import math
import threading

import msgspec
import pytest
from msgspec.structs import replace
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from drift_jobs.errors import ReferenceUnavailable
from drift_jobs.nights.floors import calibration_for
from drift_jobs.nights.night import window_tasks
from drift_jobs.nights.one_window import judge_version
from drift_jobs.nights.plan import JudgingPlan, Tell
from drift_jobs.runs import MetricRow
from drift_jobs.storage.bundle_reference import bundle_frame
from drift_jobs.storage.references import LoadedReference, WantedReference
from drift_jobs.storage.results import lock_window
from drift_jobs.windows import Window
from sentiment_api.database.tables import drift_calibrations, drift_runs
from sentiment_api.model.bundle import Bundle
from tests.protocols import Count, Judge, Log, MakeRecords, Rate

START = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
DAY = Window(START, START + dt.timedelta(days=1))
BEFORE = Window(START - dt.timedelta(days=1), START)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("undrawn")]


async def test_the_first_run_calibrates_itself(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: JudgingPlan
) -> None:
    """The first run learns from quiet windows, is heard of meanwhile, and carries the back-test; the next reuse it."""
    await log(make_records(300, seed=2), START)
    heard: list[tuple[str, int, int]] = []
    version = plan.bundle.manifest.version
    (task,) = await window_tasks(engine, plan, DAY)
    first = await judge_version(engine, plan, task, lambda *said: heard.append(said))
    assert [(done, total) for _, done, total in heard] == [(number, 40) for number in range(41)]
    async with engine.connect() as connection:
        stored = (await connection.execute(select(drift_calibrations))).one()
    assert msgspec.to_builtins(first.run.details.back_test) == stored.back_test
    assert (stored.model_version, stored.reference, stored.size, stored.windows) == (version, "bundle", 200, 40)

    heard.clear()
    (again,) = await window_tasks(engine, plan, DAY)
    await judge_version(engine, plan, again, lambda *said: heard.append(said))
    assert heard == []


async def test_nobody_waits_for_a_calibration(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: JudgingPlan
) -> None:
    """While the first run calibrates itself its window can be locked by others."""
    await log(make_records(300, seed=2), START)
    (task,) = await window_tasks(engine, plan, DAY)
    begun, goes_on, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()

    def pause(what: str, done: int, total: int) -> None:
        if done == 1:  # in the calibration's thread
            loop.call_soon_threadsafe(begun.set)
            goes_on.wait(timeout=20)

    judging = asyncio.create_task(judge_version(engine, plan, task, pause))
    await begun.wait()
    try:
        async with asyncio.timeout(10), engine.begin() as connection:
            await lock_window(connection, DAY, f"{task.version} bundle")
    finally:
        goes_on.set()
        judged = await judging
    assert judged.run.verdict == "none"


async def test_a_calibration_outlives_what_fails_after_it(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: JudgingPlan, tell: Tell, count: Count
) -> None:
    """What took long stays when the run behind it cannot be stored; and nothing of the run does."""
    await log(make_records(300, seed=2), START)
    (task,) = await window_tasks(engine, plan, DAY)
    broken = MetricRow(metric="golden", family="model", value=math.inf, n=1, note="\x00 is no text to Postgres")
    with pytest.raises(DBAPIError):
        await judge_version(engine, plan, replace(task, golden=broken), tell)
    assert await count(drift_calibrations) == 1
    assert await count(drift_runs) == 0


async def test_ratings_of_the_reference_leave_the_floors(
    log: Log, make_records: MakeRecords, plan: JudgingPlan, judge: Judge, rate: Rate, count: Count
) -> None:
    """When feedback comes to the reference's rows nothing is calibrated again; more quiet windows are."""
    own = replace(plan, reference=WantedReference("window", BEFORE), quiet_windows=20)
    ids = await log(make_records(300, seed=1), BEFORE.start)
    await log(make_records(300, seed=2), START)
    await judge(own)
    await rate(ids, [5] * 300)
    await judge(own)
    assert await count(drift_calibrations) == 1
    await judge(replace(own, quiet_windows=21))
    assert await count(drift_calibrations) == 2


async def test_a_reference_without_rows_is_refused(
    engine: AsyncEngine, bundle: Bundle, plan: JudgingPlan, tell: Tell
) -> None:
    """A file that holds no rows is told in words, and nothing is drawn from it."""
    empty = LoadedReference(name="bundle", state="abc", frame=bundle_frame(bundle).iloc[:0])
    with pytest.raises(ReferenceUnavailable, match="expected rows in the reference bundle, found none"):
        await calibration_for(engine, plan, bundle.manifest.version, empty, 100, tell)
