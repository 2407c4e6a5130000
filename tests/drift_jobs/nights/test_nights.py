"""Which windows a night judges, and when a day is done."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from drift_jobs.nights.night import day_tasks, is_done, judge_day, judge_window
from drift_jobs.nights.plan import JudgingPlan, Tell
from drift_jobs.runs import MetricRow
from drift_jobs.storage.baselines import list_baselines
from drift_jobs.storage.history import judged_versions
from drift_jobs.storage.references import WantedReference
from drift_jobs.storage.results import store_run
from drift_jobs.windows import Window, day_window
from tests.protocols import AllJudged, Log, MakeRecords

DAY = dt.date(2026, 11, 21)
BERLIN = ZoneInfo("Europe/Berlin")

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("undrawn")]


def _start(day: dt.date) -> dt.datetime:
    return day_window(day, BERLIN).start


@pytest.mark.parametrize(("day", "hours"), [(dt.date(2026, 3, 29), 23), (dt.date(2026, 10, 25), 25)])
async def test_a_day_of_23_or_25_hours_is_judged_whole(
    engine: AsyncEngine,
    log: Log,
    make_records: MakeRecords,
    berlin: JudgingPlan,
    all_judged: AllJudged,
    tell: Tell,
    day: dt.date,
    hours: int,
) -> None:
    """Its first and its last hour count, and those beside them do not."""
    start = _start(day)
    for at in (-1, 0, hours - 1, hours):
        await log(make_records(60, seed=2), start + dt.timedelta(hours=at))
    (task,) = await day_tasks(engine, berlin, day)
    assert task.window == Window(start, start + dt.timedelta(hours=hours))
    (judged,) = await all_judged(judge_day(engine, berlin, day, tell))
    assert (judged.run.n_current, judged.run.verdict) == (120, "none")


async def test_a_small_day_is_judged_with_those_before_it(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, berlin: JudgingPlan
) -> None:
    """Whole days of the shop are added until there are enough rows, for each version by itself."""
    for days_before in range(4):
        await log(make_records(40, seed=days_before), _start(DAY - dt.timedelta(days=days_before)))
    await log(make_records(150, seed=9), _start(DAY), model_version="0123456789ab")
    tasks = {task.version: task for task in await day_tasks(engine, berlin, DAY)}
    end = day_window(DAY, BERLIN).end
    assert tasks[berlin.bundle.manifest.version].window == Window(_start(DAY - dt.timedelta(days=2)), end)
    assert tasks["0123456789ab"].window == day_window(DAY, BERLIN)
    assert {task.versions for task in tasks.values()} == {1}  # the other one has no reference in this bundle


async def test_versions_that_can_be_judged_share_the_alarms(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, berlin: JudgingPlan
) -> None:
    """A version with too few rows takes nothing from the others; two with enough share."""
    own = replace(berlin, reference=WantedReference("window", day_window(DAY - dt.timedelta(days=40), BERLIN)))
    await log(make_records(120, seed=1), _start(DAY))
    await log(make_records(1, seed=2), _start(DAY) + dt.timedelta(hours=1), model_version="0123456789ab")
    assert {task.versions for task in await day_tasks(engine, own, DAY)} == {1}
    await log(make_records(120, seed=3), _start(DAY) + dt.timedelta(hours=2), model_version="0123456789ab")
    assert {task.versions for task in await day_tasks(engine, own, DAY)} == {2}


async def test_asking_what_would_be_judged_stores_nothing(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, berlin: JudgingPlan
) -> None:
    """The first traffic becomes the baseline when a window is judged by it, not when a night is planned."""
    for days_before in range(1, 15):
        await log(make_records(150, seed=1), _start(DAY - dt.timedelta(days=days_before)))
    await log(make_records(120, seed=2), _start(DAY))
    assert len(await day_tasks(engine, replace(berlin, reference=WantedReference("auto")), DAY)) == 1
    async with engine.connect() as connection:
        assert await list_baselines(connection) == []


async def test_a_day_without_rows_is_the_bundles(
    engine: AsyncEngine, berlin: JudgingPlan, all_judged: AllJudged, tell: Tell
) -> None:
    """A night without predictions leaves one run, of the model that serves, that is not judged."""
    (judged,) = await all_judged(judge_day(engine, berlin, DAY, tell))
    assert (judged.run.model_version, judged.run.verdict) == (berlin.bundle.manifest.version, "not_judged")


async def test_golden_texts_belong_to_the_model_that_serves(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, berlin: JudgingPlan
) -> None:
    """Another version's run has no row of them; the serving one's has it, and is made for it when they moved."""
    await log(make_records(150, seed=9), _start(DAY), model_version="0123456789ab")
    quiet = MetricRow(metric="golden", family="model", value=0.0, verdict="none", n=12)
    assert [task.version for task in await day_tasks(engine, berlin, DAY, quiet)] == ["0123456789ab"]
    tasks = await day_tasks(engine, berlin, DAY, replace(quiet, verdict="drift"))
    assert [(task.version, task.golden is None) for task in tasks] == [
        ("0123456789ab", True),
        (berlin.bundle.manifest.version, False),
    ]


async def test_a_day_is_done_when_all_of_it_is_judged(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, berlin: JudgingPlan, all_judged: AllJudged, tell: Tell
) -> None:
    """Each model version with rows needs a run on the whole day; a day without rows needs that of the bundle's."""
    window = day_window(DAY, BERLIN)
    await all_judged(judge_window(engine, berlin, Window(window.start + dt.timedelta(hours=1), window.end), tell))
    assert not await is_done(engine, berlin, DAY)
    await all_judged(judge_day(engine, berlin, DAY, tell))
    assert await is_done(engine, berlin, DAY)
    assert not await is_done(engine, replace(berlin, reference=WantedReference("auto")), DAY)
    assert not await is_done(engine, berlin, DAY - dt.timedelta(days=1))
    await log(make_records(3, seed=1), _start(DAY), model_version="0123456789ab")
    assert not await is_done(engine, berlin, DAY)
    await all_judged(judge_day(engine, berlin, DAY, tell))
    assert await is_done(engine, berlin, DAY)


NAMES = ("auto:bundle", "bundle", "baseline", "baseline:a..b", "window:2026-11-01T00:00:00Z..2026-11-02T00:00:00Z")
A_DAY = Window(dt.datetime(2026, 11, 1, tzinfo=dt.UTC), dt.datetime(2026, 11, 2, tzinfo=dt.UTC))


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (WantedReference("auto"), {NAMES[0], NAMES[3]}),
        (WantedReference("bundle"), {NAMES[1]}),
        (WantedReference("baseline"), {NAMES[2], NAMES[3]}),
        (WantedReference("window", A_DAY), {NAMES[4]}),
    ],
)
async def test_a_reference_is_known_by_what_it_became(
    engine: AsyncEngine,
    berlin: JudgingPlan,
    all_judged: AllJudged,
    tell: Tell,
    written: WantedReference,
    found: set[str],
) -> None:
    """Runs of a written reference are those of all that it can stand for, whichever that was on the day."""
    (judged,) = await all_judged(judge_day(engine, berlin, DAY, tell))
    async with engine.begin() as connection:
        for name in NAMES:
            run = replace(judged.run, run_id=uuid7(), reference=name, model_version=name)
            await store_run(connection, run, html="page", snapshot=None)
        versions = await judged_versions(connection, day_window(DAY, BERLIN), written)
    assert versions - {judged.run.model_version} == found
