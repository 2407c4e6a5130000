"""One plan for all tests that judge windows, and the judging: from the database to the database."""

import datetime as dt
from collections.abc import AsyncIterator
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace
from sqlalchemy import Table, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from drift_jobs.nights.night import judge_window
from drift_jobs.nights.plan import JudgingPlan, Tell
from drift_jobs.runs import DriftRun, Outcome, StoredRun
from drift_jobs.storage.references import WantedReference
from drift_jobs.windows import Window
from sentiment_api.model.bundle import Bundle
from tests.protocols import AllJudged, Count, InOrder, Judge

START = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
DAY = Window(START, START + dt.timedelta(days=1))


@pytest.fixture
def plan(bundle: Bundle) -> JudgingPlan:
    """Against the bundle, judged from 200 rows on; by so few quiet windows that nothing is rarer than watch."""
    return JudgingPlan(
        bundle=bundle,
        reference=WantedReference("bundle"),
        zone=ZoneInfo("UTC"),
        min_rows=200,
        sample=100_000,
        quiet_windows=40,
    )


@pytest.fixture
def berlin(plan: JudgingPlan) -> JudgingPlan:
    """The plan of a shop in Berlin, whose windows are judged from 100 rows on, by half as many quiet windows."""
    return replace(plan, zone=ZoneInfo("Europe/Berlin"), min_rows=100, sample=10_000, quiet_windows=20)


@pytest.fixture
def tell() -> Tell:
    """Hears of no progress."""
    return lambda *_: None


@pytest.fixture
def all_judged() -> AllJudged:
    """Takes all outcomes, of which none may have failed."""

    async def collect(outcomes: AsyncIterator[Outcome]) -> list[StoredRun]:
        found = [outcome async for outcome in outcomes]
        assert all(isinstance(outcome, StoredRun) for outcome in found), found
        return [outcome for outcome in found if isinstance(outcome, StoredRun)]

    return collect


@pytest.fixture
def judge(engine: AsyncEngine, all_judged: AllJudged, tell: Tell) -> Judge:
    """Judges a window, 21 November 2026 unless another is given, and returns the run of each model version."""

    async def run(plan: JudgingPlan, window: Window = DAY) -> list[DriftRun]:
        return [each.run for each in await all_judged(judge_window(engine, plan, window, tell))]

    return run


@pytest.fixture
def count(engine: AsyncEngine) -> Count:
    """Counts the rows of a table."""

    async def rows(table: Table) -> int | None:
        async with engine.connect() as connection:
            return await connection.scalar(select(func.count()).select_from(table))

    return rows


@pytest.fixture
def in_order() -> InOrder:
    """Puts a run's metrics in the order of their names, so that runs can be compared."""

    def ordered(run: DriftRun) -> DriftRun:
        return replace(run, metrics=tuple(sorted(run.metrics, key=lambda row: row.metric)))

    return ordered
