"""A window judged from the database to the database."""

import asyncio
import datetime as dt
import gzip
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Table, func, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from drift_jobs.errors import RunUnknown
from drift_jobs.jobs import Task, judge_window
from drift_jobs.runs import DriftRun
from drift_jobs.storage.references import Written
from drift_jobs.storage.results import list_runs, read_html, read_run
from drift_jobs.windows import Window
from sentiment_api.bundle import REFERENCE, Bundle
from sentiment_api.database.tables import drift_metrics, drift_runs, feedback

MakeRecords = Callable[..., list[dict[str, Any]]]
Log = Callable[..., Awaitable[list[uuid.UUID]]]

START = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
DAY = Window(START, START + dt.timedelta(days=1))
BEFORE = Window(START - dt.timedelta(days=1), START)

pytestmark = pytest.mark.anyio


@pytest.fixture
def task(bundle: Bundle) -> Task:
    """The day against the bundle, judged from 200 rows on."""
    return Task(bundle, DAY, reference=Written("bundle"), min_rows=200)


async def _count(engine: AsyncEngine, table: Table) -> int | None:
    async with engine.connect() as connection:
        return await connection.scalar(select(func.count()).select_from(table))


async def test_a_judged_window_is_stored_whole(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, task: Task
) -> None:
    """What is returned is what the tables hold: run, metrics, page and snapshot."""
    await log(make_records(300, seed=2, mood=1.5), START)
    (run,) = await judge_window(engine, task)
    assert (run.verdict, run.revision, run.n_current, run.n_reference) == ("drift", 1, 300, 1500)
    async with engine.connect() as connection:
        stored = await read_run(connection, run.run_id)
        page = await read_html(connection, run.run_id)
        snapshot = await connection.scalar(select(drift_runs.c.report_json))
    assert _sorted(stored) == _sorted(run)
    assert run.reason in page
    assert msgspec.json.decode(gzip.decompress(snapshot or b""))["metric_results"]


async def test_no_text_reaches_the_report(engine: AsyncEngine, log: Log, make_records: MakeRecords, task: Task) -> None:
    """Neither the page nor the snapshot contains a review."""
    await log(make_records(300, seed=2), START, text="The kettle sings beautifully", metadata={"note": "kettle"})
    await judge_window(engine, task)
    async with engine.connect() as connection:
        found = (await connection.execute(select(drift_runs.c.report_html, drift_runs.c.report_json))).one()
    assert all("kettle" not in gzip.decompress(packed).decode() for packed in found)


async def test_judging_again_without_news_changes_nothing(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, task: Task
) -> None:
    """The second run on the same rows is the first one, and the tables stay as they were."""
    await log(make_records(300, seed=2), START)
    (first,) = await judge_window(engine, task)
    rows = await _count(engine, drift_metrics)
    (second,) = await judge_window(engine, task)
    assert _sorted(second) == _sorted(first)
    assert (await _count(engine, drift_runs), await _count(engine, drift_metrics)) == (1, rows)


async def test_late_feedback_makes_a_revision(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, task: Task
) -> None:
    """When ratings come after the night, judging again stores revision 2 with the accuracy, beside revision 1."""
    records = make_records(300, seed=2)
    ids = await log(records, START)
    await judge_window(engine, task)
    await _rate(engine, ids, [record["rating"] for record in records])
    (run,) = await judge_window(engine, task)
    right = sum(record["label"] == record["target"] for record in records)
    accuracy = next(row for row in run.metrics if row.metric == "accuracy")
    assert (run.revision, accuracy.n, accuracy.value) == (2, 300, pytest.approx(right / 300))
    assert await _count(engine, drift_runs) == 2


async def test_two_that_start_at_once_store_one_run(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, task: Task
) -> None:
    """The one that waits for the lock finds the other's run and returns it."""
    await log(make_records(300, seed=2), START)
    (one,), (other,) = await asyncio.gather(judge_window(engine, task), judge_window(engine, task))
    assert one.run_id == other.run_id
    assert await _count(engine, drift_runs) == 1


async def test_each_model_version_is_judged_alone(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, task: Task
) -> None:
    """After a deployment the old version's rows are a run of their own, not judged against the new one's reference."""
    await log(make_records(300, seed=2), START)
    await log(make_records(300, seed=3), START + dt.timedelta(hours=1), model_version="0123456789ab")
    ours, other = await judge_window(engine, task)
    assert (ours.model_version, ours.verdict) == (task.bundle.manifest.version, "none")
    assert (other.model_version, other.verdict, other.n_current) == ("0123456789ab", "not_judged", 300)
    assert "expected a reference of model version 0123456789ab" in other.reason


async def test_a_window_can_be_the_reference(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, task: Task
) -> None:
    """Yesterday as the reference judges any model version that has rows in both, without a file in the bundle."""
    task.bundle.path(REFERENCE).unlink()
    await log(make_records(300, seed=2), BEFORE.start, model_version="0123456789ab")
    await log(make_records(300, seed=3), DAY.start, model_version="0123456789ab")
    (run,) = await judge_window(engine, msgspec.structs.replace(task, reference=Written("window", BEFORE)))
    assert (run.verdict, run.n_reference) == ("none", 300)
    assert run.reference == "window:2026-11-20T00:00:00Z..2026-11-21T00:00:00Z"


async def test_another_models_labels_are_not_judged(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, task: Task
) -> None:
    """Rows whose labels are not the bundle's are stored as not judged, with the reason."""
    await log(make_records(300, seed=2), START, probabilities={"bad": 0.5, "good": 0.5}, model_version="0123456789ab")
    (run,) = await judge_window(engine, task)
    assert (run.verdict, run.reason.startswith("expected the labels negative, positive")) == ("not_judged", True)


async def test_an_empty_window_leaves_a_run(engine: AsyncEngine, task: Task) -> None:
    """A night without predictions is on record, with a page, as not judged."""
    (run,) = await judge_window(engine, task)
    assert (run.verdict, run.n_current, run.model_version) == ("not_judged", 0, task.bundle.manifest.version)
    async with engine.connect() as connection:
        assert "found 0 rows in the window, needed 200" in await read_html(connection, run.run_id)


async def test_a_version_without_a_reference_is_not_judged(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, task: Task, tmp_path: Path
) -> None:
    """A bundle without reference leaves a run that says so, since another version of the night may have one."""
    task.bundle.path(REFERENCE).rename(tmp_path / "elsewhere")
    await log(make_records(300, seed=2), START)
    (run,) = await judge_window(engine, task)
    assert (run.verdict, run.n_current, run.n_reference) == ("not_judged", 300, 0)
    assert "found none; export the model" in run.reason


async def test_runs_are_listed_newest_first(engine: AsyncEngine, task: Task) -> None:
    """The list ends at its limit, and has no metrics."""
    windows = [Window(DAY.start + dt.timedelta(days=n), DAY.end + dt.timedelta(days=n)) for n in range(3)]
    runs = [(await judge_window(engine, msgspec.structs.replace(task, window=window)))[0] for window in windows]
    async with engine.connect() as connection:
        listed = await list_runs(connection, limit=2)
    assert [run.run_id for run in listed] == [runs[2].run_id, runs[1].run_id]


async def test_an_unknown_run_is_refused(engine: AsyncEngine) -> None:
    """Neither a run nor a page is made up."""
    async with engine.connect() as connection:
        with pytest.raises(RunUnknown):
            await read_run(connection, uuid7())
        with pytest.raises(RunUnknown):
            await read_html(connection, uuid7())


def _sorted(run: DriftRun) -> DriftRun:
    return msgspec.structs.replace(run, metrics=tuple(sorted(run.metrics, key=lambda row: row.metric)))


async def _rate(engine: AsyncEngine, ids: list[uuid.UUID], ratings: list[int]) -> None:
    rows = [
        {"feedback_id": uuid7(), "prediction_id": one, "received_at": DAY.end, "rating": rating, "request_id": "r"}
        for one, rating in zip(ids, ratings, strict=True)
    ]
    async with engine.begin() as connection:
        await connection.execute(insert(feedback), rows)
