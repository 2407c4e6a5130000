"""Runs a job whenever a cron expression says so, until the process is told to stop."""

import asyncio
import datetime as dt
import signal
from collections.abc import Awaitable, Callable
from zoneinfo import ZoneInfo

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger

from drift_jobs.errors import ScheduleInvalid

_LATE_S = 6 * 3600  # a machine that slept through the night still judges it in the morning


def cron_trigger(written: str, zone: ZoneInfo) -> CronTrigger:
    """Return the trigger of a cron expression of five fields, in the time of `zone`.

    Raises:
        ScheduleInvalid: it cannot be read, or has a weekday as a number (cron counts from Sunday, APScheduler from
            Monday).
    """
    fields = written.split()
    if len(fields) == 5 and any(map(str.isdigit, fields[4])):
        raise ScheduleInvalid(f"expected weekdays as names such as mon-fri, found {written!r}")
    try:
        return CronTrigger.from_crontab(written, timezone=zone)
    except ValueError as error:
        raise ScheduleInvalid(f"expected a cron expression such as '0 2 * * *', found {written!r}") from error


async def run_schedule(
    trigger: CronTrigger, job: Callable[[], Awaitable[None]], started: Callable[[dt.datetime], None]
) -> None:
    """Run `job` at each time of `trigger`, never twice at once, and return after SIGTERM or SIGINT.

    `started` is told when the job will run first. A job that runs when the signal comes is cancelled; as it is one
    transaction, nothing of it stays.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    scheduler = AsyncIOScheduler(timezone=trigger.timezone)
    task = scheduler.add_job(job, trigger, max_instances=1, coalesce=True, misfire_grace_time=_LATE_S)
    scheduler.start()
    started(task.next_run_time)
    await stop.wait()
    scheduler.shutdown()
