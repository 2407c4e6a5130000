"""Which baseline of a model version holds."""

import datetime as dt

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from drift_jobs.storage.baselines import Origin, accept_baseline, find_baseline, list_baselines
from drift_jobs.windows import Window

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
VERSION = "0123456789ab"

pytestmark = pytest.mark.anyio


def _window(day: int) -> Window:
    return Window(START + day * DAY, START + (day + 14) * DAY)


async def test_the_last_accepted_holds(engine: AsyncEngine) -> None:
    """A person's choice wins over `auto`, whenever that came, and a later choice over an earlier one."""
    accepting: list[tuple[int, Origin, int]] = [(0, "accepted", 90), (40, "accepted", 91), (60, "auto", 92)]
    async with engine.begin() as connection:
        for day, origin, at in accepting:
            await accept_baseline(connection, VERSION, _window(day), 2_340, origin, START + at * DAY)
        found = await find_baseline(connection, VERSION)
        assert await find_baseline(connection, "another version") is None
    assert found is not None
    assert (found.window, found.origin, found.rows) == (_window(40), "accepted", 2_340)


async def test_a_baseline_ends_before_the_window(engine: AsyncEngine) -> None:
    """Those that end later do not count for it; one that ends with its start does."""
    async with engine.begin() as connection:
        first = await accept_baseline(connection, VERSION, _window(0), 2_000, "auto", START + 50 * DAY)
        await accept_baseline(connection, VERSION, _window(20), 2_000, "accepted", START + 51 * DAY)
        assert await find_baseline(connection, VERSION, before=_window(0).end) == first
        assert await find_baseline(connection, VERSION, before=_window(0).end - DAY) is None


async def test_all_baselines_stay_on_record(engine: AsyncEngine) -> None:
    """They are listed the last accepted first, of one version or of all."""
    async with engine.begin() as connection:
        one = await accept_baseline(connection, VERSION, _window(0), 2_000, "auto", START + 50 * DAY)
        two = await accept_baseline(connection, "other", _window(20), 2_000, "accepted", START + 51 * DAY)
        assert await list_baselines(connection) == [two, one]
        assert await list_baselines(connection, VERSION) == [one]
