"""What came late to earlier nights, and days that were missed."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncEngine

from drift_jobs.nights.night import judge_day, judge_late, judge_night, judge_window
from drift_jobs.nights.plan import JudgingPlan, Tell
from drift_jobs.storage.references import WantedReference
from drift_jobs.windows import Window, day_window
from sentiment_api.database.tables import drift_runs
from tests.protocols import AllJudged, Count, Log, MakeRecords, Rate

DAY = dt.date(2026, 11, 21)
BERLIN = ZoneInfo("Europe/Berlin")

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("undrawn")]


def _start(day: dt.date) -> dt.datetime:
    return day_window(day, BERLIN).start


async def test_late_feedback_gives_earlier_nights_a_revision(
    engine: AsyncEngine,
    log: Log,
    make_records: MakeRecords,
    berlin: JudgingPlan,
    all_judged: AllJudged,
    tell: Tell,
    rate: Rate,
    count: Count,
) -> None:
    """The next night judges again what changed in the week before, and the night after it, for which its alarm counts.

    Older nights stay as they are.
    """
    days = [DAY - dt.timedelta(days=number) for number in (8, 3, 1)]
    ids = {day: await log(make_records(120, seed=day.day), _start(day)) for day in days}
    for day in days:
        await all_judged(judge_day(engine, berlin, day, tell))
    for day in days[:2]:
        await rate(ids[day], [5] * 120, _start(DAY))
    late, after = await all_judged(judge_late(engine, berlin, DAY, tell))
    assert (late.run.window_start, late.run.revision, late.is_late, late.before) == (_start(days[1]), 2, True, "none")
    assert (late.run.verdict, after.run.window_start, after.is_late) == ("drift", _start(days[2]), True)
    assert await all_judged(judge_late(engine, berlin, DAY, tell)) == []
    assert await count(drift_runs) == 5


async def test_a_night_begins_with_what_came_late(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, berlin: JudgingPlan, all_judged: AllJudged, tell: Tell
) -> None:
    """Late rows are judged in the window that was judged first, even if it was extended; then the day itself is."""
    before = DAY - dt.timedelta(days=1)
    for day in (before - dt.timedelta(days=1), before, DAY):
        await log(make_records(60, seed=day.day), _start(day))
    (first,) = await all_judged(judge_night(engine, berlin, before, tell))
    await log(make_records(60, seed=5), _start(before) + dt.timedelta(hours=9))
    late, tonight = await all_judged(judge_night(engine, berlin, DAY, tell))
    assert (late.run.window_start, late.run.revision) == (first.run.window_start, 2)
    assert (first.run.n_current, late.run.n_current) == (120, 180)
    assert (tonight.run.window_end, tonight.is_late) == (day_window(DAY, BERLIN).end, False)


async def test_a_missed_day_is_made_up_for(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, berlin: JudgingPlan, all_judged: AllJudged, tell: Tell
) -> None:
    """A day of the week before without a run is judged once it has rows; not one before the first run, or without."""
    days = [DAY - dt.timedelta(days=number) for number in (5, 4, 2)]
    for day in days:
        await log(make_records(120, seed=day.day), _start(day))
    await all_judged(judge_day(engine, berlin, days[1], tell))
    (missed,) = await all_judged(judge_late(engine, berlin, DAY, tell))
    assert (missed.run.window_start, missed.run.revision, missed.is_late) == (_start(days[2]), 1, True)
    assert await all_judged(judge_late(engine, berlin, DAY, tell)) == []


async def test_a_version_that_was_missed_is_made_up_for(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, berlin: JudgingPlan, all_judged: AllJudged, tell: Tell
) -> None:
    """What a second version answered is judged later, too, when its rows came after the night of the first one."""
    before = DAY - dt.timedelta(days=1)
    await log(make_records(120, seed=1), _start(before))
    await all_judged(judge_day(engine, berlin, before, tell))
    await log(make_records(120, seed=2), _start(before) + dt.timedelta(hours=1), model_version="0123456789ab")
    (missed,) = await all_judged(judge_late(engine, berlin, DAY, tell))
    assert (missed.run.model_version, missed.run.window_start) == ("0123456789ab", _start(before))
    assert (missed.run.revision, missed.run.n_current, missed.is_late) == (1, 120, True)
    assert await all_judged(judge_late(engine, berlin, DAY, tell)) == []


async def test_a_run_by_hand_hides_no_missed_day(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, berlin: JudgingPlan, all_judged: AllJudged, tell: Tell
) -> None:
    """A day is made up for when only a part of it was judged, or all of it against another reference."""
    first, missed = DAY - dt.timedelta(days=2), DAY - dt.timedelta(days=1)
    for day in (first, missed):
        await log(make_records(120, seed=day.day), _start(day))
    await all_judged(judge_day(engine, berlin, first, tell))
    whole = day_window(missed, BERLIN)
    other = replace(berlin, reference=WantedReference("window", day_window(first, BERLIN)))
    await all_judged(judge_window(engine, berlin, Window(whole.start + dt.timedelta(hours=12), whole.end), tell))
    await all_judged(judge_window(engine, other, whole, tell))
    (late,) = await all_judged(judge_late(engine, berlin, DAY, tell))
    assert (Window(late.run.window_start, late.run.window_end), late.run.reference) == (whole, "bundle")
    assert await all_judged(judge_late(engine, berlin, DAY, tell)) == []


async def test_another_reference_finds_no_days_missed(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, berlin: JudgingPlan, all_judged: AllJudged, tell: Tell
) -> None:
    """A night that is judged against something else for once does not judge the week again."""
    for number in (1, 2):
        await log(make_records(120, seed=number), _start(DAY - dt.timedelta(days=number)))
        await all_judged(judge_day(engine, berlin, DAY - dt.timedelta(days=number), tell))
    other = replace(berlin, reference=WantedReference("window", day_window(DAY - dt.timedelta(days=9), BERLIN)))
    assert await all_judged(judge_late(engine, other, DAY, tell)) == []
