"""One window is worked out outside of any transaction, and stored only if its state is still the one worked on."""

import asyncio
import datetime as dt
import threading
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from drift_jobs.errors import WindowUnsettled
from drift_jobs.nights.assessment import Assessment, assess
from drift_jobs.nights.night import window_tasks
from drift_jobs.nights.one_window import ATTEMPTS, judge_version
from drift_jobs.nights.plan import JudgingPlan, Tell
from drift_jobs.nights.resolved import ResolvedWindow
from drift_jobs.runs import DriftRun, StoredRun
from drift_jobs.storage.results import lock_window
from drift_jobs.windows import Window
from sentiment_api.database.erasures import ErasureTarget, erase
from sentiment_api.database.tables import drift_runs
from tests.protocols import Count, Judge, JudgeAround, Log, MakeRecords

START = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
DAY = Window(START, START + dt.timedelta(days=1))
IN_TRANSACTION = text(
    "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() "
    "and xact_start is not null"
)
LOCKS = text("select count(*) from pg_locks where locktype = 'advisory' and pid <> pg_backend_pid()")

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("undrawn")]


class Pauses:
    """Assesses windows in the judging thread, and stops each time when the numbers are known until it is let go."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reached: asyncio.Queue[threading.Event] = asyncio.Queue()
        self.count = 0

    def __call__(self, window: ResolvedWindow) -> Assessment:
        """Return the assessment, pages and all, once it is let go."""
        found, goes_on = assess(window), threading.Event()
        self.count += 1
        self._loop.call_soon_threadsafe(self._reached.put_nowait, goes_on)
        assert goes_on.wait(timeout=120)
        return found

    async def __aiter__(self) -> AsyncIterator[None]:
        """Yield at each stop, and let go afterwards."""
        while True:
            goes_on = await self._reached.get()
            try:
                yield
            finally:
                goes_on.set()


@pytest.fixture
def judge_around(engine: AsyncEngine, plan: JudgingPlan, tell: Tell) -> JudgeAround:
    """Judges the window and does something each time after it was worked out, before it is stored."""

    async def judged(meanwhile: Callable[[], Awaitable[object]]) -> StoredRun:
        pauses = Pauses()

        async def disturb() -> None:
            async for _ in pauses:
                await meanwhile()

        (task,) = await window_tasks(engine, plan, DAY)
        disturbing = asyncio.create_task(disturb())
        try:
            return await judge_version(engine, plan, task, tell, assess=pauses)
        finally:
            disturbing.cancel()
            await asyncio.wait([disturbing])

    return judged


async def test_nothing_is_locked_while_a_window_is_worked_out(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: JudgingPlan, judge_around: JudgeAround
) -> None:
    """Meanwhile no connection is in a transaction, none has a lock, and another one gets the window's."""
    await log(make_records(300, seed=2), START)
    seen: list[tuple[int, int]] = []

    async def look() -> None:
        async with asyncio.timeout(10), engine.begin() as connection:
            await lock_window(connection, DAY, f"{plan.bundle.manifest.version} bundle")
            transactions, locks = await connection.scalar(IN_TRANSACTION), await connection.scalar(LOCKS)
            seen.append((transactions or 0, locks or 0))

    judged = await judge_around(look)
    assert seen == [(0, 0)]
    assert (judged.is_new, judged.run.revision) == (True, 1)


async def test_rows_that_come_meanwhile_are_judged_too(
    log: Log, make_records: MakeRecords, judge_around: JudgeAround, count: Count
) -> None:
    """When the state has changed by the time of storing, the window is judged once more, with all its rows."""
    await log(make_records(300, seed=2), START)
    late = iter([make_records(50, seed=3)])

    async def come_late() -> None:
        if (records := next(late, None)) is not None:
            await log(records, START + dt.timedelta(hours=9))

    judged = await judge_around(come_late)
    assert (judged.run.n_current, judged.run.revision, await count(drift_runs)) == (350, 1, 1)


async def test_rows_that_never_stop_do_not_keep_a_window_from_being_judged(
    log: Log, make_records: MakeRecords, plan: JudgingPlan, judge_around: JudgeAround, judge: Judge
) -> None:
    """The last attempt is stored as it is, and the next look at the window finds what came since."""
    await log(make_records(300, seed=2), START)
    hours = iter(range(1, 24))

    async def come_late() -> None:
        await log(make_records(10, seed=4), START + dt.timedelta(hours=next(hours)))

    judged = await judge_around(come_late)
    assert (judged.run.n_current, judged.run.revision) == (300 + 10 * (ATTEMPTS - 1), 1)
    (again,) = await judge(plan)
    assert (again.n_current, again.revision) == (300 + 10 * ATTEMPTS, 2)


async def test_what_came_since_the_night_was_planned_is_judged(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: JudgingPlan, tell: Tell, judge: Judge
) -> None:
    """A night is planned at once and takes a while: rows that came to a window since make a further revision of it."""
    await log(make_records(300, seed=2), START)
    await judge(plan)
    (task,) = await window_tasks(engine, plan, DAY)
    await log(make_records(10, seed=4), START + dt.timedelta(hours=1))
    judged = await judge_version(engine, plan, task, tell)
    assert (judged.is_new, judged.run.n_current, judged.run.revision) == (True, 310, 2)


async def test_a_run_of_another_job_is_returned(
    log: Log, make_records: MakeRecords, plan: JudgingPlan, judge_around: JudgeAround, judge: Judge, count: Count
) -> None:
    """What another job stored on the same rows meanwhile stands, and is not stored a second time."""
    await log(make_records(300, seed=2), START)
    others: list[DriftRun] = []

    async def judge_first() -> None:
        others.extend(await judge(plan))

    judged = await judge_around(judge_first)
    assert (judged.run.run_id, judged.is_new) == (others[0].run_id, False)
    assert (len(others), await count(drift_runs)) == (1, 1)


async def test_jobs_that_always_come_first_are_named(
    log: Log, make_records: MakeRecords, plan: JudgingPlan, judge_around: JudgeAround, judge: Judge, count: Count
) -> None:
    """When runs on other rows are stored each time, the window is given up with a reason, and their runs stay."""
    await log(make_records(300, seed=2), START)
    hours = iter(range(1, 24))

    async def judge_more_rows() -> None:
        await log(make_records(10, seed=4), START + dt.timedelta(hours=next(hours)))
        await judge(plan)
        await log(make_records(10, seed=4), START + dt.timedelta(hours=next(hours)))

    with pytest.raises(WindowUnsettled, match="found otherwise 3 times in a row; judge it again"):
        await judge_around(judge_more_rows)
    assert await count(drift_runs) == ATTEMPTS


async def test_what_is_erased_meanwhile_is_not_judged(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, judge_around: JudgeAround
) -> None:
    """A window that was worked out with a product that was then erased is worked out again without it."""
    records = make_records(300, seed=2)
    await log(records, START)
    product = records[0]["product_cluster"]
    wanted = iter([ErasureTarget.product(product)])

    async def erase_once() -> None:
        if (target := next(wanted, None)) is not None:
            await erase(engine, target)

    judged = await judge_around(erase_once)
    assert judged.run.n_current == sum(each["product_cluster"] != product for each in records)


async def test_the_last_attempt_stores_nothing_of_an_erased_product(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, judge_around: JudgeAround, count: Count
) -> None:
    """Where other rows came each time and a product was erased at last, the window is given up instead of stored."""
    records = make_records(300, seed=2)
    await log(records, START)
    happenings = iter(range(1, ATTEMPTS + 1))

    async def disturb() -> None:
        if (number := next(happenings)) < ATTEMPTS:
            await log(make_records(10, seed=4), START + dt.timedelta(hours=number))
        else:
            await erase(engine, ErasureTarget.product(records[0]["product_cluster"]))

    with pytest.raises(WindowUnsettled, match="no product is erased meanwhile"):
        await judge_around(disturb)
    assert await count(drift_runs) == 0


async def test_a_lock_that_is_never_released_is_named(engine: AsyncEngine) -> None:
    """A job that hangs with the lock of a window keeps another one only for so long."""
    async with engine.begin() as holding, engine.begin() as waiting:
        await lock_window(holding, DAY, "bundle")
        with pytest.raises(WindowUnsettled, match=r"another job is done with .* within 0 s"):
            await lock_window(waiting, DAY, "bundle", timeout_s=0.0)
