"""When `auto` leaves the bundle for the version's own first traffic."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from drift_jobs.storage.baselines import Baseline, accept_baseline, list_baselines
from drift_jobs.storage.first_traffic import FirstTraffic, baseline_for
from drift_jobs.storage.references import ChosenReference, WantedReference, choose_reference
from drift_jobs.windows import Window
from sentiment_api.database.partitions import drop_old_months
from sentiment_api.model.bundle import Bundle
from tests.protocols import Fill, Log, MakeRecords

UTC = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")
START = dt.datetime(2026, 10, 5, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
VERSION = "0123456789ab"

pytestmark = pytest.mark.anyio


@pytest.fixture
def fill(log: Log, make_records: MakeRecords) -> Fill:
    """Logs so many rows a day for so many days, from noon of the first one on."""

    async def write(rows: int, days: int, *, first: dt.datetime = START, version: str = VERSION) -> None:
        records = make_records(rows, seed=1)
        for number in range(days):
            noon = first + number * DAY + dt.timedelta(hours=12)
            await log(records, noon, model_version=version, source="v2")

    return write


async def _find(engine: AsyncEngine, before: dt.datetime, zone: ZoneInfo = UTC) -> Baseline | FirstTraffic:
    async with engine.begin() as connection:
        return await baseline_for(connection, VERSION, before, zone, before)


async def _stored(engine: AsyncEngine) -> list[Window]:
    async with engine.connect() as connection:
        return [each.window for each in await list_baselines(connection)]


async def test_without_traffic_there_is_no_baseline(engine: AsyncEngine, fill: Fill) -> None:
    """Another version's rows, and those of the night itself, are not its own rows before the window."""
    await fill(10, 2, version="other")
    await fill(10, 1, first=START + 20 * DAY)
    assert await _find(engine, START + 20 * DAY) == FirstTraffic(None, 0, 0)


@pytest.mark.parametrize(("rows", "nights", "found"), [(150, 13, 1_950), (200, 13, 2_600), (100, 19, 1_900)])
async def test_both_bounds_must_be_reached(rows: int, nights: int, found: int, engine: AsyncEngine, fill: Fill) -> None:
    """Many rows in 13 days are too few days, and 1,900 rows in 19 days are too few rows; nothing is stored."""
    await fill(rows, nights)
    assert await _find(engine, START + nights * DAY) == FirstTraffic(None, found, nights)
    assert await _stored(engine) == []


async def test_the_first_traffic_becomes_the_baseline(engine: AsyncEngine, fill: Fill) -> None:
    """It ends with the day on which both bounds are reached, and stays the same on later nights."""
    await fill(134, 17)
    first = await _find(engine, START + 15 * DAY)
    assert isinstance(first, Baseline)
    assert (first.window, first.rows, first.origin) == (Window(START, START + 15 * DAY), 2_010, "auto")
    assert await _find(engine, START + 17 * DAY) == first
    assert await _stored(engine) == [first.window]


async def test_a_night_before_its_end_is_not_compared_with_it(engine: AsyncEngine, fill: Fill) -> None:
    """Judged again later, a night of the first weeks still has no baseline."""
    await fill(200, 15)
    await _find(engine, START + 15 * DAY)
    assert await _find(engine, START + 13 * DAY) == FirstTraffic(None, 2_600, 13)


async def test_days_are_those_of_the_shop(engine: AsyncEngine, fill: Fill) -> None:
    """In Berlin it begins and ends with Berlin's midnight, across the change of clocks."""
    await fill(150, 15, first=dt.datetime(2026, 10, 20, tzinfo=dt.UTC))
    found = await _find(engine, dt.datetime(2026, 11, 10, tzinfo=dt.UTC), BERLIN)
    assert isinstance(found, Baseline)
    assert found.window == Window(
        dt.datetime(2026, 10, 19, 22, tzinfo=dt.UTC), dt.datetime(2026, 11, 2, 23, tzinfo=dt.UTC)
    )


async def test_a_version_that_comes_back_starts_anew(engine: AsyncEngine, fill: Fill) -> None:
    """After 28 days of silence its traffic before is not the beginning."""
    await fill(200, 10, first=START - 60 * DAY)
    await fill(200, 3)
    assert await _find(engine, START + 3 * DAY) == FirstTraffic(None, 600, 3)


async def test_an_auto_baseline_that_was_dropped_is_made_again(engine: AsyncEngine, fill: Fill) -> None:
    """When its months are dropped for their age, the first traffic that is left takes its place, by whole days."""
    old = dt.datetime(2025, 5, 25, tzinfo=dt.UTC)
    await fill(150, 30, first=old)
    first = await _find(engine, old + 30 * DAY, BERLIN)
    await drop_old_months(engine, dt.datetime.now(dt.UTC) - dt.datetime(2025, 6, 15, tzinfo=dt.UTC))
    second, third = [await _find(engine, old + 30 * DAY, BERLIN) for _ in range(2)]
    assert isinstance(first, Baseline)
    assert isinstance(second, Baseline)
    assert second.window.start == dt.datetime(2025, 6, 1, 22, tzinfo=dt.UTC)  # June's first hours in Berlin are May
    assert (second == third, second == first) == (True, False)


async def test_auto_says_what_is_missing(engine: AsyncEngine, fill: Fill, bundle: Bundle) -> None:
    """Until then it is the bundle without alarms; afterwards the baseline, unless a person accepted another one."""
    version = bundle.manifest.version
    await fill(160, 13, version=version)
    early = await _choose(engine, bundle, START + 5 * DAY)
    assert (early.name, early.alarming) == ("auto:bundle", False)
    assert early.note.endswith("expected 2,000 own rows over 14 days before this window, found 800 over 5")
    await fill(160, 2, first=START + 13 * DAY, version=version)
    late = await _choose(engine, bundle, START + 15 * DAY)
    own = Window(START, START + 14 * DAY)
    assert (late.name, late.alarming, late.note, late.window) == (f"baseline:{own}", True, "", own)
    person = Window(START + DAY, START + 12 * DAY)
    async with engine.begin() as connection:
        await accept_baseline(connection, version, person, 1_760, "accepted", START)
    assert (await _choose(engine, bundle, START + 15 * DAY)).name == f"baseline:{person}"


async def _choose(engine: AsyncEngine, bundle: Bundle, before: dt.datetime) -> ChosenReference:
    async with engine.begin() as connection:
        judged = Window(before, before + DAY)
        return await choose_reference(
            connection, bundle, bundle.manifest.version, WantedReference("auto"), judged, zone=UTC
        )
