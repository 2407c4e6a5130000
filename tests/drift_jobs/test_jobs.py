"""A window judged from the database to the database."""

import asyncio
import datetime as dt
import gzip
import math
import threading
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from msgspec.structs import replace
from sqlalchemy import Table, func, insert, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from drift_jobs.errors import RunUnknown
from drift_jobs.evidence import checks
from drift_jobs.jobs import judge_version
from drift_jobs.judging.record import CHECKED
from drift_jobs.nights import judge_late, judge_window
from drift_jobs.notices import due_notices
from drift_jobs.runs import DriftRun, MetricRow
from drift_jobs.storage.notices import settle
from drift_jobs.storage.references import Written
from drift_jobs.storage.results import list_runs, lock, read_html, read_run, store_run
from drift_jobs.tasks import Failed, Judged, Plan, Task
from drift_jobs.windows import Window
from sentiment_api.bundle import REFERENCE, Bundle
from sentiment_api.database.tables import drift_calibrations, drift_floors, drift_metrics, drift_runs, feedback

MakeRecords = Callable[..., list[dict[str, Any]]]
Log = Callable[..., Awaitable[list[uuid.UUID]]]

START = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
DAY = Window(START, START + dt.timedelta(days=1))
BEFORE = Window(START - dt.timedelta(days=1), START)

pytestmark = pytest.mark.anyio


@pytest.fixture
def plan(bundle: Bundle) -> Plan:
    """Against the bundle, judged from 200 rows on; by so few quiet windows that nothing is rarer than watch."""
    return Plan(
        bundle=bundle,
        reference=Written("bundle"),
        zone=ZoneInfo("UTC"),
        min_rows=200,
        sample=100_000,
        quiet_windows=40,
    )


async def _judge(engine: AsyncEngine, plan: Plan, window: Window = DAY) -> list[DriftRun]:
    outcomes = [outcome async for outcome in judge_window(engine, plan, window, _unheard)]
    assert all(isinstance(outcome, Judged) for outcome in outcomes), outcomes
    return [outcome.run for outcome in outcomes if isinstance(outcome, Judged)]


def _unheard(what: str, done: int, total: int) -> None:
    """Hear of no progress."""


async def _know_no_more_than_watch(engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan) -> None:
    """Leave a calibration in which one of 80 quiet windows was as odd as can be: nothing is rare enough for drift."""
    long_ago = Window(START - dt.timedelta(days=10), START - dt.timedelta(days=9))
    await log(make_records(300, seed=3), long_ago.start)
    await _judge(engine, plan, long_ago)
    async with engine.begin() as connection:
        await connection.execute(update(drift_calibrations).values(smallest_p=[0.0] + [0.5] * 79))
        await connection.execute(update(drift_floors).values(errors=0.0))


async def _count(engine: AsyncEngine, table: Table) -> int | None:
    async with engine.connect() as connection:
        return await connection.scalar(select(func.count()).select_from(table))


async def test_a_judged_window_is_stored_whole(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """What is returned is what the tables hold: run, metrics, page and snapshot."""
    await log(make_records(300, seed=2, mood=1.5), START)
    (run,) = await _judge(engine, replace(plan, quiet_windows=200))
    assert (run.verdict, run.revision, run.n_current, run.n_reference) == ("drift", 1, 300, 1500)
    async with engine.connect() as connection:
        stored = await read_run(connection, run.run_id)
        page = await read_html(connection, run.run_id)
        snapshot = await connection.scalar(select(drift_runs.c.report_json))
    assert _sorted(stored) == _sorted(run)
    assert run.reason in page
    assert msgspec.json.decode(gzip.decompress(snapshot or b""))["metric_results"]


async def test_no_text_reaches_the_report(engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan) -> None:
    """Neither the page nor the snapshot contains a review."""
    await log(make_records(300, seed=2), START, text="The kettle sings beautifully", metadata={"note": "kettle"})
    await _judge(engine, plan)
    async with engine.connect() as connection:
        found = (await connection.execute(select(drift_runs.c.report_html, drift_runs.c.report_json))).one()
    assert all("kettle" not in gzip.decompress(packed).decode() for packed in found)


async def test_judging_again_without_news_changes_nothing(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """The second run on the same rows is the first one, and the tables stay as they were."""
    await log(make_records(300, seed=2), START)
    (first,) = await _judge(engine, plan)
    rows = await _count(engine, drift_metrics)
    (second,) = await _judge(engine, plan)
    assert _sorted(second) == _sorted(first)
    assert (await _count(engine, drift_runs), await _count(engine, drift_metrics)) == (1, rows)


async def test_what_is_known_is_not_judged_again(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan, tmp_path: Path
) -> None:
    """With the same rows, reference and golden texts the stored run is returned without reading the reference."""
    await log(make_records(300, seed=2), START)
    (first,) = await _judge(engine, plan)
    reference = plan.bundle.path(REFERENCE).rename(tmp_path / "elsewhere")
    (second,) = await _judge(engine, plan)
    assert (second.run_id, second.verdict) == (first.run_id, "none")
    reference.rename(plan.bundle.path(REFERENCE))
    (stricter,) = await _judge(engine, replace(plan, min_rows=301))
    assert (stricter.revision, stricter.verdict) == (2, "not_judged")


async def test_ratings_of_the_reference_leave_the_floors(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """When feedback comes to the reference's rows nothing is calibrated again; more quiet windows are."""
    own = replace(plan, reference=Written("window", BEFORE), quiet_windows=20)
    ids = await log(make_records(300, seed=1), BEFORE.start)
    await log(make_records(300, seed=2), START)
    await _judge(engine, own)
    await _rate(engine, ids, [5] * 300)
    await _judge(engine, own)
    assert await _count(engine, drift_calibrations) == 1
    await _judge(engine, replace(own, quiet_windows=21))
    assert await _count(engine, drift_calibrations) == 2


async def test_late_feedback_makes_a_revision(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """When ratings come after the night, judging again stores revision 2 with the accuracy, beside revision 1."""
    records = make_records(300, seed=2)
    ids = await log(records, START)
    await _judge(engine, plan)
    await _rate(engine, ids, [record["rating"] for record in records])
    (run,) = await _judge(engine, plan)
    right = sum(record["label"] == record["target"] for record in records)
    accuracy = next(row for row in run.metrics if row.metric == "accuracy")
    assert (run.revision, accuracy.n, accuracy.value) == (2, 300, pytest.approx(right / 300))
    assert await _count(engine, drift_runs) == 2


async def test_a_revision_takes_over_what_nobody_was_told(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """Of a window with an alarm that nobody took its last revision is due; once it was taken, further ones are not."""
    alarming = replace(plan, quiet_windows=200, notify_on="drift")
    records = make_records(300, seed=2, mood=1.5)
    ids, ratings = await log(records, START), [record["rating"] for record in records]
    await _judge(engine, alarming)
    await _rate(engine, ids[:150], ratings[:150])
    (second,) = await _judge(engine, replace(alarming, notify_on=None))
    assert (second.revision, second.verdict) == (2, "drift")
    assert await due_notices(engine, second.finished_at) == [second.run_id]

    async with engine.begin() as connection:
        await settle(connection, second.run_id)
    await _rate(engine, ids[150:], ratings[150:])
    (third,) = await _judge(engine, alarming)
    assert (third.revision, third.verdict) == (3, "drift")
    assert await due_notices(engine, third.finished_at) == []


async def test_a_reference_that_is_gone_takes_nothing_back(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan, tmp_path: Path
) -> None:
    """While there is nothing to compare with, an alarm stays and its notice is due; then what came late is judged."""
    alarming = replace(plan, quiet_windows=200, notify_on="drift")
    records = make_records(300, seed=2, mood=1.5)
    ids = await log(records, START)
    (first,) = await _judge(engine, alarming)
    reference = plan.bundle.path(REFERENCE).rename(tmp_path / "elsewhere")
    await _rate(engine, ids, [record["rating"] for record in records])
    (kept,) = await _judge(engine, alarming)
    assert (kept.run_id, kept.verdict) == (first.run_id, "drift")
    assert await due_notices(engine, first.finished_at) == [first.run_id]

    reference.rename(plan.bundle.path(REFERENCE))
    (second,) = await _judge(engine, alarming)
    assert (second.revision, second.verdict) == (2, "drift")


async def test_two_that_start_at_once_store_one_run(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """The one that waits for the lock finds the other's run and returns it."""
    await log(make_records(300, seed=2), START)
    (one,), (other,) = await asyncio.gather(_judge(engine, plan), _judge(engine, plan))
    assert one.run_id == other.run_id
    assert await _count(engine, drift_runs) == 1


async def test_each_model_version_is_judged_alone(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """After a deployment the old version's rows are a run of their own, not judged against the new one's reference."""
    await log(make_records(300, seed=2), START)
    await log(make_records(300, seed=3), START + dt.timedelta(hours=1), model_version="0123456789ab")
    ours, other = await _judge(engine, plan)
    assert (ours.model_version, ours.verdict) == (plan.bundle.manifest.version, "none")
    assert (other.model_version, other.verdict, other.n_current) == ("0123456789ab", "not_judged", 300)
    assert "expected a reference of model version 0123456789ab" in other.reason


async def test_a_window_can_be_the_reference(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """Yesterday as the reference judges any model version that has rows in both, without a file in the bundle."""
    plan.bundle.path(REFERENCE).unlink()
    await log(make_records(300, seed=2), BEFORE.start, model_version="0123456789ab")
    await log(make_records(300, seed=3), DAY.start, model_version="0123456789ab")
    (run,) = await _judge(engine, replace(plan, reference=Written("window", BEFORE)))
    assert (run.verdict, run.n_reference) == ("none", 300)
    assert run.reference == "window:2026-11-20T00:00:00Z..2026-11-21T00:00:00Z"


async def test_another_models_labels_are_not_judged(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """Rows whose labels are not the bundle's are stored as not judged, with the reason."""
    await log(make_records(300, seed=2), START, probabilities={"bad": 0.5, "good": 0.5}, model_version="0123456789ab")
    (run,) = await _judge(engine, plan)
    assert (run.verdict, run.reason.startswith("expected the labels negative, positive")) == ("not_judged", True)


async def test_rows_without_numbers_are_left_out(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """A window in which some logits are no numbers is judged on the rest and says so; a reference has the rest, too."""
    broken = [record | {"logits": [math.nan, math.inf]} for record in make_records(20, seed=1)]
    await log(broken, START, score=math.nan, probabilities={"negative": None, "positive": None})
    await log(make_records(300, seed=2), START + dt.timedelta(minutes=1))
    (run,) = await _judge(engine, plan)
    assert (run.verdict, run.n_current) == ("none", 300)
    assert run.reason.endswith("; 20 of 320 rows were left out: a logit of theirs is no number")
    await log(make_records(300, seed=3), BEFORE.start)
    (run,) = await _judge(engine, replace(plan, reference=Written("window", DAY)), BEFORE)
    assert (run.verdict, run.n_reference) == ("none", 300)


async def test_a_window_without_any_number_is_not_judged(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """What is missing are rows with numbers, and not another model's labels."""
    records = [record | {"logits": [math.nan, math.nan]} for record in make_records(300, seed=2)]
    await log(records, START)
    (run,) = await _judge(engine, plan)
    assert (run.verdict, run.n_current) == ("not_judged", 0)
    assert run.reason.startswith("found 0 rows in the window, needed 200")
    assert run.reason.endswith("; 300 of 300 rows were left out: a logit of theirs is no number")


async def test_an_empty_window_leaves_a_run(engine: AsyncEngine, plan: Plan) -> None:
    """A night without predictions is on record, with a page, as not judged."""
    (run,) = await _judge(engine, plan)
    assert (run.verdict, run.n_current, run.model_version) == ("not_judged", 0, plan.bundle.manifest.version)
    async with engine.connect() as connection:
        assert "found 0 rows in the window, needed 200" in await read_html(connection, run.run_id)


async def test_without_a_reference_the_rest_is_kept(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan, tmp_path: Path
) -> None:
    """A bundle without reference is a run that is not judged and says why, with what the window alone can tell."""
    plan.bundle.path(REFERENCE).rename(tmp_path / "elsewhere")
    await log(make_records(300, seed=2), START)
    (run,) = await _judge(engine, plan)
    assert (run.verdict, run.n_current, run.n_reference) == ("not_judged", 300, 0)
    assert "found none; export the model with sentiment-train" in run.reason
    shares = [row.value for row in run.metrics if row.metric == "label_share"]
    assert len(shares) == 1
    assert shares[0] is not None


async def test_one_versions_failure_costs_no_other(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """A version whose rows cannot be read fails alone; the other one is judged and stored."""
    await log(make_records(300, seed=2), START, model_version="0123456789ab", probabilities=None)  # as null of JSON
    await log(make_records(300, seed=3), START + dt.timedelta(hours=1))
    broken, whole = [outcome async for outcome in judge_window(engine, plan, DAY, _unheard)]
    assert isinstance(broken, Failed)
    assert (broken.version, broken.window) == ("0123456789ab", DAY)
    assert isinstance(whole, Judged)
    assert (whole.run.model_version, whole.run.verdict) == (plan.bundle.manifest.version, "none")
    assert await _count(engine, drift_runs) == 1


async def test_the_first_run_calibrates_itself(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """The first run learns from quiet windows, is heard of meanwhile, and carries the back-test; the next reuse it."""
    await log(make_records(300, seed=2), START)
    heard: list[tuple[str, int, int]] = []
    version = plan.bundle.manifest.version
    first = await judge_version(engine, plan, Task(window=DAY, version=version), lambda *said: heard.append(said))
    assert [(done, total) for _, done, total in heard] == [(number, 40) for number in range(41)]
    async with engine.connect() as connection:
        stored = (await connection.execute(select(drift_calibrations))).one()
    assert msgspec.to_builtins(first.run.details.back_test) == stored.back_test
    assert (stored.model_version, stored.reference, stored.size, stored.windows) == (version, "bundle", 200, 40)

    heard.clear()
    await judge_version(engine, plan, Task(window=DAY, version=version), lambda *said: heard.append(said))
    assert heard == []


async def test_nobody_waits_for_a_calibration(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """While the first run calibrates itself its window can be locked by others."""
    await log(make_records(300, seed=2), START)
    task = Task(window=DAY, version=plan.bundle.manifest.version)
    begun, goes_on, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()

    def pause(what: str, done: int, total: int) -> None:
        if done == 1:  # in the calibration's thread
            loop.call_soon_threadsafe(begun.set)
            goes_on.wait(timeout=20)

    judging = asyncio.create_task(judge_version(engine, plan, task, pause))
    await begun.wait()
    try:
        async with asyncio.timeout(10), engine.begin() as connection:
            await lock(connection, DAY, f"{task.version} bundle")
    finally:
        goes_on.set()
        judged = await judging
    assert judged.run.verdict == "none"


async def test_a_calibration_outlives_what_fails_after_it(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """What took long stays when the run behind it cannot be stored; and nothing of the run does."""
    await log(make_records(300, seed=2), START)
    version = plan.bundle.manifest.version
    broken = MetricRow(metric="golden", family="model", value=math.inf, n=1, note="\x00 is no text to Postgres")
    with pytest.raises(DBAPIError):
        await judge_version(engine, plan, Task(window=DAY, version=version, golden=broken), _unheard)
    assert await _count(engine, drift_calibrations) == 1
    assert await _count(engine, drift_runs) == 0


async def test_large_windows_are_sampled(engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan) -> None:
    """Above the cap a part is judged, the same one each time, and the run says how many rows there were."""
    await log(make_records(600, seed=2), START)
    (run,) = await _judge(engine, replace(plan, sample=300))
    assert 200 < run.n_current < 400
    assert run.details.rows_in_window == 600
    (again,) = await _judge(engine, replace(plan, sample=300))
    assert again.run_id == run.run_id
    (whole,) = await _judge(engine, plan)
    assert (whole.n_current, whole.details.rows_in_window) == (600, None)


async def test_watch_on_two_nights_is_drift(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """What is in watch in the same direction for the second night of three is drift, and says so."""
    await _know_no_more_than_watch(engine, log, make_records, plan)
    for day in (BEFORE, DAY):
        await log(make_records(300, seed=2, wordiness=1.3), day.start)
    (first,) = await _judge(engine, plan, BEFORE)
    (second,) = await _judge(engine, plan, DAY)
    assert (first.verdict, second.verdict) == ("watch", "drift")
    assert "in watch on two of three nights" in {row.note for row in second.metrics}


async def test_runs_by_hand_hide_no_night(engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan) -> None:
    """The night before last counts, however many hours of the last one were judged by themselves since."""
    await _know_no_more_than_watch(engine, log, make_records, plan)
    last_but_one = Window(BEFORE.start - dt.timedelta(days=1), BEFORE.start)
    for day in (last_but_one, DAY):
        await log(make_records(300, seed=2, wordiness=1.3), day.start)
    (first,) = await _judge(engine, plan, last_but_one)
    async with engine.begin() as connection:
        for number in range(30):
            end = BEFORE.start + dt.timedelta(minutes=number + 1)
            by_hand = replace(first, run_id=uuid7(), window_start=BEFORE.start, window_end=end, metrics=())
            await store_run(connection, by_hand, html="page", snapshot=None)
    (third,) = await _judge(engine, plan, DAY)
    assert (first.verdict, third.verdict) == ("watch", "drift")


async def test_an_earlier_night_that_becomes_an_alarm_is_counted(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """When late rows turn the night before into an alarm, the one after it is judged again: two nights of three."""
    await _know_no_more_than_watch(engine, log, make_records, plan)
    await log(make_records(300, seed=2), BEFORE.start)
    await log(make_records(300, seed=2, wordiness=1.3), DAY.start)
    (before,) = await _judge(engine, plan, BEFORE)
    (first,) = await _judge(engine, plan, DAY)
    assert (before.verdict, first.verdict) == ("none", "watch")
    await log(make_records(150, seed=4, wordiness=2), BEFORE.start + dt.timedelta(hours=1))
    late = [each async for each in judge_late(engine, plan, DAY.end.date(), _unheard) if isinstance(each, Judged)]
    assert [(each.run.window_start, each.run.revision) for each in late] == [(BEFORE.start, 2), (DAY.start, 2)]
    assert (late[1].before, late[1].run.verdict) == ("watch", "drift")
    assert [each async for each in judge_late(engine, plan, DAY.end.date(), _unheard)] == []


async def test_nights_that_overlap_count_once(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """A window that holds the night before again is no second night: the same rows would testify twice."""
    await _know_no_more_than_watch(engine, log, make_records, plan)
    await log(make_records(300, seed=2, wordiness=1.3), BEFORE.start)
    await _judge(engine, plan, BEFORE)
    (second,) = await _judge(engine, plan, Window(BEFORE.start, DAY.end))
    assert second.verdict == "watch"


async def test_hours_of_one_day_are_no_nights(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """Windows that are no whole days of the shop are each in watch by themselves."""
    await _know_no_more_than_watch(engine, log, make_records, plan)
    noon = START + dt.timedelta(hours=12)
    for start in (START, noon):
        await log(make_records(300, seed=2, wordiness=1.3), start)
    (first,) = await _judge(engine, plan, Window(START, noon))
    (second,) = await _judge(engine, plan, Window(noon, DAY.end))
    assert (first.verdict, second.verdict) == ("watch", "watch")


async def test_auto_tells_differences_from_training_without_alarm(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """Until there is traffic of its own, what differs from the training data is told and is no alarm."""
    await log(make_records(300, seed=2, mood=1.5), START)
    (run,) = await _judge(engine, replace(plan, reference=Written("auto")))
    assert (run.verdict, run.reference, run.details.alarming) == ("none", "auto:bundle", False)
    assert run.reason.startswith("differs from training data, which is no alarm")
    assert "no own baseline yet" in run.reason


async def test_golden_texts_that_moved_are_drift(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: Plan
) -> None:
    """A quiet window is drift when the service answers the golden texts otherwise; the reason begins with it.

    Judging the window again without asking the service keeps what it said that night.
    """
    await log(make_records(300, seed=2), START)
    moved = MetricRow(metric="golden", family="model", value=0.2, effect=0.2, verdict="drift", n=12, note="they moved")
    task = Task(window=DAY, version=plan.bundle.manifest.version, golden=moved)
    judged = await judge_version(engine, plan, task, _unheard)
    assert (judged.run.verdict, judged.run.reason.startswith("they moved; of the data: none of")) == ("drift", True)
    (again,) = await _judge(engine, plan)
    assert (again.run_id, again.verdict) == (judged.run.run_id, "drift")


async def test_runs_are_listed_newest_first(engine: AsyncEngine, plan: Plan) -> None:
    """The list ends at its limit, has no metrics, and can be of one version or verdict only."""
    windows = [Window(DAY.start + dt.timedelta(days=n), DAY.end + dt.timedelta(days=n)) for n in range(3)]
    runs = [(await _judge(engine, plan, window))[0] for window in windows]
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


def _checked(first: int, days: int, estimated: float) -> DriftRun:
    """Return a run on so many days whose labels showed an accuracy of 0.9."""
    row = MetricRow(
        metric=CHECKED, family="estimates", value=0.9, reference_value=estimated, detectable=0.02, n=300 * days
    )
    return DriftRun(
        run_id=uuid7(),
        revision=1,
        window_start=START + dt.timedelta(days=first),
        window_end=START + dt.timedelta(days=first + days),
        reference="bundle",
        model_name="shop",
        model_version="0123456789ab",
        started_at=START,
        finished_at=START,
        verdict="none",
        reason="nothing",
        n_current=300 * days,
        n_reference=1_500,
        metrics=(row,),
    )


def test_labels_are_checked_once() -> None:
    """Of windows that overlap the newest counts, and the next that lies wholly before it; the oldest is the first."""
    newest_first = [_checked(6, 3, 0.91), _checked(5, 3, 0.92), _checked(4, 2, 0.93), _checked(0, 4, 0.94)]
    assert [check.estimated for check in checks(newest_first)] == [0.94, 0.93, 0.91]
    assert [check.estimated for check in checks([replace(newest_first[0], metrics=()), *newest_first[1:]])] == [
        0.94, 0.92,
    ]  # fmt: skip


def _sorted(run: DriftRun) -> DriftRun:
    return msgspec.structs.replace(run, metrics=tuple(sorted(run.metrics, key=lambda row: row.metric)))


async def _rate(engine: AsyncEngine, ids: list[uuid.UUID], ratings: list[int]) -> None:
    rows = [
        {"feedback_id": uuid7(), "prediction_id": one, "received_at": DAY.end, "rating": rating, "request_id": "r"}
        for one, rating in zip(ids, ratings, strict=True)
    ]
    async with engine.begin() as connection:
        await connection.execute(insert(feedback), rows)
