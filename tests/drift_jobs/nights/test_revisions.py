"""A window judged again: nothing without news, and a revision when something came or changed."""

import asyncio
import datetime as dt
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncEngine

from drift_jobs.nights.notices import due_notices
from drift_jobs.nights.plan import JudgingPlan
from drift_jobs.storage.results import settle_notice
from sentiment_api.database.tables import drift_metrics, drift_runs
from sentiment_api.model.bundle import REFERENCE
from tests.protocols import Count, InOrder, Judge, Log, MakeRecords, Rate

START = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("undrawn")]


async def test_judging_again_without_news_changes_nothing(
    log: Log, make_records: MakeRecords, plan: JudgingPlan, judge: Judge, in_order: InOrder, count: Count
) -> None:
    """The second run on the same rows is the first one, and the tables stay as they were."""
    await log(make_records(300, seed=2), START)
    (first,) = await judge(plan)
    rows = await count(drift_metrics)
    (second,) = await judge(plan)
    assert in_order(second) == in_order(first)
    assert (await count(drift_runs), await count(drift_metrics)) == (1, rows)


async def test_what_is_known_is_not_judged_again(
    log: Log, make_records: MakeRecords, plan: JudgingPlan, judge: Judge, tmp_path: Path
) -> None:
    """With the same rows, reference and golden texts the stored run is returned without reading the reference."""
    await log(make_records(300, seed=2), START)
    (first,) = await judge(plan)
    reference = plan.bundle.path(REFERENCE).rename(tmp_path / "elsewhere")
    (second,) = await judge(plan)
    assert (second.run_id, second.verdict) == (first.run_id, "none")
    reference.rename(plan.bundle.path(REFERENCE))
    (stricter,) = await judge(replace(plan, min_rows=301))
    assert (stricter.revision, stricter.verdict) == (2, "not_judged")


async def test_two_that_start_at_once_store_one_run(
    log: Log, make_records: MakeRecords, plan: JudgingPlan, judge: Judge, count: Count
) -> None:
    """The one that waits for the lock finds the other's run and returns it."""
    await log(make_records(300, seed=2), START)
    (one,), (other,) = await asyncio.gather(judge(plan), judge(plan))
    assert one.run_id == other.run_id
    assert await count(drift_runs) == 1


async def test_late_feedback_makes_a_revision(
    log: Log, make_records: MakeRecords, plan: JudgingPlan, judge: Judge, rate: Rate, count: Count
) -> None:
    """When ratings come after the night, judging again stores revision 2 with the accuracy, beside revision 1."""
    records = make_records(300, seed=2)
    ids = await log(records, START)
    await judge(plan)
    await rate(ids, [record["rating"] for record in records])
    (run,) = await judge(plan)
    right = sum(record["label"] == record["target"] for record in records)
    accuracy = next(row for row in run.metrics if row.metric == "accuracy")
    assert (run.revision, accuracy.n) == (2, 300)
    assert accuracy.value == pytest.approx(right / 300)
    assert await count(drift_runs) == 2


async def test_a_revision_takes_over_what_nobody_was_told(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: JudgingPlan, judge: Judge, rate: Rate
) -> None:
    """Of a window with an alarm that nobody took its last revision is due; once it was taken, further ones are not."""
    alarming = replace(plan, quiet_windows=200, notify_on="drift")
    records = make_records(300, seed=2, mood=1.5)
    ids, ratings = await log(records, START), [record["rating"] for record in records]
    await judge(alarming)
    await rate(ids[:150], ratings[:150])
    (second,) = await judge(replace(alarming, notify_on=None))
    assert (second.revision, second.verdict) == (2, "drift")
    assert await due_notices(engine, second.finished_at) == [second.run_id]

    async with engine.begin() as connection:
        await settle_notice(connection, second.run_id)
    await rate(ids[150:], ratings[150:])
    (third,) = await judge(alarming)
    assert (third.revision, third.verdict) == (3, "drift")
    assert await due_notices(engine, third.finished_at) == []


async def test_a_reference_that_is_gone_takes_nothing_back(
    engine: AsyncEngine,
    log: Log,
    make_records: MakeRecords,
    plan: JudgingPlan,
    judge: Judge,
    rate: Rate,
    tmp_path: Path,
) -> None:
    """While there is nothing to compare with, an alarm stays and its notice is due; then what came late is judged."""
    alarming = replace(plan, quiet_windows=200, notify_on="drift")
    records = make_records(300, seed=2, mood=1.5)
    ids = await log(records, START)
    (first,) = await judge(alarming)
    reference = plan.bundle.path(REFERENCE).rename(tmp_path / "elsewhere")
    await rate(ids, [record["rating"] for record in records])
    (kept,) = await judge(alarming)
    assert (kept.run_id, kept.verdict) == (first.run_id, "drift")
    assert await due_notices(engine, first.finished_at) == [first.run_id]

    reference.rename(plan.bundle.path(REFERENCE))
    (second,) = await judge(alarming)
    assert (second.revision, second.verdict) == (2, "drift")
