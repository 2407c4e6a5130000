"""Watch on two nights of three is drift: which nights count for that."""

import datetime as dt

import pytest
from msgspec.structs import replace
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from drift_jobs.nights.night import judge_late
from drift_jobs.nights.plan import JudgingPlan, Tell
from drift_jobs.runs import StoredRun
from drift_jobs.storage.results import store_run
from drift_jobs.windows import Window
from sentiment_api.database.tables import drift_calibrations, drift_floors
from tests.protocols import Judge, Log, MakeRecords

START = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
DAY = Window(START, START + dt.timedelta(days=1))
BEFORE = Window(START - dt.timedelta(days=1), START)

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def watch_at_most(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: JudgingPlan, judge: Judge, undrawn: None
) -> None:
    """A calibration in which one of 80 quiet windows was as odd as can be: nothing is rare enough for drift."""
    long_ago = Window(START - dt.timedelta(days=10), START - dt.timedelta(days=9))
    await log(make_records(300, seed=3), long_ago.start)
    await judge(plan, long_ago)
    async with engine.begin() as connection:
        await connection.execute(update(drift_calibrations).values(smallest_p=[0.0] + [0.5] * 79))
        await connection.execute(update(drift_floors).values(errors=0.0))


async def test_watch_on_two_nights_is_drift(
    log: Log, make_records: MakeRecords, plan: JudgingPlan, judge: Judge
) -> None:
    """What is in watch in the same direction for the second night of three is drift, and says so."""
    for day in (BEFORE, DAY):
        await log(make_records(300, seed=2, wordiness=1.3), day.start)
    (first,) = await judge(plan, BEFORE)
    (second,) = await judge(plan, DAY)
    assert (first.verdict, second.verdict) == ("watch", "drift")
    assert "in watch on two of three nights" in {row.note for row in second.metrics}


async def test_runs_by_hand_hide_no_night(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: JudgingPlan, judge: Judge
) -> None:
    """The night before last counts, however many hours of the last one were judged by themselves since."""
    last_but_one = Window(BEFORE.start - dt.timedelta(days=1), BEFORE.start)
    for day in (last_but_one, DAY):
        await log(make_records(300, seed=2, wordiness=1.3), day.start)
    (first,) = await judge(plan, last_but_one)
    async with engine.begin() as connection:
        for number in range(30):
            end = BEFORE.start + dt.timedelta(minutes=number + 1)
            by_hand = replace(first, run_id=uuid7(), window_start=BEFORE.start, window_end=end, metrics=())
            await store_run(connection, by_hand, html="page", snapshot=None)
    (third,) = await judge(plan, DAY)
    assert (first.verdict, third.verdict) == ("watch", "drift")


async def test_an_earlier_night_that_becomes_an_alarm_is_counted(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: JudgingPlan, judge: Judge, tell: Tell
) -> None:
    """When late rows turn the night before into an alarm, the one after it is judged again: two nights of three."""
    await log(make_records(300, seed=2), BEFORE.start)
    await log(make_records(300, seed=2, wordiness=1.3), DAY.start)
    (before,) = await judge(plan, BEFORE)
    (first,) = await judge(plan, DAY)
    assert (before.verdict, first.verdict) == ("none", "watch")
    await log(make_records(150, seed=4, wordiness=2), BEFORE.start + dt.timedelta(hours=1))
    late = [each async for each in judge_late(engine, plan, DAY.end.date(), tell) if isinstance(each, StoredRun)]
    assert [(each.run.window_start, each.run.revision) for each in late] == [(BEFORE.start, 2), (DAY.start, 2)]
    assert (late[1].before, late[1].run.verdict) == ("watch", "drift")
    assert [each async for each in judge_late(engine, plan, DAY.end.date(), tell)] == []


async def test_nights_that_overlap_count_once(
    log: Log, make_records: MakeRecords, plan: JudgingPlan, judge: Judge
) -> None:
    """A window that holds the night before again is no second night: the same rows would testify twice."""
    await log(make_records(300, seed=2, wordiness=1.3), BEFORE.start)
    await judge(plan, BEFORE)
    (second,) = await judge(plan, Window(BEFORE.start, DAY.end))
    assert second.verdict == "watch"


async def test_hours_of_one_day_are_no_nights(
    log: Log, make_records: MakeRecords, plan: JudgingPlan, judge: Judge
) -> None:
    """Windows that are no whole days of the shop are each in watch by themselves."""
    noon = START + dt.timedelta(hours=12)
    for start in (START, noon):
        await log(make_records(300, seed=2, wordiness=1.3), start)
    (first,) = await judge(plan, Window(START, noon))
    (second,) = await judge(plan, Window(noon, DAY.end))
    assert (first.verdict, second.verdict) == ("watch", "watch")
