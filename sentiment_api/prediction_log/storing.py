"""Puts records into Postgres: idempotently, a shipment in one transaction, and never what was erased."""

from collections import Counter
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from sentiment_api.database.connection import DATABASE_ERRORS, READ_ONLY
from sentiment_api.database.durability import durable_transaction
from sentiment_api.database.erasures import find_tombstones, write_tombstones
from sentiment_api.database.partitions import (
    created_at,
    hold_off_erasures,
    kept_from,
    make_months,
    month_of,
)
from sentiment_api.database.refusals import sqlstate_of
from sentiment_api.database.tables import feedback, predictions, shadow_predictions
from sentiment_api.prediction_log.records import FeedbackRecord, PredictionRecord, Record, ShadowRecord, kind_of
from sentiment_api.prediction_log.set_aside import SetAsideRecord

POSTGRES_ERRORS = (*DATABASE_ERRORS, asyncpg.InternalClientError)
"""What connecting and `store` raise while Postgres is away or refuses. Whatever else they raise is a defect."""
_DATA_ERRORS = ("22", "23")


class _Insert:
    """The idempotent insert of one table, for asyncpg, with the order of its values."""

    def __init__(self, table: Table) -> None:
        postgres = dialect.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy leaves it untyped
        compiled = insert(table).on_conflict_do_nothing().compile(dialect=postgres)
        self.sql = str(compiled)
        self._columns: list[str] = list(compiled.positiontup or ())

    def values(self, record: Record) -> tuple[Any, ...]:
        row = record.row()
        return tuple(row[column] for column in self._columns)


_INSERTS: dict[type, _Insert] = {
    PredictionRecord: _Insert(predictions),
    FeedbackRecord: _Insert(feedback),
    ShadowRecord: _Insert(shadow_predictions),
}


@dataclass(frozen=True)
class StoreOutcome:
    """What became of records."""

    stored: "Counter[str]"
    """How many of each kind Postgres holds now."""
    left_out: "Counter[str]"
    """How many it is not to hold, by reason."""
    refused: list[SetAsideRecord]

    def __add__(self, other: "StoreOutcome") -> "StoreOutcome":
        return StoreOutcome(self.stored + other.stored, self.left_out + other.left_out, self.refused + other.refused)


class _RowsRefused(Exception):
    """Postgres refuses at least one of the rows as data."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


class _TombstonesMissing(Exception):
    """Predictions were erased with their product, and have no tombstones of their own yet."""

    def __init__(self, prediction_ids: list[UUID]) -> None:
        super().__init__("predictions of an erased product")
        self.prediction_ids = prediction_ids


async def store(engine: AsyncEngine, records: list[Record]) -> StoreOutcome:
    """Bring the records to Postgres, but for those that it refuses as data, and return what became of each.

    Raises:
        Exception: one of `POSTGRES_ERRORS`, as Postgres is away, full, read-only or not migrated; anything else is a
            defect. Halves of a refused shipment may be stored.
    """
    try:
        return await _insert(engine, records)
    except _RowsRefused as refusal:
        if len(records) == 1:
            return StoreOutcome(Counter(), Counter(), [SetAsideRecord(refusal.sqlstate, records[0])])
        middle = len(records) // 2
        return await store(engine, records[:middle]) + await store(engine, records[middle:])


async def _insert(engine: AsyncEngine, records: list[Record]) -> StoreOutcome:
    """Insert all records in one transaction, and make the months and tombstones that are missing for it.

    Raises:
        _RowsRefused: at least one record is at fault.
    """
    for _ in range(2):  # both may be missing
        try:
            return await _insert_in_known_months(engine, records)
        except asyncpg.CheckViolationError:
            await _make_months(engine, records)
        except _TombstonesMissing as found:
            await write_tombstones(engine, found.prediction_ids)
    return await _insert_in_known_months(engine, records)


async def _insert_in_known_months(engine: AsyncEngine, records: list[Record]) -> StoreOutcome:
    async with engine.connect() as connection:
        # Only what is raised from here on can be a row's fault.
        try:
            async with durable_transaction(connection) as driver:
                kept, left_out = await _without_erased(connection, records)
                for kind, statement in _INSERTS.items():
                    rows = [statement.values(record) for record in kept if type(record) is kind]
                    if rows:
                        await insert_rows(driver, statement.sql, rows)
        except Exception as error:
            if is_data_error(error):
                raise _RowsRefused(sqlstate_of(error) or "") from error
            if sqlstate_of(error) == READ_ONLY:
                await connection.invalidate()  # another host may be the primary now
            raise
    return StoreOutcome(Counter(map(kind_of, kept)), left_out, [])


async def insert_rows(driver: asyncpg.Connection, sql: str, rows: list[tuple[Any, ...]]) -> None:
    """Send the rows with the statement.

    Raises:
        TypeError: the statement and the rows do not fit. asyncpg has the same error for that and for a connection
            that is closed; only the second says that Postgres is away.
        Exception: what Postgres or asyncpg raise otherwise.
    """
    try:
        await driver.executemany(sql, rows)
    except asyncpg.InterfaceError as error:
        if driver.is_closed() or is_data_error(error):
            raise
        raise TypeError("expected rows that fit the statement") from error


async def _make_months(engine: AsyncEngine, records: list[Record]) -> None:
    async with engine.begin() as connection:
        bound = await kept_from(connection)
        ids = [record.prediction_id for record in records if isinstance(record, PredictionRecord)]
        months = {month_of(created_at(each)) for each in ids if each >= bound}
        await make_months(connection, sorted(months))


async def _without_erased(connection: AsyncConnection, records: list[Record]) -> tuple[list[Record], "Counter[str]"]:
    """Return the records that may be stored, and how many may not, by reason; in the transaction that stores them.

    Raises:
        _TombstonesMissing: a prediction was erased with its product, and has no tombstone of its own yet.
    """
    await hold_off_erasures(connection)
    bound = await kept_from(connection)
    young = [record for record in records if record.prediction_id >= bound]
    products = {r.prediction_id: r.product_id for r in young if isinstance(r, PredictionRecord)}
    ids, product_ids = {r.prediction_id for r in young}, {each for each in products.values() if each is not None}
    tombstones = await find_tombstones(connection, ids, product_ids)
    kept = [record for record in young if not tombstones.cover(record.prediction_id, None)]
    unburied = [r.prediction_id for r in kept if tombstones.cover(r.prediction_id, products.get(r.prediction_id))]
    if unburied:
        # Feedback and shadow answers for them, before or after, do not say of which product they are.
        raise _TombstonesMissing(unburied)
    return kept, Counter(expired=len(records) - len(young), erased=len(young) - len(kept))


def _is_missing_month(error: Exception) -> bool:
    """A row without a partition is a check violation that no constraint is named for."""
    return isinstance(error, asyncpg.CheckViolationError) and error.constraint_name is None


def is_data_error(error: Exception) -> bool:
    """Return whether Postgres refuses what it was sent as data. What asyncpg cannot encode is of class 22, too."""
    return not _is_missing_month(error) and (sqlstate_of(error) or "").startswith(_DATA_ERRORS)
