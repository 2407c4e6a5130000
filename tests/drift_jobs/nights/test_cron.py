"""When scheduled jobs run, and how they end."""

import asyncio
import datetime as dt
import logging
import signal
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger

from drift_jobs.errors import ScheduleInvalid
from drift_jobs.nights.cron import cron_trigger, run_schedule, was_due

BERLIN = ZoneInfo("Europe/Berlin")


def test_a_job_runs_until_the_process_is_told_to_stop() -> None:
    """The job runs at its time, again after it failed once, and SIGTERM ends the schedule."""
    runs: list[dt.datetime] = []
    announced: list[dt.datetime] = []

    async def job() -> None:
        runs.append(dt.datetime.now(dt.UTC))
        if len(runs) == 1:
            raise OSError("the first night fails")
        signal.raise_signal(signal.SIGTERM)

    asyncio.run(run_schedule(CronTrigger(second="*", timezone=dt.UTC), job, announced.append))
    assert len(runs) == 2
    assert announced[0] <= runs[0]


def test_cron_is_read_in_the_shops_time() -> None:
    """Two o'clock is two o'clock of the time zone."""
    trigger = cron_trigger("0 2 * * *", ZoneInfo("Europe/Paris"))
    after = trigger.get_next_fire_time(None, dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC))
    assert after.astimezone(dt.UTC) == dt.datetime(2026, 11, 22, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize("cron", ["0 0 * * *", "0 2 * * *", "30 2 * * *", "0 3 * * *"])
@pytest.mark.parametrize("changes_on", [dt.date(2026, 3, 29), dt.date(2026, 10, 25)])
def test_each_day_comes_once_when_the_clocks_change(cron: str, changes_on: dt.date) -> None:
    """Neither is a night left out in March, when an hour is skipped, nor judged twice in October, when one repeats."""
    trigger = cron_trigger(cron, BERLIN)
    fired = [
        trigger.get_next_fire_time(None, dt.datetime(2026, changes_on.month, changes_on.day - 3, 12, tzinfo=dt.UTC))
    ]
    while len(fired) < 6:
        fired.append(trigger.get_next_fire_time(fired[-1], fired[-1] + dt.timedelta(milliseconds=3)))
    days = [moment.astimezone(BERLIN).date() for moment in fired]
    assert days == [changes_on + dt.timedelta(days=number) for number in range(-2, 4)]


def test_a_skipped_time_comes_an_hour_later() -> None:
    """Half past two does not exist on 2026-03-29 in Berlin; the job runs at half past three."""
    trigger = cron_trigger("30 2 * * *", BERLIN)
    fired = trigger.get_next_fire_time(None, dt.datetime(2026, 3, 28, 12, tzinfo=dt.UTC))
    assert fired.isoformat() == "2026-03-29T03:30:00+02:00"


def test_a_start_within_the_repeated_hour_waits_for_the_next_day() -> None:
    """Half past two has passed when the clocks show it for the second time."""
    trigger = cron_trigger("30 2 * * *", BERLIN)
    fired = trigger.get_next_fire_time(None, dt.datetime(2026, 10, 25, 1, 10, tzinfo=dt.UTC))
    assert fired.isoformat() == "2026-10-26T02:30:00+01:00"


def test_only_a_time_that_has_passed_was_due() -> None:
    """A start before two o'clock has missed nothing; one after it may have."""
    trigger = cron_trigger("0 2 * * *", BERLIN)
    midnight = dt.datetime(2026, 11, 21, tzinfo=BERLIN)
    assert not was_due(trigger, midnight, midnight + dt.timedelta(hours=1))
    assert was_due(trigger, midnight, midnight + dt.timedelta(hours=9))


def test_a_missed_job_runs_at_once_and_then_at_its_times() -> None:
    """With `at_once` the job runs before its time, once, and what is announced is the time to come."""
    runs: list[dt.datetime] = []
    announced: list[dt.datetime] = []

    async def job() -> None:
        runs.append(dt.datetime.now(dt.UTC))
        signal.raise_signal(signal.SIGTERM)

    yearly = cron_trigger("0 2 1 1 *", BERLIN)
    asyncio.run(run_schedule(yearly, job, announced.append, at_once=True))
    assert len(runs) == 1
    assert (announced[0].month, announced[0].day, announced[0].hour) == (1, 1, 2)


def test_a_job_is_cancelled_in_its_middle(caplog: pytest.LogCaptureFixture) -> None:
    """SIGTERM ends a job that waits for something long, which is no failure; what it holds is given back first."""
    ended: list[str] = []

    async def job() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
            await asyncio.Event().wait()
        finally:
            for _ in range(3):  # as closing connections does
                await asyncio.to_thread(ended.append, "given back")

    async def scheduled() -> None:
        await run_schedule(cron_trigger("0 2 1 1 *", BERLIN), job, lambda _: None, at_once=True)
        ended.append("returned")

    asyncio.run(scheduled())
    assert ended == [*["given back"] * 3, "returned"]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("written", ["", "0 2 * *", "0 2 * * 0", "0 2 * * 1-5", "99 2 * * *", "0 2 30 2 *"])
def test_what_cron_would_read_differently_is_refused(written: str) -> None:
    """Numbers of weekdays mean other days to cron; they are refused like what cannot be read."""
    with pytest.raises(ScheduleInvalid):
        cron_trigger(written, ZoneInfo("UTC"))
