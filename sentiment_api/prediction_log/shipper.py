"""Moves the spool to Postgres, off the request path, for as long as it takes.

A shipment goes in one transaction of idempotent inserts, and its segments are unlinked after the commit: a crash in
between ships it again, which changes nothing. What was erased meanwhile, or is older than what is kept, is left out in
the same transaction. What Postgres refuses as data is set aside, row by row.

Everything else is tried again for ever, at most 15 s apart, and nothing is lost. There are three kinds of it:

- Postgres is away, full, read-only or unmigrated: `database` says so.
- The spool's files cannot be read or written: `last_error` is `FilesFailed`.
- A defect of the service itself: `defect` names the kind and the place. It needs another release, not another Postgres.
"""

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from functools import partial

import msgspec
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.refusals import is_refusal, refusal_line, sqlstate_of
from sentiment_api.errors import FilesFailed, place_of
from sentiment_api.files import in_file_thread
from sentiment_api.prediction_log.set_aside import UNDECODABLE, SetAsideRecord
from sentiment_api.prediction_log.shipments import Shipment, ShipmentReader
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.prediction_log.spool_folders import set_aside_files
from sentiment_api.prediction_log.storing import POSTGRES_ERRORS, StoreOutcome, store
from sentiment_api.telemetry.metrics import Metrics

POLL_S = 1.0
GATHER_S = 0.2  # after a wake-up, so that a busy moment is one transaction and not fifty
_FIRST_BACK_OFF_S = 0.2
_LONGEST_BACK_OFF_S = 15.0
_PING_TIMEOUT_S = 2.0
_SAFE = "predictions are safe in the spool and are shipped when"
_log = structlog.get_logger(__name__)


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
        self._shipments = ShipmentReader(spool)
        self._engine = engine
        self._metrics = metrics
        self._executor = executor
        self._revive = revive
        self._woken = asyncio.Event()
        self._back_off_s = _FIRST_BACK_OFF_S
        self.busy = asyncio.Lock()
        """Held while a shipment is between the files and Postgres."""
        self.totals = LogTotals()
        self.database = "unknown"
        """`up`, `away`, `refuses` when it answers and will not store, or `unknown` before the first attempt."""
        self.reason: str | None = None
        """Why it is away or refuses, and the remedy, in one line."""
        self.defect: str | None = None
        """What of the service itself kept the last attempt from shipping: `KeyError at sentiment_api/x.py:7`."""
        self._last_failure = ""
        # Asked for when they are read: an attempt that hangs, or ships for minutes, must not hold them.
        metrics.spool_bytes.set_function(lambda: spool.size_bytes)
        metrics.spool_lag.set_function(self.lag_s)
        metrics.newer.set_function(lambda: spool.newer_records)

    async def wake(self) -> None:
        """Say that there is something to ship. The background task of a reply: it sets a flag and is done."""
        self._woken.set()

    async def run(self) -> None:
        """Ship whenever woken, and every `POLL_S` anyway, until cancelled.

        Whatever fails on the way is a defect that shows, and the next round comes: without this task predictions
        would be spooled until the spool is full, and nobody told.
        """
        while True:
            try:
                await self._round()
            except Exception as error:  # noqa: BLE001 - whatever it is, the task must not end with it
                self._set_defect(f"{type(error).__name__} at {place_of(error)}")
                self._report(error, type(error).__name__)
                await asyncio.sleep(_LONGEST_BACK_OFF_S)

    async def _round(self) -> None:
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
            await in_file_thread(self._executor, self._spool.seal)
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
        """Ship the oldest segments; return whether there were any."""
        async with self.busy:
            shipment = await in_file_thread(self._executor, self._shipments.next)
            if shipment is not None:
                await self._send(shipment)
        return shipment is not None

    async def _send(self, shipment: Shipment) -> None:
        outcome = await store(self._engine, shipment.records)
        aside = [*outcome.refused, *(SetAsideRecord(UNDECODABLE, payload) for payload in shipment.undecodable)]
        waiting = await in_file_thread(self._executor, partial(self._settle, shipment, aside))
        # Only now: a shipment that could not be settled is read again.
        self._metrics.set_aside_waiting.set(waiting)
        self._count(shipment, outcome, aside)

    def _count(self, shipment: Shipment, outcome: StoreOutcome, aside: list[SetAsideRecord]) -> None:
        self._metrics.damaged.inc(shipment.damaged_bytes)
        for kind, count in outcome.stored.items():
            self._metrics.shipped.labels(kind).inc(count)
            self.totals.shipped += count
        for reason, count in outcome.left_out.items():
            self._metrics.left_out.labels(reason).inc(count)
            self.totals.left_out += count
        for each in aside:
            self._metrics.set_aside.labels(each.reason).inc()
            self.totals.set_aside += 1
            _log.error("record set aside", sqlstate=each.reason, remedy="see `sentiment-api set-aside list`")
        if shipment.newer:
            _log.warning("records wait for a newer release", records=len(shipment.newer))

    def _settle(self, shipment: Shipment, aside: list[SetAsideRecord]) -> int:
        """Keep what cannot be stored safe on disk and drop the segments; return how many records are set aside."""
        for each in aside:
            each.save(self._spool.folder)
        if shipment.newer:
            self._spool.keep_newer(shipment.newer)
        for path in shipment.paths:
            self._spool.discard(path)
        return len(set_aside_files(self._spool.folder))

    async def _ping(self) -> None:
        """Ask Postgres for nothing, so that an idle service knows how it is."""
        async with asyncio.timeout(_PING_TIMEOUT_S), self._engine.connect() as connection:
            await connection.execute(text("select 1"))

    def _succeeded(self) -> None:
        if self._last_failure:
            _log.info("prediction log ships again")
        self._last_failure = ""
        self.database, self.reason = "up", None
        self._set_defect(None)
        self._back_off_s = _FIRST_BACK_OFF_S

    async def _failed(self, error: Exception) -> None:
        # The server's own message may carry row values; its kind and SQLSTATE cannot.
        kind = sqlstate_of(error) or type(error).__name__
        self._metrics.ship_failures.labels(kind).inc()
        self.totals.retries += 1
        self.totals.last_error = kind
        self._count_dropped()
        is_defect = not isinstance(error, (FilesFailed, *POSTGRES_ERRORS))
        self._set_defect(f"{kind} at {place_of(error)}" if is_defect else None)
        if isinstance(error, POSTGRES_ERRORS):
            self.database, self.reason = "refuses" if is_refusal(error) else "away", refusal_line(error)
        if (failure := self.defect or kind) != self._last_failure:
            self._report(error, kind)
        self._last_failure = failure
        if self._revive is not None and not is_defect:
            await self._revive()

    def _set_defect(self, defect: str | None) -> None:
        self.defect = defect
        self._metrics.shipper_defect.set(defect is not None)

    def _report(self, error: Exception, kind: str) -> None:
        if self.defect is not None:
            remedy = f"report it, and run another release; {_SAFE} it runs"
            _log.error("a defect keeps the log from being shipped", error=kind, place=place_of(error), remedy=remedy)
        elif isinstance(error, FilesFailed):
            remedy = "look at the disk of SENTIMENT_DATA_DIR: its files cannot be read or written"
            _log.warning("prediction log waits for its files", error=kind, remedy=remedy)
        else:
            state = {"database": self.database, "reason": self.reason}
            _log.warning("prediction log waits for Postgres", error=kind, remedy=f"{_SAFE} it is well", **state)

    def _count_dropped(self) -> None:
        self._metrics.dropped.inc(self._spool.dropped_records - self.totals.dropped)
        self.totals.dropped = self._spool.dropped_records

    def lag_s(self) -> float:
        """Return the age of the oldest record that Postgres does not hold, in seconds; 0 when it holds all.

        NaN while the files cannot be read: everything else is still to be shown.
        """
        try:
            oldest_ms = self._spool.oldest_ms()
        except OSError:
            return math.nan
        return 0.0 if oldest_ms is None else max(0.0, time.time() - oldest_ms / 1000)
