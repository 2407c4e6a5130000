"""What quiet windows taught comes back as it was stored, for the same reference only."""

import datetime as dt

import pytest
from msgspec.structs import replace
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from drift_jobs.judging.calibration import Calibration
from drift_jobs.runs import BackTest
from drift_jobs.storage.calibrations import find_calibration, store_calibration
from sentiment_api.database.tables import drift_floors

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
VERSION = "0123456789ab"
BACK_TEST = BackTest(
    size=500, windows=4, watch_rate=0.25, watch_upper=0.75, drift_rate=0.0, drift_upper=0.53, alarms_a_year=0.0
)
CALIBRATION = Calibration(
    size=500,
    windows=4,
    products=61.5,
    quantiles={"label_share": 0.011, "words": 0.19},
    errors={"label_share": 2.25, "words": 3.5},
    smallest_p=(0.01, 0.2, 0.7, 1.0),
    back_test=BACK_TEST,
)

pytestmark = pytest.mark.anyio


async def test_a_calibration_comes_back_whole(engine: AsyncEngine) -> None:
    """Quantiles, errors, p-values and back-test are those that were stored; other keys find nothing."""
    async with engine.begin() as connection:
        assert await store_calibration(connection, VERSION, "bundle", "abc", CALIBRATION, NOW) == CALIBRATION
        assert await find_calibration(connection, VERSION, "bundle", "abc", 500) == CALIBRATION
        for key in (("other", "bundle", "abc", 500), (VERSION, "auto:bundle", "abc", 500)):
            assert await find_calibration(connection, *key) is None
        for key in ((VERSION, "bundle", "abd", 500), (VERSION, "bundle", "abc", 1_000)):
            assert await find_calibration(connection, *key) is None


async def test_floors_are_never_below_the_practical_ones(engine: AsyncEngine) -> None:
    """The table tells the larger of what chance brings and what is worth a reader's time."""
    async with engine.begin() as connection:
        await store_calibration(connection, VERSION, "bundle", "abc", CALIBRATION, NOW)
        rows = await connection.execute(select(drift_floors.c.metric, drift_floors.c.floor, drift_floors.c.size))
        assert sorted(map(tuple, rows)) == [("label_share", 0.02, 500), ("words", 0.19, 500)]


async def test_the_first_of_two_is_kept(engine: AsyncEngine) -> None:
    """Who stores a second one for the same content of the reference is given the first."""
    second = replace(CALIBRATION, windows=9, quantiles={"score": 1.0}, errors={"score": 9.0})
    async with engine.begin() as connection:
        await store_calibration(connection, VERSION, "bundle", "abc", CALIBRATION, NOW)
        assert await store_calibration(connection, VERSION, "bundle", "abc", second, NOW) == CALIBRATION
