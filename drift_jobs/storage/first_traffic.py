"""The first traffic of a model version: what `auto` takes for its baseline once there is enough of it."""

import datetime as dt
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from drift_jobs.storage.baselines import Baseline, accept_baseline, find_baseline
from drift_jobs.storage.counts import day_counts
from drift_jobs.windows import Window, day_window
from sentiment_api.database.partitions import first_id, kept_from
from sentiment_api.database.tables import CUSTOMER_SOURCES, predictions

MIN_ROWS: Final = 2_000
MIN_DAYS: Final = 14
PAUSE: Final = dt.timedelta(days=28)
"""A version that was silent for this long has started anew: who looks for its start need not read the whole log."""
_DAY = dt.timedelta(days=1)


class FirstTraffic(msgspec.Struct, frozen=True):
    """A version's rows from its start on, over whole days."""

    window: Window | None
    """Until both bounds were reached; None when they were not."""
    rows: int
    days: int

    def __str__(self) -> str:
        """Return what was wanted and what was found."""
        return f"{MIN_ROWS:,} own rows over {MIN_DAYS} days before this window, found {self.rows:,} over {self.days}"


async def first_traffic(connection: AsyncConnection, version: str, before: dt.datetime, zone: ZoneInfo) -> FirstTraffic:
    """Return the first traffic of `version`, over whole days of `zone` that end by `before`."""
    start = await _first_day(connection, version, before, zone)
    end = before.astimezone(zone).date()  # the day that holds `before` is over only if it begins with it
    if start is None:
        return FirstTraffic(None, 0, 0)
    rows, day = 0, start
    while day < end:
        counts = await day_counts(connection, version, day, min(day + MIN_DAYS * _DAY, end), zone)
        for count in counts.values():
            rows, day = rows + count, day + _DAY
            if rows >= MIN_ROWS and (day - start).days >= MIN_DAYS:
                window = Window(day_window(start, zone).start, day_window(day, zone).start)
                return FirstTraffic(window, rows, (day - start).days)
    return FirstTraffic(None, rows, max(0, (end - start).days))


async def baseline_for(
    connection: AsyncConnection, version: str, before: dt.datetime, zone: ZoneInfo, now: dt.datetime
) -> Baseline | FirstTraffic:
    """Return the baseline of `version` that holds and ends by `before`, or what is missing to the first one.

    Once the first traffic is enough it is stored as its baseline; again when it was dropped for its age. Commit is the
    caller's, and until then others wait who would store the same one.
    """
    if (found := await _holding(connection, version, before)) is not None:
        return found
    traffic = await first_traffic(connection, version, before, zone)
    if traffic.window is None:
        return traffic
    key = {"key": f"drift_jobs baseline {version}"}
    await connection.execute(text("select pg_advisory_xact_lock(hashtextextended(:key, 0))"), key)
    found = await _holding(connection, version, before)
    return found or await accept_baseline(connection, version, traffic.window, traffic.rows, "auto", now)


async def was_dropped(connection: AsyncConnection, window: Window) -> bool:
    """Return whether predictions of `window` may have been dropped for their age."""
    return first_id(window.start) < await kept_from(connection)


async def _holding(connection: AsyncConnection, version: str, before: dt.datetime) -> Baseline | None:
    """Return the baseline that holds; without one of `auto` whose rows are gone."""
    found = await find_baseline(connection, version, before)
    if found is None or (found.origin == "auto" and await was_dropped(connection, found.window)):
        return None
    return found


async def _first_day(connection: AsyncConnection, version: str, before: dt.datetime, zone: ZoneInfo) -> dt.date | None:
    """Return the first day of `version` since its last pause, or None; without the hours of a day that are dropped."""
    first, end = None, before
    while (found := await _first_moment(connection, version, Window(end - PAUSE, end))) is not None:
        first = end = found
    if first is None:
        return None
    day = first.astimezone(zone).date()
    return day + _DAY if await was_dropped(connection, day_window(day, zone)) else day


async def _first_moment(connection: AsyncConnection, version: str, window: Window) -> dt.datetime | None:
    query = select(func.min(predictions.c.created_at)).where(
        predictions.c.prediction_id >= first_id(window.start),
        predictions.c.prediction_id < first_id(window.end),
        predictions.c.source.in_(CUSTOMER_SOURCES),
        predictions.c.model_version == version,
    )
    moment: dt.datetime | None = await connection.scalar(query)
    return moment
