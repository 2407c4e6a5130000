"""What a judged window leaves in the tables, and what of it is read back."""

import datetime as dt
import gzip

import msgspec
import pytest
from msgspec.structs import replace
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from drift_jobs.errors import RunUnknown
from drift_jobs.nights.night import window_tasks
from drift_jobs.nights.one_window import judge_version
from drift_jobs.nights.plan import JudgingPlan, Tell
from drift_jobs.runs import MetricRow
from drift_jobs.storage.results import list_runs, read_html, read_run
from drift_jobs.windows import Window
from sentiment_api.database.tables import drift_runs
from tests.protocols import InOrder, Judge, Log, MakeRecords

START = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
DAY = Window(START, START + dt.timedelta(days=1))

pytestmark = pytest.mark.anyio


async def test_a_judged_window_is_stored_whole(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: JudgingPlan, judge: Judge, in_order: InOrder
) -> None:
    """What is returned is what the tables hold: run, metrics, page and snapshot."""
    await log(make_records(300, seed=2, mood=1.5), START)
    (run,) = await judge(replace(plan, quiet_windows=200))
    assert (run.verdict, run.revision, run.n_current, run.n_reference) == ("drift", 1, 300, 1500)
    async with engine.connect() as connection:
        stored = await read_run(connection, run.run_id)
        page = await read_html(connection, run.run_id)
        snapshot = await connection.scalar(select(drift_runs.c.report_json))
    assert in_order(stored) == in_order(run)
    assert run.reason in page
    assert msgspec.json.decode(gzip.decompress(snapshot or b""))["metric_results"]


async def test_no_text_reaches_the_report(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: JudgingPlan, judge: Judge
) -> None:
    """Neither the page nor the snapshot contains a review."""
    await log(make_records(300, seed=2), START, text="The kettle sings beautifully", metadata={"note": "kettle"})
    await judge(plan)
    async with engine.connect() as connection:
        found = (await connection.execute(select(drift_runs.c.report_html, drift_runs.c.report_json))).one()
    assert all("kettle" not in gzip.decompress(packed).decode() for packed in found)


async def test_an_empty_window_leaves_a_run(engine: AsyncEngine, plan: JudgingPlan, judge: Judge) -> None:
    """A night without predictions is on record, with a page, as not judged."""
    (run,) = await judge(plan)
    assert (run.verdict, run.n_current, run.model_version) == ("not_judged", 0, plan.bundle.manifest.version)
    async with engine.connect() as connection:
        assert "found 0 rows in the window, needed 200" in await read_html(connection, run.run_id)


@pytest.mark.usefixtures("undrawn")
async def test_large_windows_are_sampled(log: Log, make_records: MakeRecords, plan: JudgingPlan, judge: Judge) -> None:
    """Above the cap a part is judged, the same one each time, and the run says how many rows there were."""
    await log(make_records(600, seed=2), START)
    (run,) = await judge(replace(plan, sample=300))
    assert 200 < run.n_current < 400
    assert run.details.rows_in_window == 600
    (again,) = await judge(replace(plan, sample=300))
    assert again.run_id == run.run_id
    (whole,) = await judge(plan)
    assert (whole.n_current, whole.details.rows_in_window) == (600, None)


@pytest.mark.usefixtures("undrawn")
async def test_golden_texts_that_moved_are_drift(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: JudgingPlan, judge: Judge, tell: Tell
) -> None:
    """A quiet window is drift when the service answers the golden texts otherwise; the reason begins with it.

    Judging the window again without asking the service keeps what it said that night.
    """
    await log(make_records(300, seed=2), START)
    moved = MetricRow(metric="golden", family="model", value=0.2, effect=0.2, verdict="drift", n=12, note="they moved")
    (task,) = await window_tasks(engine, plan, DAY)
    judged = await judge_version(engine, plan, replace(task, golden=moved), tell)
    assert (judged.run.verdict, judged.run.reason.startswith("they moved; of the data: none of")) == ("drift", True)
    (again,) = await judge(plan)
    assert (again.run_id, again.verdict) == (judged.run.run_id, "drift")


async def test_runs_are_listed_newest_first(engine: AsyncEngine, plan: JudgingPlan, judge: Judge) -> None:
    """The list ends at its limit, has no metrics, and can be of one version or verdict only."""
    windows = [Window(DAY.start + dt.timedelta(days=n), DAY.end + dt.timedelta(days=n)) for n in range(3)]
    runs = [(await judge(plan, window))[0] for window in windows]
    async with engine.connect() as connection:
        listed = await list_runs(connection, limit=2)
        of_another = await list_runs(connection, limit=2, version="0123456789ab")
        drifted = await list_runs(connection, limit=2, verdict="drift")
        unjudged = await list_runs(connection, limit=5, verdict="not_judged", version=plan.bundle.manifest.version)
    assert [run.run_id for run in listed] == [runs[2].run_id, runs[1].run_id]
    assert (of_another, drifted, len(unjudged)) == ([], [], 3)


async def test_an_unknown_run_is_refused(engine: AsyncEngine) -> None:
    """Neither a run nor a page is made up."""
    async with engine.connect() as connection:
        with pytest.raises(RunUnknown):
            await read_run(connection, uuid7())
        with pytest.raises(RunUnknown):
            await read_html(connection, uuid7())
