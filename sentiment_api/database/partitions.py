"""The months of the table `predictions`.

A UUIDv7 begins with 48 bits of Unix milliseconds, so a month of predictions is a range of ids: uniqueness is global and
a look-up by id touches one partition. There is no default partition: it would block attaching and detaching.
"""

import datetime as dt
import uuid
from typing import Any

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from sentiment_api.database.durability import durable_transaction
from sentiment_api.database.tables import feedback, retention, shadow_predictions, tombstones
from sentiment_api.errors import DatabaseNotReady

MONTHS_AHEAD = 2
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_DROP_LOCK = 0x5E27_0003
_DETACH_TIMEOUT_S = 3.0
_PARTITION = text(
    "select inhdetachpending, format('%I.%I', above.nspname, parent.relname), "
    "format('%I.%I', own.nspname, child.relname) from pg_inherits "
    "join pg_class parent on parent.oid = inhparent join pg_namespace above on above.oid = parent.relnamespace "
    "join pg_class child on child.oid = inhrelid join pg_namespace own on own.oid = child.relnamespace "
    "where inhrelid = to_regclass(:name)"
)
_SCHEMA = text("select relnamespace::regnamespace::text from pg_class where oid = to_regclass('predictions')")
"""Returns the schema of the tables, quoted if it has to be: others on the search path may have such months, too."""
_INSERT_LOCK = 0x5E27_0002
"""Of `pg_advisory_xact_lock`: shared by inserts of predictions and feedback; taken alone by what they must see."""
_LOCK = 0x5E27_0001  # any number, the same in every process


def first_id(moment: dt.datetime) -> uuid.UUID:
    """Return the smallest UUID whose 48 leading bits are the milliseconds of `moment`, which has a time zone."""
    milliseconds = round(moment.timestamp() * 1000)
    return uuid.UUID(int=milliseconds << 80)


def id_from(moment: dt.datetime) -> uuid.UUID:
    """Return the bound of the UUIDv7s that carry `moment` or a later one; those of earlier ones are smaller."""
    microseconds = (moment - _EPOCH) // dt.timedelta(microseconds=1)
    return uuid.UUID(int=max(0, -(-microseconds // 1000)) << 80)  # rounded up: a UUIDv7 knows milliseconds


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
    schema = await connection.scalar(_SCHEMA)
    for month in months:
        name = f"{schema}.predictions_{month:%Y_%m}"
        if await connection.scalar(text("select to_regclass(:name)"), {"name": name}) is not None:
            continue
        start, end = (first_id(_midnight(day)) for day in months_from(month, 2))
        await connection.execute(
            text(f"create table {name} (like predictions including defaults including constraints)")
        )
        await connection.execute(
            text(f"alter table predictions attach partition {name} for values from ('{start}') to ('{end}')")
        )


async def make_next_months(engine: AsyncEngine) -> None:
    """Create the partitions of this month and the next ones, where they are missing."""
    async with engine.begin() as connection:
        await make_months(connection, months_from(month_of(dt.datetime.now(dt.UTC)), 1 + MONTHS_AHEAD))


async def kept_from(connection: AsyncConnection) -> uuid.UUID:
    """Return the id before which predictions were dropped for their age and are stored no more."""
    return (await connection.scalar(select(retention.c.kept_from))) or uuid.UUID(int=0)


async def lock_out_inserts(connection: AsyncConnection) -> None:
    """Keep predictions and feedback from being inserted until the transaction ends, and wait for inserts under way.

    It gives up after a while: those who insert wait behind it, and one of them may hang.
    """
    await connection.execute(text("set local lock_timeout = '10s'"))
    await connection.execute(select(func.pg_advisory_xact_lock(_INSERT_LOCK)))


async def hold_off_erasures(connection: AsyncConnection) -> None:
    """Keep erasures from beginning until the transaction ends, and wait for one under way: as every insert does."""
    await connection.execute(select(func.pg_advisory_xact_lock_shared(_INSERT_LOCK)))


async def old_months(engine: AsyncEngine, keep: dt.timedelta) -> list[str]:
    """Return the partitions whose every prediction is older than `keep`, oldest first.

    Also those that are detached already, and were not dropped because the process was killed in between.
    """
    first_kept = f"predictions_{month_of(dt.datetime.now(dt.UTC) - keep):%Y_%m}"
    query = text(
        "select relname from pg_class where relkind = 'r' and relname ~ '^predictions_[0-9]{4}_[0-9]{2}$' "
        "and relnamespace = (select relnamespace from pg_class where oid = to_regclass('predictions'))"
    )
    async with engine.connect() as connection:
        return sorted(name for name in await connection.scalars(query) if name < first_kept)


async def drop_old_months(engine: AsyncEngine, keep: dt.timedelta) -> list[str]:
    """Drop the partitions that `old_months` lists, with what other tables have for them; return their names.

    A spool that was away for longer than `keep` does not bring them back. Readers of other months are not held up.
    """
    bound = first_id(_midnight(month_of(dt.datetime.now(dt.UTC) - keep)))
    async with engine.connect() as connection, durable_transaction(connection):
        await lock_out_inserts(connection)
        later = {"kept_from": func.greatest(retention.c.kept_from, bound)}
        statement = insert(retention).values(one_row=True, kept_from=bound)
        await connection.execute(statement.on_conflict_do_update(index_elements=["one_row"], set_=later))
    months = await old_months(engine, keep)
    async with engine.begin() as connection:
        # This transaction is idle meanwhile. It keeps the lock: behind a pooler nothing longer than one does.
        if not await connection.scalar(select(func.pg_try_advisory_xact_lock(_DROP_LOCK))):
            return []  # another process does it
        schema = await connection.scalar(_SCHEMA)
        # Last, as it also ends the statement before it, for whose snapshot `finalize` would wait.
        await connection.execute(text("set local idle_in_transaction_session_timeout = '1h'"))
        for name in months:
            await _detach(engine, f"{schema}.{name}")
            await _drop(engine, f"{schema}.{name}")
    async with engine.begin() as connection:
        for table in (feedback, shadow_predictions, tombstones):
            await connection.execute(delete(table).where(table.c.prediction_id < bound))
    return months


async def _detach(engine: AsyncEngine, name: str) -> None:
    """Detach a partition, unless it is; finish it where it was cut off in the middle.

    Raises:
        DatabaseNotReady: it is in use.
    """
    async with engine.begin() as connection:
        partition = (await connection.execute(_PARTITION, {"name": name})).one_or_none()
    if partition is None:
        return
    pending, parent, child = partition
    statement = f"alter table {parent} detach partition {child} {'finalize' if pending else 'concurrently'}"
    async with engine.connect() as connection:
        # By the driver: Postgres does this outside of transactions only. Nothing is set for a session, which behind a
        # pooler is everybody's.
        driver: Any = (await connection.get_raw_connection()).driver_connection  # asyncpg's
        try:
            await driver.execute(statement, timeout=_DETACH_TIMEOUT_S)
        except TimeoutError as error:
            raise DatabaseNotReady(f"{name} is in use; it is dropped the next time") from error


async def _drop(engine: AsyncEngine, name: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("set local lock_timeout = '3s'"))
        await connection.execute(text(f"drop table if exists {name}"))


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)
