"""The months of the table `predictions`.

A UUIDv7 begins with 48 bits of Unix milliseconds, so a month of predictions is a range of ids: uniqueness is global and
a look-up by id touches one partition. There is no default partition: it would block attaching and detaching.
"""

import datetime as dt
import uuid

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

MONTHS_AHEAD = 2
_LOCK = 0x5E27_0001  # any number, the same in every process


def first_id(moment: dt.datetime) -> uuid.UUID:
    """Return the smallest UUID whose 48 leading bits are the milliseconds of `moment`, which has a time zone."""
    milliseconds = round(moment.timestamp() * 1000)
    return uuid.UUID(int=milliseconds << 80)


def milliseconds_of(uuid7: uuid.UUID) -> int:
    """Return the Unix milliseconds that a UUIDv7 begins with."""
    return uuid7.int >> 80


def created_at(prediction_id: uuid.UUID) -> dt.datetime:
    """Return the moment that a UUIDv7 carries, in UTC, to the millisecond."""
    return dt.datetime.fromtimestamp(milliseconds_of(prediction_id) / 1000, dt.UTC)


def month_of(moment: dt.datetime) -> dt.date:
    """Return the first day of the month, in UTC."""
    return moment.astimezone(dt.UTC).date().replace(day=1)


def months_from(start: dt.date, count: int) -> list[dt.date]:
    """Return `count` first days of months, from the month of `start` on."""
    numbers = [start.year * 12 + start.month - 1 + offset for offset in range(count)]
    return [dt.date(number // 12, number % 12 + 1, 1) for number in numbers]


async def make_months(connection: AsyncConnection, months: list[dt.date]) -> None:
    """Create the partitions of `months` (first days) that are missing. Commit is the caller's.

    A table is made like the parent and then attached, which does not wait for readers of the parent; several processes
    may do so at once.
    """
    await connection.execute(text("set local lock_timeout = '3s'"))
    await connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    for month in months:
        name = f"predictions_{month:%Y_%m}"
        if await connection.scalar(text("select to_regclass(:name)"), {"name": name}) is not None:
            continue
        start, end = (first_id(_midnight(day)) for day in months_from(month, 2))
        await connection.execute(
            text(f"create table {name} (like predictions including defaults including constraints)")
        )
        await connection.execute(
            text(f"alter table predictions attach partition {name} for values from ('{start}') to ('{end}')")
        )


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)
