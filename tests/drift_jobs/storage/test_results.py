"""Runs of the past: which ones a night looks back on, and what pictures of the trend are drawn from."""

import asyncio
import datetime as dt
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from drift_jobs.runs import DriftRun, Family, MetricRow
from drift_jobs.storage.history import past_runs
from drift_jobs.storage.results import latest_run, latest_state, lock_window, read_run, store_run
from drift_jobs.windows import Window
from sentiment_api.database.connection import connected
from sentiment_api.settings import DatabaseSettings

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
VERSION = "0123456789ab"

pytestmark = pytest.mark.anyio


def _metric(metric: str, family: Family = "inputs", **values: Any) -> MetricRow:
    return MetricRow(metric=metric, family=family, n=900, verdict="none", **values)


def _night(number: int, **values: Any) -> DriftRun:
    run = DriftRun(
        run_id=uuid7(),
        revision=1,
        window_start=START + number * DAY,
        window_end=START + (number + 1) * DAY,
        reference="bundle",
        model_name="shop",
        model_version=VERSION,
        started_at=START,
        finished_at=START,
        verdict="none",
        reason="nothing",
        n_current=900 + number,
        n_reference=1_500,
        metrics=(_metric("words", value=41.5, effect=0.03, floor=0.05),),
    )
    return replace(run, **values)


async def _store(engine: AsyncEngine, *runs: DriftRun, state: str | None = None) -> None:
    async with engine.begin() as connection:
        for run in runs:
            await store_run(connection, run, html="page", snapshot=None, input_state=state)


async def test_past_nights_are_the_last_ones(engine: AsyncEngine) -> None:
    """Newest first with their metrics, up to the given moment, those that could not be judged too."""
    nights = [_night(number) for number in range(5)]
    nights[2] = replace(nights[2], verdict="not_judged")
    await _store(engine, *nights)
    async with engine.connect() as connection:
        found = await past_runs(connection, VERSION, "bundle", nights[4].window_start, nights=2)
    assert found == [nights[3], nights[2]]


async def test_past_nights_are_of_one_version_and_reference(engine: AsyncEngine) -> None:
    """What another version or another reference brought says nothing here."""
    mine = _night(0)
    await _store(engine, mine, _night(1, model_version="other"), _night(2, reference="auto:bundle"))
    async with engine.connect() as connection:
        assert await past_runs(connection, VERSION, "bundle", START + 9 * DAY, nights=2) == [mine]


async def test_the_last_revision_speaks_for_a_night(engine: AsyncEngine) -> None:
    """An earlier one is not looked back on, even when the last one was not judged."""
    revised = [_night(0, revision=1, verdict="watch"), _night(0, revision=2, verdict="drift")]
    withdrawn = [_night(1, revision=1), _night(1, revision=2, verdict="not_judged")]
    await _store(engine, *revised, *withdrawn)
    async with engine.connect() as connection:
        found = await past_runs(connection, VERSION, "bundle", START + 9 * DAY, nights=3)
    assert found == [withdrawn[1], revised[1]]


async def test_the_state_of_the_last_revision_is_known(engine: AsyncEngine) -> None:
    """It is that of the window, version and reference; without a run there is none."""
    window = Window(START, START + DAY)
    await _store(engine, _night(0), state="900 rows")
    await _store(engine, _night(0, revision=2), state="901 rows")
    async with engine.connect() as connection:
        assert await latest_state(connection, window, VERSION, "bundle") == "901 rows"
        assert await latest_state(connection, window, VERSION, "auto:bundle") is None


async def test_metrics_keep_their_order(engine: AsyncEngine) -> None:
    """Whatever order they were stored in, they are read by segment, family and name."""
    metrics = (
        _metric("words", segment="product:mug"),
        _metric("golden", "model"),
        _metric("words"),
        _metric("accuracy", "accuracy"),
        _metric("characters"),
        _metric("cbpe", "estimates"),
        _metric("score", "predictions"),
    )
    run = _night(0, metrics=metrics)
    await _store(engine, run)
    async with engine.connect() as connection:
        found = [row.metric for row in (await read_run(connection, run.run_id)).metrics]
        latest = await latest_run(connection, Window(run.window_start, run.window_end), VERSION, "bundle")
    assert found == ["score", "characters", "words", "accuracy", "cbpe", "golden", "words"]
    assert latest is not None
    assert latest.metrics[-1].segment == "product:mug"


async def test_the_lock_is_waited_for_without_end(engine: AsyncEngine, database_settings: DatabaseSettings) -> None:
    """Who waits longer than a statement may take still gets it, as soon as the other transaction ends."""
    window = Window(START, START + DAY)
    async with connected(database_settings, command_timeout_s=0.2) as hurried, hurried.begin() as waiting:
        async with engine.begin() as holding:
            await lock_window(holding, window, "bundle")
            waiter = asyncio.create_task(lock_window(waiting, window, "bundle"))
            assert await asyncio.wait({waiter}, timeout=0.6) == (set(), {waiter})
        await asyncio.wait_for(waiter, timeout=10)
