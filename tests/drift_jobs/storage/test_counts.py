"""How many rows count, by version and by day, and what tells that some came."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncEngine

from drift_jobs.storage.counts import day_counts, extended_start, input_state, versions_in
from drift_jobs.windows import Window, day_window
from sentiment_api.database.tables import feedback, predictions
from tests.protocols import Log, MakeRecords, Rate

UTC = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")
DAY = dt.date(2026, 11, 21)
NIGHT = day_window(DAY, UTC)
NOON = NIGHT.start + dt.timedelta(hours=12)
VERSION = "0123456789ab"

pytestmark = pytest.mark.anyio


async def test_versions_are_counted_in_the_order_of_their_start(
    engine: AsyncEngine, log: Log, make_records: MakeRecords
) -> None:
    """Customers' predictions count, by version; tries of our own, repeats and other days do not."""
    one = make_records(1, seed=1)
    await log(make_records(3, seed=1), NOON, model_version="old")
    await log(make_records(2, seed=1), NOON + dt.timedelta(hours=1), model_version="new")
    await log(one, NOON, source="console")
    await log(one, NOON, model_version="old", idempotency_key="twice")
    await log(one, NOON + dt.timedelta(hours=2), model_version="old", idempotency_key="twice")
    await log(one, NIGHT.end, model_version="tomorrow's")
    async with engine.connect() as connection:
        assert list((await versions_in(connection, NIGHT)).items()) == [("old", 4), ("new", 2)]


async def test_days_are_those_of_the_shops_zone(engine: AsyncEngine, log: Log, make_records: MakeRecords) -> None:
    """In Berlin an evening at 23:30 UTC belongs to the next day; days without rows are told as 0."""
    await log(make_records(2, seed=1), dt.datetime(2026, 11, 19, 23, 30, tzinfo=dt.UTC), model_version=VERSION)
    await log(make_records(1, seed=1), dt.datetime(2026, 11, 20, 22, 30, tzinfo=dt.UTC), model_version=VERSION)
    await log(make_records(1, seed=1), dt.datetime(2026, 11, 20, 22, 30, tzinfo=dt.UTC), model_version="other")
    async with engine.connect() as connection:
        counts = await day_counts(connection, VERSION, dt.date(2026, 11, 19), dt.date(2026, 11, 22), BERLIN)
    assert list(counts.items()) == [
        (dt.date(2026, 11, 19), 0),
        (dt.date(2026, 11, 20), 3),
        (dt.date(2026, 11, 21), 0),
    ]


@pytest.mark.parametrize(
    ("min_rows", "days", "start"),
    [(3, 28, 21), (4, 28, 20), (5, 28, 20), (6, 28, 18), (99, 28, 18), (99, 3, 20), (99, 1, 21)],
)
async def test_small_days_are_extended_backwards(
    min_rows: int, days: int, start: int, engine: AsyncEngine, log: Log, make_records: MakeRecords
) -> None:
    """Whole days are added until there are enough rows, not past the bound, and none that begins with nothing."""
    for day, rows in ((21, 3), (20, 2), (18, 2)):
        await log(make_records(rows, seed=1), NOON.replace(day=day), model_version=VERSION)
    await log(make_records(9, seed=1), NOON.replace(day=19), model_version="other")
    async with engine.connect() as connection:
        found = await extended_start(connection, VERSION, NIGHT, UTC, min_rows=min_rows, days=days)
    assert found == NIGHT.start.replace(day=start)


async def test_days_of_23_and_25_hours_stay_whole(engine: AsyncEngine, log: Log, make_records: MakeRecords) -> None:
    """The night before a change of clocks is extended to the shop's midnight, not by 24 hours."""
    await log(make_records(2, seed=1), dt.datetime(2026, 10, 24, 22, 30, tzinfo=dt.UTC), model_version=VERSION)
    window = day_window(dt.date(2026, 10, 26), BERLIN)
    async with engine.connect() as connection:
        found = await extended_start(connection, VERSION, window, BERLIN, min_rows=1)
    assert found == dt.datetime(2026, 10, 24, 22, tzinfo=dt.UTC) == window.start - dt.timedelta(hours=25)


async def test_the_state_changes_when_rows_or_feedback_do(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, rate: Rate
) -> None:
    """It is another one after a row, after feedback, and after one row was erased while another came."""
    states = [await _state(engine)]
    first, _ = await log(make_records(2, seed=1), NOON, model_version=VERSION)
    states.append(await _state(engine))
    await rate([first], [5], NOON)
    states.append(await _state(engine))
    await rate([first], [5], NOON + dt.timedelta(days=3))
    states.append(await _state(engine))
    async with engine.begin() as connection:
        await connection.execute(delete(feedback))
        await connection.execute(delete(predictions).where(predictions.c.prediction_id == first))
    await log(make_records(1, seed=1), NOON + dt.timedelta(hours=1), model_version=VERSION)
    states.append(await _state(engine))
    assert len(set(states)) == 5


async def test_what_does_not_count_leaves_the_state(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, rate: Rate
) -> None:
    """Another version's rows and feedback, tries of our own and other days change nothing; nor does time."""
    await log(make_records(2, seed=1), NOON, model_version=VERSION)
    before = await _state(engine)
    (other,) = await log(make_records(1, seed=1), NOON, model_version="other")
    await rate([other], [5], NOON)
    await log(make_records(1, seed=1), NOON, model_version=VERSION, source="golden")
    await log(make_records(1, seed=1), NIGHT.end, model_version=VERSION)
    assert await _state(engine) == before


async def _state(engine: AsyncEngine, window: Window = NIGHT) -> str:
    async with engine.connect() as connection:
        return await input_state(connection, window, VERSION)
