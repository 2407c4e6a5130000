"""Which windows a night judges, and what came late to earlier ones."""

import datetime as dt
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from drift_jobs.nights import day_tasks, is_done, judge_day, judge_late, judge_night, judge_window
from drift_jobs.runs import MetricRow
from drift_jobs.storage.baselines import list_baselines
from drift_jobs.storage.listing import judged_versions
from drift_jobs.storage.references import Written
from drift_jobs.storage.results import store_run
from drift_jobs.tasks import Judged, Outcome, Plan
from drift_jobs.windows import Window, day_window
from sentiment_api.bundle import Bundle
from sentiment_api.database.tables import drift_runs, feedback

MakeRecords = Callable[..., list[dict[str, Any]]]
Log = Callable[..., Awaitable[list[uuid.UUID]]]

DAY = dt.date(2026, 11, 21)
BERLIN = ZoneInfo("Europe/Berlin")

pytestmark = pytest.mark.anyio


@pytest.fixture
def plan(bundle: Bundle) -> Plan:
    """A shop in Berlin, judged against the bundle from 100 rows on."""
    return Plan(bundle=bundle, reference=Written("bundle"), zone=BERLIN, min_rows=100, sample=10_000, quiet_windows=20)


def _unheard(what: str, done: int, total: int) -> None:
    """Hear of no progress."""


async def _judged(outcomes: AsyncIterator[Outcome]) -> list[Judged]:
    found = [outcome async for outcome in outcomes]
    assert all(isinstance(outcome, Judged) for outcome in found), found
    return [outcome for outcome in found if isinstance(outcome, Judged)]


async def _rate(engine: AsyncEngine, ids: list[uuid.UUID], moment: dt.datetime) -> None:
    rows = [
        {"feedback_id": uuid7(), "prediction_id": one, "received_at": moment, "rating": 5, "request_id": "r"}
        for one in ids
    ]
    async with engine.begin() as connection:
        await connection.execute(insert(feedback), rows)


def _start(day: dt.date) -> dt.datetime:
    return day_window(day, BERLIN).start


@pytest.mark.parametrize(("day", "hours"), [(dt.date(2026, 3, 29), 23), (dt.date(2026, 10, 25), 25)])
async def test_a_day_of_23_or_25_hours_is_judged_whole(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan, day: dt.date, hours: int
) -> None:
    """Its first and its last hour count, and those beside them do not."""
    start = _start(day)
    for at in (-1, 0, hours - 1, hours):
        await log(make_records(60, seed=2), start + dt.timedelta(hours=at))
    (task,) = await day_tasks(engine, plan, day)
    assert task.window == Window(start, start + dt.timedelta(hours=hours))
    (judged,) = await _judged(judge_day(engine, plan, day, _unheard))
    assert (judged.run.n_current, judged.run.verdict) == (120, "none")


async def test_a_small_day_is_judged_with_those_before_it(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """Whole days of the shop are added until there are enough rows, for each version by itself."""
    for days_before in range(4):
        await log(make_records(40, seed=days_before), _start(DAY - dt.timedelta(days=days_before)))
    await log(make_records(150, seed=9), _start(DAY), model_version="0123456789ab")
    tasks = {task.version: task for task in await day_tasks(engine, plan, DAY)}
    end = day_window(DAY, BERLIN).end
    assert tasks[plan.bundle.manifest.version].window == Window(_start(DAY - dt.timedelta(days=2)), end)
    assert tasks["0123456789ab"].window == day_window(DAY, BERLIN)
    assert {task.versions for task in tasks.values()} == {1}  # the other one has no reference in this bundle


async def test_versions_that_can_be_judged_share_the_alarms(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """A version with too few rows takes nothing from the others; two with enough share."""
    own = replace(plan, reference=Written("window", day_window(DAY - dt.timedelta(days=40), BERLIN)))
    await log(make_records(120, seed=1), _start(DAY))
    await log(make_records(1, seed=2), _start(DAY) + dt.timedelta(hours=1), model_version="0123456789ab")
    assert {task.versions for task in await day_tasks(engine, own, DAY)} == {1}
    await log(make_records(120, seed=3), _start(DAY) + dt.timedelta(hours=2), model_version="0123456789ab")
    assert {task.versions for task in await day_tasks(engine, own, DAY)} == {2}


async def test_asking_what_would_be_judged_stores_nothing(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """The first traffic becomes the baseline when a window is judged by it, not when a night is planned."""
    for days_before in range(1, 15):
        await log(make_records(150, seed=1), _start(DAY - dt.timedelta(days=days_before)))
    await log(make_records(120, seed=2), _start(DAY))
    assert len(await day_tasks(engine, replace(plan, reference=Written("auto")), DAY)) == 1
    async with engine.connect() as connection:
        assert await list_baselines(connection) == []


async def test_a_day_without_rows_is_the_bundles(engine: AsyncEngine, plan: Plan) -> None:
    """A night without predictions leaves one run, of the model that serves, that is not judged."""
    (judged,) = await _judged(judge_day(engine, plan, DAY, _unheard))
    assert (judged.run.model_version, judged.run.verdict) == (plan.bundle.manifest.version, "not_judged")


async def test_golden_texts_belong_to_the_model_that_serves(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """Another version's run has no row of them; the serving one's has it, and is made for it when they moved."""
    await log(make_records(150, seed=9), _start(DAY), model_version="0123456789ab")
    quiet = MetricRow(metric="golden", family="model", value=0.0, verdict="none", n=12)
    assert [task.version for task in await day_tasks(engine, plan, DAY, quiet)] == ["0123456789ab"]
    tasks = await day_tasks(engine, plan, DAY, replace(quiet, verdict="drift"))
    assert [(task.version, task.golden is None) for task in tasks] == [
        ("0123456789ab", True),
        (plan.bundle.manifest.version, False),
    ]


async def test_late_feedback_gives_earlier_nights_a_revision(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """The next night judges again what changed in the week before, and the night after it, for which its alarm counts.

    Older nights stay as they are.
    """
    days = [DAY - dt.timedelta(days=number) for number in (8, 3, 1)]
    ids = {day: await log(make_records(120, seed=day.day), _start(day)) for day in days}
    for day in days:
        await _judged(judge_day(engine, plan, day, _unheard))
    for day in days[:2]:
        await _rate(engine, ids[day], _start(DAY))
    late, after = await _judged(judge_late(engine, plan, DAY, _unheard))
    assert (late.run.window_start, late.run.revision, late.is_late, late.before) == (_start(days[1]), 2, True, "none")
    assert (late.run.verdict, after.run.window_start, after.is_late) == ("drift", _start(days[2]), True)
    assert await _judged(judge_late(engine, plan, DAY, _unheard)) == []
    async with engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(drift_runs)) == 5


async def test_a_night_begins_with_what_came_late(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """Late rows are judged in the window that was judged first, even if it was extended; then the day itself is."""
    before = DAY - dt.timedelta(days=1)
    for day in (before - dt.timedelta(days=1), before, DAY):
        await log(make_records(60, seed=day.day), _start(day))
    (first,) = await _judged(judge_night(engine, plan, before, _unheard))
    await log(make_records(60, seed=5), _start(before) + dt.timedelta(hours=9))
    late, tonight = await _judged(judge_night(engine, plan, DAY, _unheard))
    assert (late.run.window_start, late.run.revision) == (first.run.window_start, 2)
    assert (first.run.n_current, late.run.n_current) == (120, 180)
    assert (tonight.run.window_end, tonight.is_late) == (day_window(DAY, BERLIN).end, False)


async def test_a_missed_day_is_made_up_for(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """A day of the week before without a run is judged once it has rows; not one before the first run, or without."""
    days = [DAY - dt.timedelta(days=number) for number in (5, 4, 2)]
    for day in days:
        await log(make_records(120, seed=day.day), _start(day))
    await _judged(judge_day(engine, plan, days[1], _unheard))
    (missed,) = await _judged(judge_late(engine, plan, DAY, _unheard))
    assert (missed.run.window_start, missed.run.revision, missed.is_late) == (_start(days[2]), 1, True)
    assert await _judged(judge_late(engine, plan, DAY, _unheard)) == []


async def test_a_version_that_was_missed_is_made_up_for(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """What a second version answered is judged later, too, when its rows came after the night of the first one."""
    before = DAY - dt.timedelta(days=1)
    await log(make_records(120, seed=1), _start(before))
    await _judged(judge_day(engine, plan, before, _unheard))
    await log(make_records(120, seed=2), _start(before) + dt.timedelta(hours=1), model_version="0123456789ab")
    (missed,) = await _judged(judge_late(engine, plan, DAY, _unheard))
    assert (missed.run.model_version, missed.run.window_start) == ("0123456789ab", _start(before))
    assert (missed.run.revision, missed.run.n_current, missed.is_late) == (1, 120, True)
    assert await _judged(judge_late(engine, plan, DAY, _unheard)) == []


async def test_a_run_by_hand_hides_no_missed_day(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """A day is made up for when only a part of it was judged, or all of it against another reference."""
    first, missed = DAY - dt.timedelta(days=2), DAY - dt.timedelta(days=1)
    for day in (first, missed):
        await log(make_records(120, seed=day.day), _start(day))
    await _judged(judge_day(engine, plan, first, _unheard))
    whole = day_window(missed, BERLIN)
    other = replace(plan, reference=Written("window", day_window(first, BERLIN)))
    await _judged(judge_window(engine, plan, Window(whole.start + dt.timedelta(hours=12), whole.end), _unheard))
    await _judged(judge_window(engine, other, whole, _unheard))
    (late,) = await _judged(judge_late(engine, plan, DAY, _unheard))
    assert (Window(late.run.window_start, late.run.window_end), late.run.reference) == (whole, "bundle")
    assert await _judged(judge_late(engine, plan, DAY, _unheard)) == []


async def test_another_reference_finds_no_days_missed(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """A night that is judged against something else for once does not judge the week again."""
    for number in (1, 2):
        await log(make_records(120, seed=number), _start(DAY - dt.timedelta(days=number)))
        await _judged(judge_day(engine, plan, DAY - dt.timedelta(days=number), _unheard))
    other = replace(plan, reference=Written("window", day_window(DAY - dt.timedelta(days=9), BERLIN)))
    assert await _judged(judge_late(engine, other, DAY, _unheard)) == []


async def test_a_day_is_done_when_all_of_it_is_judged(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """Each model version with rows needs a run on the whole day; a day without rows needs that of the bundle's."""
    window = day_window(DAY, BERLIN)
    await _judged(judge_window(engine, plan, Window(window.start + dt.timedelta(hours=1), window.end), _unheard))
    assert not await is_done(engine, plan, DAY)
    await _judged(judge_day(engine, plan, DAY, _unheard))
    assert await is_done(engine, plan, DAY)
    assert not await is_done(engine, replace(plan, reference=Written("auto")), DAY)
    assert not await is_done(engine, plan, DAY - dt.timedelta(days=1))
    await log(make_records(3, seed=1), _start(DAY), model_version="0123456789ab")
    assert not await is_done(engine, plan, DAY)
    await _judged(judge_day(engine, plan, DAY, _unheard))
    assert await is_done(engine, plan, DAY)


NAMES = ("auto:bundle", "bundle", "baseline", "baseline:a..b", "window:2026-11-01T00:00:00Z..2026-11-02T00:00:00Z")
A_DAY = Window(dt.datetime(2026, 11, 1, tzinfo=dt.UTC), dt.datetime(2026, 11, 2, tzinfo=dt.UTC))


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (Written("auto"), {NAMES[0], NAMES[3]}),
        (Written("bundle"), {NAMES[1]}),
        (Written("baseline"), {NAMES[2], NAMES[3]}),
        (Written("window", A_DAY), {NAMES[4]}),
    ],
)
async def test_a_reference_is_known_by_what_it_became(
    engine: AsyncEngine, plan: Plan, written: Written, found: set[str]
) -> None:
    """Runs of a written reference are those of all that it can stand for, whichever that was on the day."""
    (judged,) = await _judged(judge_day(engine, plan, DAY, _unheard))
    async with engine.begin() as connection:
        for name in NAMES:
            run = replace(judged.run, run_id=uuid7(), reference=name, model_version=name)
            await store_run(connection, run, html="page", snapshot=None)
        versions = await judged_versions(connection, day_window(DAY, BERLIN), written)
    assert versions - {judged.run.model_version} == found
