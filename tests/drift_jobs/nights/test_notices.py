"""Alarms wait for their receiver."""

import asyncio
import datetime as dt
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tenacity import wait_fixed, wait_none
from uuid_utils.compat import uuid7

from drift_jobs.commands.output import OutcomePrinter
from drift_jobs.nights.notices import due_notices, needs_notice, post_due
from drift_jobs.reporting.notification import NotificationFailed
from drift_jobs.runs import DriftRun, Level, MetricRow, Outcome, StoredRun
from drift_jobs.storage.results import store_run
from sentiment_api.database.connection import make_engine
from sentiment_api.database.drift_results import erase_product_from_runs
from sentiment_api.database.tables import drift_runs
from sentiment_api.settings import DatabaseSettings
from tests.protocols import Receive, Store

NOW = dt.datetime(2026, 11, 22, 2, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
WHOLE = MetricRow(metric="logit", family="predictions", effect=0.4, floor=0.2, verdict="drift", n=900)
MUG = replace(WHOLE, metric="label_share", segment="product:mug-7")

pytestmark = pytest.mark.anyio


def _run(**values: Any) -> DriftRun:
    run = DriftRun(
        run_id=uuid7(), revision=1, window_start=NOW - DAY, window_end=NOW, reference="bundle", model_name="shop",
        model_version="0123456789ab", started_at=NOW, finished_at=NOW, verdict="drift", reason="found a change",
        n_current=900, n_reference=1_500, metrics=(WHOLE,),
    )  # fmt: skip
    return replace(run, **values)


@pytest.fixture
def store(engine: AsyncEngine) -> Store:
    """Stores runs whose notice is due."""

    async def stored(*runs: DriftRun, notice_due: bool = True) -> None:
        async with engine.begin() as connection:
            for run in runs:
                await store_run(connection, run, html="page", snapshot=None, notice_due=notice_due)

    return stored


async def test_what_was_not_taken_stays_due(
    engine: AsyncEngine, store: Store, receive: Receive, closed_port: int
) -> None:
    """While the receiver is away the notice waits; when it has taken the notice, nothing is due any more."""
    run = _run()
    await store(run)
    with pytest.raises(NotificationFailed, match="ConnectError"):
        await post_due(engine, run.run_id, f"http://127.0.0.1:{closed_port}", wait=wait_none())
    assert await due_notices(engine, NOW) == [run.run_id]
    server = receive(lambda _: (204, None))
    assert await post_due(engine, run.run_id, server.url) == run
    assert await post_due(engine, run.run_id, server.url) is None
    assert await due_notices(engine, NOW) == []
    assert [json.loads(request.body)["run_id"] for request in server.requests] == [str(run.run_id)]


async def test_the_newest_is_last_and_old_news_is_none(engine: AsyncEngine, store: Store) -> None:
    """Runs of the last 7 days wait in the order in which they were finished; what is told or older does not."""
    nights = [_run(window_end=NOW - number * DAY, finished_at=NOW - number * DAY) for number in range(1, 9)]
    await store(*nights)
    await store(_run(), notice_due=False)
    assert await due_notices(engine, NOW) == [run.run_id for run in reversed(nights[:7])]


async def test_what_was_replaced_is_no_news(engine: AsyncEngine, store: Store, receive: Receive) -> None:
    """Of a window only the last revision is told; one that takes the alarm back leaves nothing to tell."""
    first = _run()
    second = _run(revision=2, reason="found more")
    await store(first, second)
    assert await due_notices(engine, NOW) == [second.run_id]
    await store(_run(revision=3, verdict="none", metrics=()), notice_due=False)
    assert await due_notices(engine, NOW) == []
    assert await post_due(engine, first.run_id, receive(lambda _: (204, None)).url) is None


async def test_what_was_erased_is_not_told(engine: AsyncEngine, store: Store, receive: Receive) -> None:
    """An alarm of the whole window is told without the product; one of the product alone is not told at all."""
    both = _run(metrics=(WHOLE, MUG))
    alone = _run(window_start=NOW - 2 * DAY, metrics=(replace(WHOLE, verdict="none"), MUG))
    await store(both, alone)
    async with engine.begin() as connection:
        await erase_product_from_runs(connection, "mug-7")
    assert await due_notices(engine, NOW) == [both.run_id]
    server = receive(lambda _: (204, None))
    await post_due(engine, both.run_id, server.url)
    assert "mug-7" not in server.requests[0].body.decode()


async def test_two_at_once_post_one_notice(engine: AsyncEngine, store: Store, receive: Receive) -> None:
    """While one process waits for the receiver, another one leaves the notice to it."""
    run = _run()
    await store(run)
    goes_on, asked, loop = threading.Event(), asyncio.Event(), asyncio.get_running_loop()

    def answer(_: object) -> tuple[int, object]:
        loop.call_soon_threadsafe(asked.set)
        goes_on.wait(timeout=20)
        return 204, None

    server = receive(answer)
    posting = asyncio.create_task(post_due(engine, run.run_id, server.url))
    await asked.wait()
    try:
        async with asyncio.timeout(10):
            assert await post_due(engine, run.run_id, server.url) is None
    finally:
        goes_on.set()
        posted = await posting
    assert posted == run
    assert len(server.requests) == 1


async def test_nobody_waits_between_attempts(engine: AsyncEngine, store: Store, receive: Receive) -> None:
    """While a job waits to try again the run is not locked: it can be erased or judged meanwhile."""
    run = _run()
    await store(run)
    asked, loop = asyncio.Event(), asyncio.get_running_loop()

    def answer(_: object) -> tuple[int, object]:
        loop.call_soon_threadsafe(asked.set)
        return 503, None

    posting = asyncio.create_task(post_due(engine, run.run_id, receive(answer).url, wait=wait_fixed(600)))
    await asked.wait()
    try:
        async with asyncio.timeout(10), engine.begin() as connection:
            query = select(drift_runs.c.run_id).where(drift_runs.c.run_id == run.run_id).with_for_update()
            assert await connection.scalar(query) == run.run_id
    finally:
        posting.cancel()
        await asyncio.wait([posting])
    assert posting.cancelled()


def _output(url: str) -> tuple[OutcomePrinter, list[str]]:
    """Return where a command says what it found, and what it complained of."""
    complaints: list[str] = []
    output = OutcomePrinter(say=_unheard, complain=complaints.append, tell=_unheard, notify_url=url)
    return output, complaints


def _unheard(*said: object) -> None:
    """Hear of nothing."""


async def _outcomes(*found: Outcome) -> AsyncIterator[Outcome]:
    for outcome in found:
        yield outcome


async def test_one_try_finds_the_receiver_away(
    engine: AsyncEngine, store: Store, receive: Receive, closed_port: int
) -> None:
    """What is due is tried until nobody answers; a receiver that refuses one notice is asked for the others."""
    now = dt.datetime.now(dt.UTC)
    await store(*(_run(window_end=NOW - number * DAY, finished_at=now) for number in range(3)))
    output, complaints = _output(f"http://127.0.0.1:{closed_port}")
    await output.post_late(engine)
    assert len(complaints) == 1
    refusing = receive(lambda _: (404, None))
    output, complaints = _output(refusing.url)
    await output.post_late(engine)
    assert (len(refusing.requests), len(complaints)) == (3, 3)


async def test_notices_that_cannot_be_read_cost_no_night(receive: Receive, closed_port: int) -> None:
    """When Postgres refuses to say what is due, that is one complaint, and the night is judged."""
    broken = make_engine(DatabaseSettings(database_url=SecretStr(f"postgresql://shop@127.0.0.1:{closed_port}/shop")))
    output, complaints = _output(receive(lambda _: (204, None)).url)
    judged = StoredRun(_run(), is_new=False)
    assert await output.report(broken, _outcomes(judged)) == [judged]
    assert [line.split(":")[0] for line in complaints] == ["notices that are due could not be read"]


@pytest.mark.parametrize(
    ("verdict", "least", "before", "owed", "expected"),
    [
        ("drift", "drift", None, None, True),
        ("watch", "drift", None, None, False),
        ("drift", "drift", "watch", None, True),
        ("drift", "drift", "drift", None, False),
        ("watch", "watch", "drift", None, False),
        ("watch", "watch", "none", None, True),
        ("not_judged", "watch", None, None, False),
        ("drift", "drift", "drift", "drift", True),
        ("watch", "watch", "drift", "drift", True),
        ("watch", "drift", "drift", "drift", False),
        ("none", "watch", "drift", "drift", False),
        ("drift", None, None, None, False),
        ("drift", None, "drift", "drift", True),
        ("watch", None, "drift", "drift", False),
    ],
)
async def test_an_alarm_is_told_once(
    verdict: Level, least: Level | None, before: Level | None, owed: Level | None, *, expected: bool
) -> None:
    """A revision is told when it is graver than what was told; what nobody took was not, and passes to the next one."""
    assert needs_notice(verdict, least=least, before=before, owed=owed) is expected
