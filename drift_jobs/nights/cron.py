"""Runs a job whenever a cron expression says so, until the process is told to stop."""

import asyncio
import datetime as dt
import signal
from collections.abc import Awaitable, Callable
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger

from drift_jobs.errors import ScheduleInvalid

_LATE_S = 6 * 3600  # a machine that slept through the night still judges it in the morning


class ShopCron(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """A cron expression on the shop's clock: each time that it names comes once, also when the clocks change.

    APScheduler's own trigger, in a zone with summer time, fires twice at an hour that is repeated, and leaves out the
    midnight after an hour that is skipped (3.11.3, Europe/Berlin, `0 0 * * *`, 2026-03-30). So the clock is read here
    as if it were UTC. A time that the clocks skip comes as much later as they are put forward; of a time that they
    repeat, it is the first one.
    """

    def __init__(self, cron: CronTrigger, zone: ZoneInfo) -> None:
        """`cron` is in UTC, by which the clock of `zone` is meant."""
        self._cron = cron
        self.timezone = zone

    def get_next_fire_time(self, previous: dt.datetime | None, now: dt.datetime) -> dt.datetime:
        """Return the first time at or after `now`, and after `previous`."""
        after = self._shown(now)
        if previous is not None:
            after = max(after, self._shown(previous) + dt.timedelta(seconds=1))
        while True:
            shown = self._cron.get_next_fire_time(None, after)
            moment: dt.datetime = shown.replace(tzinfo=self.timezone).astimezone(dt.UTC)
            if moment >= now:
                return moment.astimezone(self.timezone)
            after = shown + dt.timedelta(seconds=1)

    def _shown(self, moment: dt.datetime) -> dt.datetime:
        """Return what the clock shows, as if it were UTC."""
        return moment.astimezone(self.timezone).replace(tzinfo=dt.UTC, fold=0)


def cron_trigger(written: str, zone: ZoneInfo) -> ShopCron:
    """Return the trigger of a cron expression of five fields, in the time of `zone`.

    Raises:
        ScheduleInvalid: it cannot be read, never comes, or has a weekday as a number (cron counts from Sunday,
            APScheduler from Monday).
    """
    fields = written.split()
    if len(fields) == 5 and any(map(str.isdigit, fields[4])):
        raise ScheduleInvalid(f"expected weekdays as names such as mon-fri, found {written!r}")
    try:
        cron = CronTrigger.from_crontab(written, timezone=dt.UTC)
    except ValueError as error:
        raise ScheduleInvalid(f"expected a cron expression such as '0 2 * * *', found {written!r}: {error}") from error
    if cron.get_next_fire_time(None, dt.datetime.now(dt.UTC)) is None:
        raise ScheduleInvalid(f"expected a cron expression whose time comes, found {written!r}")
    return ShopCron(cron, zone)


def was_due(trigger: ShopCron, since: dt.datetime, now: dt.datetime) -> bool:
    """Return whether the trigger had a time from `since` until `now`."""
    return trigger.get_next_fire_time(None, since) <= now


async def run_schedule(
    trigger: BaseTrigger,
    job: Callable[[], Awaitable[None]],
    started: Callable[[dt.datetime], None],
    *,
    at_once: bool = False,
) -> None:
    """Run `job` at each time of `trigger`, never twice at once, and return after SIGTERM or SIGINT.

    With `at_once` it also runs now. `started` is told of the first time to come. A job that runs when the signal comes
    is cancelled, and has given back what it holds before this returns; as each of its steps is one transaction, nothing
    stays half done.
    """
    idle = asyncio.Event()
    idle.set()

    async def turn() -> None:
        idle.clear()
        try:
            await job()
        except asyncio.CancelledError:
            pass  # only the signal cancels it; APScheduler would log that as a failure, with a traceback
        finally:
            idle.set()

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    scheduler = AsyncIOScheduler(timezone=trigger.timezone)
    first: dict[str, Any] = {"next_run_time": dt.datetime.now(trigger.timezone)} if at_once else {}
    scheduler.add_job(turn, trigger, max_instances=1, coalesce=True, misfire_grace_time=_LATE_S, **first)
    scheduler.start()
    started(trigger.get_next_fire_time(None, dt.datetime.now(trigger.timezone)))
    await stop.wait()
    scheduler.shutdown()
    await idle.wait()
