"""When scheduled jobs run, and how they end."""

import asyncio
import datetime as dt
import signal
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger

from drift_jobs.errors import ScheduleInvalid
from drift_jobs.schedule import cron_trigger, run_schedule


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


@pytest.mark.parametrize("written", ["", "0 2 * *", "0 2 * * 0", "0 2 * * 1-5", "99 2 * * *"])
def test_what_cron_would_read_differently_is_refused(written: str) -> None:
    """Numbers of weekdays mean other days to cron; they are refused like what cannot be read."""
    with pytest.raises(ScheduleInvalid):
        cron_trigger(written, ZoneInfo("UTC"))
