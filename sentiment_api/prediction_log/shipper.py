"""Moves the spool to Postgres, off the request path, for as long as it takes.

A group of segments goes in one transaction of idempotent inserts and is unlinked after its commit: a crash in between
ships the group again, which changes nothing. What Postgres refuses as data is set aside, row by row; everything else
(away, full, read-only, unmigrated) is tried again for ever.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import structlog
from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.connection import DATABASE_ERRORS
from sentiment_api.database.partitions import created_at, make_months, month_of
from sentiment_api.database.tables import feedback, predictions
from sentiment_api.metrics import Metrics
from sentiment_api.prediction_log.records import FeedbackRecord, PredictionRecord, Record, decode
from sentiment_api.prediction_log.spool import Spool, read_segment

MAX_GROUP_RECORDS = 5_000
POLL_S = 1.0
GATHER_S = 0.02  # after a wake-up, so that a busy moment is one transaction and not fifty
_FIRST_BACK_OFF_S = 0.2
_LONGEST_BACK_OFF_S = 15.0
_DATA_ERRORS = ("22", "23")
_CLIENT_SIDE_DATA_ERRORS = (ValueError, OverflowError, TypeError, UnicodeEncodeError)
_log = structlog.get_logger(__name__)


class _Insert:
    """The idempotent insert of one table, for asyncpg, with the order of its values."""

    def __init__(self, table: Table) -> None:
        compiled = insert(table).on_conflict_do_nothing().compile(dialect=dialect.dialect())
        self.sql = str(compiled)
        self._columns: list[str] = list(compiled.positiontup or ())

    def values(self, record: Record) -> tuple[Any, ...]:
        row = record.row()
        return tuple(row[column] for column in self._columns)


_INSERTS: dict[type, _Insert] = {PredictionRecord: _Insert(predictions), FeedbackRecord: _Insert(feedback)}


class Shipper:
    """Ships one spool. Runs on the event loop; only `wake` is called by handlers."""

    def __init__(
        self, spool: Spool, engine: AsyncEngine, metrics: Metrics, revive: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Keep the parts. `revive` is tried when Postgres does not answer: it starts an embedded server again."""
        self._spool = spool
        self._engine = engine
        self._metrics = metrics
        self._revive = revive
        self._woken = asyncio.Event()
        self._back_off_s = _FIRST_BACK_OFF_S
        self._busy = asyncio.Lock()
        self.database = "unknown"

    async def wake(self) -> None:
        """Say that there is something to ship. A background task of the reply, so it must be quick: it only sets a flag."""
        self._woken.set()

    async def run(self) -> None:
        """Ship whenever woken, and every `POLL_S` anyway, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), POLL_S)
                await asyncio.sleep(GATHER_S)
            self._woken.clear()
            if not await self.ship():
                await asyncio.sleep(self._back_off_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret
                self._back_off_s = min(2 * self._back_off_s, _LONGEST_BACK_OFF_S)

    async def drain(self, timeout_s: float) -> bool:
        """Ship until the spool is empty or the time is over, and return whether it is empty."""
        deadline = time.monotonic() + timeout_s
        while not (shipped := await self.ship()) and time.monotonic() < deadline:
            await asyncio.sleep(_FIRST_BACK_OFF_S)
        return shipped

    async def ship(self) -> bool:
        """Ship everything that is spooled now, and return whether that succeeded."""
        async with self._busy:
            try:
                self._spool.seal()
                while group := self._group():
                    await self._ship_group(*group)
                self._succeeded()
            except DATABASE_ERRORS as error:
                await self._failed(error)
                return False
            finally:
                self._measure()
            return True

    def _group(self) -> tuple[list[Path], list[Record]] | None:
        """Return the oldest segments, about `MAX_GROUP_RECORDS` in all, with their records."""
        paths: list[Path] = []
        records: list[Record] = []
        for path in self._spool.segments():
            segment = read_segment(path)
            self._metrics.damaged.inc(segment.damaged_bytes)
            paths.append(path)
            records.extend(record for payload in segment.payloads if (record := self._decoded(payload)))
            if len(records) >= MAX_GROUP_RECORDS:
                break
        return (paths, records) if paths else None

    def _decoded(self, payload: bytes) -> Record | None:
        try:
            return decode(payload)
        except msgspec.DecodeError:
            self._set_aside(payload, "undecodable")
            return None

    async def _ship_group(self, paths: list[Path], records: list[Record]) -> None:
        try:
            await self._insert(records)
        except Exception as error:
            if _is_missing_month(error):
                await self._make_months(records)
                await self._insert(records)
            elif _is_data_error(error):
                await self._insert_one_by_one(records)
            else:
                raise
        for record in records:
            self._metrics.shipped.labels(_kind(record)).inc()
        for path in paths:
            self._spool.discard(path)

    async def _insert(self, records: list[Record]) -> None:
        """Insert all records in one transaction."""
        async with self._engine.connect() as connection:
            raw = await connection.get_raw_connection()
            driver: asyncpg.Connection = raw.driver_connection
            async with driver.transaction():
                for kind, statement in _INSERTS.items():
                    rows = [statement.values(record) for record in records if type(record) is kind]
                    if rows:
                        await driver.executemany(statement.sql, rows)

    async def _insert_one_by_one(self, records: list[Record]) -> None:
        for record in records:
            try:
                await self._insert([record])
            except Exception as error:
                if not _is_data_error(error):
                    raise
                self._set_aside(msgspec.msgpack.encode(record), _sqlstate(error))

    async def _make_months(self, records: list[Record]) -> None:
        months = {month_of(created_at(r.prediction_id)) for r in records if isinstance(r, PredictionRecord)}
        async with self._engine.begin() as connection:
            await make_months(connection, sorted(months))

    def _set_aside(self, payload: bytes, sqlstate: str) -> None:
        """Keep a record that cannot be stored, and say so without showing it."""
        path = self._spool.folder / "set-aside.msgpack"
        with path.open("ab") as file:
            file.write(len(payload).to_bytes(4, "little") + payload)
        self._metrics.set_aside.labels(sqlstate).inc()
        _log.error("record set aside", sqlstate=sqlstate, file=str(path))

    def _succeeded(self) -> None:
        if self.database == "away":
            _log.info("prediction log ships again")
        self.database = "up"
        self._back_off_s = _FIRST_BACK_OFF_S

    async def _failed(self, error: Exception) -> None:
        # The server's own message may carry row values; its kind and SQLSTATE cannot.
        kind = type(getattr(error, "orig", None) or error).__name__
        self._metrics.ship_failures.labels(kind).inc()
        if self.database != "away":
            _log.warning("prediction log waits for Postgres", error=kind, sqlstate=_sqlstate(error))
        self.database = "away"
        if self._revive is not None:
            await self._revive()

    def _measure(self) -> None:
        self._metrics.spool_bytes.set(self._spool.bytes)
        self._metrics.spool_lag.set(self.lag_s())

    def lag_s(self) -> float:
        """Return the age of the oldest record that Postgres does not hold, in seconds; 0 when it holds all."""
        oldest_ms = self._spool.oldest_ms()
        return 0.0 if oldest_ms is None else max(0.0, time.time() - oldest_ms / 1000)


def _kind(record: Record) -> str:
    return "prediction" if isinstance(record, PredictionRecord) else "feedback"


def _sqlstate(error: Exception) -> str:
    return getattr(getattr(error, "orig", None) or error, "sqlstate", None) or type(error).__name__


def _is_missing_month(error: Exception) -> bool:
    """A row without a partition is a check violation that no constraint is named for."""
    return isinstance(error, asyncpg.CheckViolationError) and error.constraint_name is None


def _is_data_error(error: Exception) -> bool:
    if isinstance(error, _CLIENT_SIDE_DATA_ERRORS):
        return True
    return isinstance(error, asyncpg.PostgresError) and _sqlstate(error)[:2] in _DATA_ERRORS
