"""`schedule` as a process: nights that were missed, signals, and what is away."""

import asyncio
import contextlib
import datetime as dt
import os
import signal
import socket
from collections.abc import Iterator

import msgspec
import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.tables import drift_calibrations, drift_runs
from tests.preloaded import Run, program
from tests.protocols import ExitCode, Log, MakeRecords, Receive

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("environment")]


@contextlib.contextmanager
def _schedule(*options: str) -> Iterator[Run]:
    """Run `drift-jobs schedule` while the block runs; it does not outlive a test that fails."""
    drift_jobs = program("drift_jobs", "drift_jobs.commands.schedule")
    process = drift_jobs.start("schedule", "--reference", "bundle", *options, environment=os.environ)
    try:
        yield process
    finally:
        process.kill()


def _until(process: Run, words: str) -> str:
    """Return the first line of stderr with these words."""
    return next(line for line in process.stderr if words in line)


def _the_rest(process: Run) -> str:
    """Return what is left of stderr until the process ends."""
    return process.stderr.read()


def test_the_schedule_outlives_an_absent_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """A night without a database is a line and no traceback; the process waits for the next night."""
    monkeypatch.setenv("SENTIMENT_DATABASE_URL", "postgresql://shop:s3cret@127.0.0.1:1/shop")
    with _schedule("--cron", "0 0 * * *") as process:
        line = _until(process, "could not be judged: ")
        process.send_signal(signal.SIGTERM)
        rest = _the_rest(process)
        assert process.wait(timeout=60) == 0
    assert "s3cret" not in line + rest
    assert "Traceback" not in rest


@pytest.mark.usefixtures("calibrated", "undrawn")
async def test_a_missed_night_is_caught_up_once(engine: AsyncEngine, log: Log, make_records: MakeRecords) -> None:
    """A start after the night's time judges it at once; the next start finds its run and judges nothing."""
    midnight = dt.datetime.combine(dt.datetime.now(dt.UTC), dt.time(), dt.UTC)
    await log(make_records(300, seed=2), midnight - dt.timedelta(hours=12))
    with _schedule("--cron", "0 0 * * *") as process:
        assert f"to {midnight:%Y-%m-%dT%H:%MZ}" in await asyncio.to_thread(_until, process, "no drift")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    with _schedule("--cron", "0 0 * * *") as process:
        await asyncio.to_thread(_until, process, "was judged before")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    async with engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(drift_runs)) == 1


@pytest.mark.usefixtures("calibrated", "undrawn")
async def test_a_restart_posts_what_is_owed(
    log: Log, make_records: MakeRecords, receive: Receive, exit_code: ExitCode
) -> None:
    """A start that finds the night judged tells what nobody has taken yet."""
    midnight = dt.datetime.combine(dt.datetime.now(dt.UTC), dt.time(), dt.UTC)
    await log(make_records(300, seed=2, mood=1.5), midnight - dt.timedelta(hours=12))
    refusing = receive(lambda _: (403, None))
    assert await exit_code("nightly", "--reference", "bundle", "--notify-url", refusing.url) == 1
    server = receive(lambda _: (204, None))
    with _schedule("--cron", "0 0 * * *", "--notify-url", server.url) as process:
        await asyncio.to_thread(_until, process, "was judged before")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    (request,) = server.requests
    assert msgspec.json.decode(request.body)["verdict"] == "drift"


async def test_the_schedule_ends_cleanly_within_a_night(
    engine: AsyncEngine, log: Log, make_records: MakeRecords
) -> None:
    """SIGTERM while the night calibrates itself ends with exit code 0, and leaves nothing of the night."""
    midnight = dt.datetime.combine(dt.datetime.now(dt.UTC), dt.time(), dt.UTC)
    await log(make_records(300, seed=2), midnight - dt.timedelta(hours=12))
    with _schedule("--cron", "0 0 * * *") as process:
        await asyncio.to_thread(_until, process, "calibrating")
        process.send_signal(signal.SIGTERM)
        assert "the night was stopped" in await asyncio.to_thread(_the_rest, process)
        assert process.wait(timeout=60) == 0
    async with engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(drift_runs)) == 0
        assert await connection.scalar(select(func.count()).select_from(drift_calibrations)) == 0


def test_the_schedule_ends_while_a_service_keeps_silent() -> None:
    """SIGTERM while the golden texts wait for their answer is one line that says so, and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as service:
        service.settimeout(60)
        address = f"http://127.0.0.1:{service.getsockname()[1]}"
        with _schedule("--cron", "0 0 * * *", "--service-url", address) as process:
            asked, _ = service.accept()
            with asked:
                process.send_signal(signal.SIGTERM)
                said = _the_rest(process)
            assert process.wait(timeout=60) == 0
    last = said.splitlines()[-1]
    assert last.endswith("WARNING the night was stopped; the next start judges it, unless its run is stored")
    assert "Traceback" not in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_schedule_ends_cleanly(number: signal.Signals) -> None:
    """`schedule` says when it will run next, and a signal ends it with exit code 0."""
    with _schedule("--cron", "0 2 1 jan *", "--timezone", "Europe/Paris") as process:
        line = _until(process, "the next run is at")
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
    assert " 02:00:00+0" in line
