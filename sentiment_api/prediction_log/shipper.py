"""Moves the spool to Postgres, off the request path, for as long as it takes.

A group of segments goes in one transaction of idempotent inserts and is unlinked after its commit: a crash in between
ships the group again, which changes nothing. What was erased meanwhile, or is older than what is kept, is left out in
the same transaction. What Postgres refuses as data is set aside, row by row; everything else (away, full, read-only,
unmigrated) is tried again for ever.
"""

import asyncio
import contextlib
import math
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import asyncpg
import msgspec
import structlog
from sqlalchemy import Table, func, select, text
from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from sentiment_api.database.erasures import bury, covering
from sentiment_api.database.partitions import (
    INSERT_LOCK,
    created_at,
    kept_from,
    make_months,
    month_of,
    prepare_to_write,
)
from sentiment_api.database.tables import feedback, predictions, shadow_predictions
from sentiment_api.metrics import Metrics
from sentiment_api.prediction_log.files import FilesFailed, in_files
from sentiment_api.prediction_log.records import (
    FeedbackRecord,
    PredictionRecord,
    Record,
    RecordNewer,
    ShadowRecord,
    decode,
    kind_of,
)
from sentiment_api.prediction_log.segments import read_segment
from sentiment_api.prediction_log.set_aside import UNDECODABLE, SetAside, files_in
from sentiment_api.prediction_log.spool import Spool

T = TypeVar("T")

MAX_GROUP_RECORDS = 5_000
MAX_GROUP_BYTES = 16 << 20
POLL_S = 1.0
GATHER_S = 0.2  # after a wake-up, so that a busy moment is one transaction and not fifty
_FIRST_BACK_OFF_S = 0.2
_LONGEST_BACK_OFF_S = 15.0
_PING_TIMEOUT_S = 2.0
_REMEDIES = {
    "42P01": "run `sentiment-api db upgrade`",
    "FilesFailed": "look at the disk of SENTIMENT_DATA_DIR: its files cannot be read or written",
}
_DATA_ERRORS = ("22", "23")
_log = structlog.get_logger(__name__)


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


class _Group(NamedTuple):
    """Segments that are shipped together, and what was read from them."""

    paths: list[Path]
    records: list[Record]
    undecodable: list[bytes]
    newer: list[bytes]
    damaged_bytes: int


@dataclass(frozen=True)
class _Outcome:
    """What became of records."""

    stored: "Counter[str]"
    """How many of each kind Postgres holds now."""
    left_out: "Counter[str]"
    """How many it is not to hold, by reason."""
    refused: list[SetAside]

    def __add__(self, other: "_Outcome") -> "_Outcome":
        return _Outcome(self.stored + other.stored, self.left_out + other.left_out, self.refused + other.refused)


class LogTotals(msgspec.Struct):
    """What one process's shipper has done since its start, in records."""

    shipped: int = 0
    retries: int = 0
    """Attempts that failed and were, or will be, made again."""
    set_aside: int = 0
    left_out: int = 0
    dropped: int = 0
    last_error: str | None = None
    """The SQLSTATE or the kind of the last failure to ship."""


class _RowsRefused(Exception):
    """Postgres refuses at least one of the rows as data."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


class _Unburied(Exception):
    """Predictions were erased with their product, and have no tombstones of their own yet."""

    def __init__(self, prediction_ids: list[UUID]) -> None:
        super().__init__("predictions of an erased product")
        self.prediction_ids = prediction_ids


class Shipper:
    """Ships one spool. Runs on the event loop; only `wake` is called by handlers."""

    def __init__(
        self,
        spool: Spool,
        engine: AsyncEngine,
        metrics: Metrics,
        executor: Executor | None = None,
        revive: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Keep the parts.

        `executor` reads and writes files, so that the event loop does not; asyncio's default without one. `revive` is
        tried when Postgres does not answer: it starts an embedded server again.
        """
        self._spool = spool
        self._engine = engine
        self._metrics = metrics
        self._executor = executor
        self._revive = revive
        self._woken = asyncio.Event()
        self._back_off_s = _FIRST_BACK_OFF_S
        self.busy = asyncio.Lock()
        """Held while a group of records is between the files and Postgres."""
        self.totals = LogTotals()
        self.database = "unknown"
        """`up`, `away`, `refuses` when it answers and will not store, or `unknown` before the first attempt."""
        self._last_failure = ""
        self._unreadable: set[Path] = set()
        # Asked for when they are read: an attempt that hangs, or ships for minutes, must not hold them.
        metrics.spool_bytes.set_function(lambda: spool.size_bytes)
        metrics.spool_lag.set_function(self._lag_if_known_s)
        metrics.newer.set_function(lambda: spool.newer_records)

    async def wake(self) -> None:
        """Say that there is something to ship. The background task of a reply: it sets a flag and is done."""
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
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not await self.ship():  # noqa: ASYNC110 - tries again; no event tells when Postgres is back
                    await asyncio.sleep(_FIRST_BACK_OFF_S)
                return True
        return False

    async def ship(self) -> bool:
        """Ship everything that is spooled now, and return whether that succeeded."""
        try:
            await in_files(self._executor, self._spool.seal)
            if not await self._ship_next():
                await self._ping()
            while await self._ship_next():
                pass
            self._succeeded()
            self._count_dropped()
        except Exception as error:  # noqa: BLE001 - whatever it is, the records stay and are tried again
            await self._failed(error)
            return False
        return True

    async def _ship_next(self) -> bool:
        """Ship the oldest group; return whether there was one."""
        async with self.busy:
            group = await in_files(self._executor, self._group)
            if group is not None:
                await self._ship_group(group)
        return group is not None

    def _group(self) -> _Group | None:
        """Return the oldest segments, about `MAX_GROUP_RECORDS` records in all."""
        group = _Group([], [], [], [], 0)
        size = 0
        for path in self._spool.segments():
            try:
                segment, segment_bytes = read_segment(path), path.stat().st_size
            except FileNotFoundError:  # it gave way to newer records
                continue
            except OSError as error:  # those behind it are not to wait
                self._tell_unreadable(path, error)
                continue
            group = group._replace(damaged_bytes=group.damaged_bytes + segment.damaged_bytes)
            group.paths.append(path)
            size += segment_bytes
            for payload in segment.payloads:
                try:
                    group.records.append(decode(payload))
                except RecordNewer:
                    group.newer.append(payload)
                except msgspec.DecodeError:
                    group.undecodable.append(payload)
            if len(group.records) >= MAX_GROUP_RECORDS or size >= MAX_GROUP_BYTES:
                break
        return group if group.paths else None

    def _tell_unreadable(self, path: Path, error: OSError) -> None:
        if path not in self._unreadable:
            self._unreadable.add(path)
            _log.error("a segment cannot be read; its records are not shipped", file=str(path), error=error.strerror)

    async def _ship_group(self, group: _Group) -> None:
        outcome = await self._store(group.records)
        aside = [*outcome.refused, *(SetAside(UNDECODABLE, payload) for payload in group.undecodable)]
        await in_files(self._executor, partial(self._settle, group, aside))
        # Counted only now: a group that could not be settled is read again.
        self._metrics.damaged.inc(group.damaged_bytes)
        for kind, count in outcome.stored.items():
            self._metrics.shipped.labels(kind).inc(count)
            self.totals.shipped += count
        for reason, count in outcome.left_out.items():
            self._metrics.left_out.labels(reason).inc(count)
            self.totals.left_out += count
        if aside:
            self._metrics.set_aside_waiting.set(len(files_in(self._spool.folder)))
        for each in aside:
            self._metrics.set_aside.labels(each.reason).inc()
            self.totals.set_aside += 1
            _log.error("record set aside", sqlstate=each.reason, remedy="see `sentiment-api set-aside list`")
        if group.newer:
            _log.warning("records wait for a newer release", records=len(group.newer))

    async def _store(self, records: list[Record]) -> _Outcome:
        """Bring the records to Postgres, but for those that it refuses, and return what became of each."""
        try:
            return await self._insert(records)
        except _RowsRefused as refusal:
            if len(records) == 1:
                return _Outcome(Counter(), Counter(), [SetAside(refusal.sqlstate, records[0])])
            middle = len(records) // 2
            return await self._store(records[:middle]) + await self._store(records[middle:])

    async def _insert(self, records: list[Record]) -> _Outcome:
        """Insert all records in one transaction, and make the months and tombstones that are missing for it.

        Raises:
            _RowsRefused: at least one record is at fault.
        """
        for _ in range(2):  # both may be missing
            try:
                return await self._insert_in_known_months(records)
            except asyncpg.CheckViolationError:
                await self._make_months(records)
            except _Unburied as found:
                await bury(self._engine, found.prediction_ids)
        return await self._insert_in_known_months(records)

    async def _insert_in_known_months(self, records: list[Record]) -> _Outcome:
        async with self._engine.connect() as connection:
            # Only what is raised from here on can be a row's fault: a bad certificate is a ValueError, too.
            try:
                async with connection.begin():
                    kept, left_out = await _without_erased(connection, records)
                    raw = await connection.get_raw_connection()
                    driver: asyncpg.Connection = raw.driver_connection
                    for kind, statement in _INSERTS.items():
                        rows = [statement.values(record) for record in kept if type(record) is kind]
                        if rows:
                            await driver.executemany(statement.sql, rows)
            except Exception as error:
                if is_data_error(error):
                    raise _RowsRefused(_sqlstate(error) or "") from error
                raise
        return _Outcome(Counter(map(kind_of, kept)), left_out, [])

    async def _make_months(self, records: list[Record]) -> None:
        async with self._engine.begin() as connection:
            bound = await kept_from(connection)
            ids = [record.prediction_id for record in records if isinstance(record, PredictionRecord)]
            months = {month_of(created_at(each)) for each in ids if each >= bound}
            await make_months(connection, sorted(months))

    def _settle(self, group: _Group, aside: list[SetAside]) -> None:
        """Keep what cannot be stored safe on disk, and drop the segments."""
        for each in aside:
            each.save(self._spool.folder)
        if group.newer:
            self._spool.keep_newer(group.newer)
        for path in group.paths:
            self._spool.discard(path)

    async def _ping(self) -> None:
        """Ask Postgres for nothing, so that an idle service knows how it is."""
        async with asyncio.timeout(_PING_TIMEOUT_S), self._engine.connect() as connection:
            await connection.execute(text("select 1"))

    def _succeeded(self) -> None:
        if self._last_failure:
            _log.info("prediction log ships again")
        self._last_failure = ""
        self.database = "up"
        self._back_off_s = _FIRST_BACK_OFF_S

    async def _failed(self, error: Exception) -> None:
        # The server's own message may carry row values; its kind and SQLSTATE cannot.
        kind = _sqlstate(error) or type(error).__name__
        self._metrics.ship_failures.labels(kind).inc()
        self.totals.retries += 1
        self.totals.last_error = kind
        if not isinstance(error, FilesFailed):
            self.database = "refuses" if _sqlstate(error) else "away"
        if kind != self._last_failure:
            remedy = _REMEDIES.get(kind, "predictions are safe in the spool and are shipped when it is back")
            _log.warning("prediction log waits for Postgres", database=self.database, error=kind, remedy=remedy)
        self._last_failure = kind
        self._count_dropped()
        if self._revive is not None:
            await self._revive()

    def _count_dropped(self) -> None:
        self._metrics.dropped.inc(self._spool.dropped_records - self.totals.dropped)
        self.totals.dropped = self._spool.dropped_records

    def _lag_if_known_s(self) -> float:
        try:
            return self.lag_s()
        except OSError:  # the files may be what fails, and everything else is still to be shown
            return math.nan

    def lag_s(self) -> float:
        """Return the age of the oldest record that Postgres does not hold, in seconds; 0 when it holds all."""
        oldest_ms = self._spool.oldest_ms()
        return 0.0 if oldest_ms is None else max(0.0, time.time() - oldest_ms / 1000)


async def _without_erased(connection: AsyncConnection, records: list[Record]) -> tuple[list[Record], "Counter[str]"]:
    """Return the records that may be stored, and how many may not, by reason; in the transaction that stores them.

    Raises:
        _Unburied: a prediction was erased with its product, and has no tombstone of its own yet.
    """
    await prepare_to_write(connection)  # the spool's copy is removed after the commit
    await connection.execute(select(func.pg_advisory_xact_lock_shared(INSERT_LOCK)))
    bound = await kept_from(connection)
    young = [record for record in records if record.prediction_id >= bound]
    products = {r.prediction_id: r.product_id for r in young if isinstance(r, PredictionRecord)}
    ids, product_ids = {r.prediction_id for r in young}, {each for each in products.values() if each is not None}
    tombstones = await covering(connection, ids, product_ids)
    kept = [record for record in young if not tombstones.cover(record.prediction_id, None)]
    unburied = [r.prediction_id for r in kept if tombstones.cover(r.prediction_id, products.get(r.prediction_id))]
    if unburied:
        # Feedback and shadow answers for them, before or after, do not say of which product they are.
        raise _Unburied(unburied)
    return kept, Counter(expired=len(records) - len(young), erased=len(young) - len(kept))


def _sqlstate(error: Exception) -> str | None:
    """Return the SQLSTATE of an error that Postgres answered with, None of any other."""
    return getattr(getattr(error, "orig", None) or error, "sqlstate", None)


def _is_missing_month(error: Exception) -> bool:
    """A row without a partition is a check violation that no constraint is named for."""
    return isinstance(error, asyncpg.CheckViolationError) and error.constraint_name is None


def is_data_error(error: Exception) -> bool:
    """Return whether Postgres refuses what it was sent as data. What asyncpg cannot encode is of class 22, too."""
    return not _is_missing_month(error) and (_sqlstate(error) or "").startswith(_DATA_ERRORS)
