"""What is done for the log beside shipping: the heartbeat, dead neighbours, erasure from this process's files."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.connection import DATABASE_ERRORS
from sentiment_api.database.erasures import (
    HEARTBEAT_TIMEOUT_S,
    deregister_spools,
    find_tombstones,
    last_tombstone,
    record_heartbeat,
    write_tombstones,
)
from sentiment_api.errors import FilesFailed
from sentiment_api.files import folder_lock, in_file_thread
from sentiment_api.prediction_log.segments import read_segment
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.prediction_log.spool_folders import SET_ASIDE, set_aside_files
from sentiment_api.prediction_log.storing import is_data_error
from sentiment_api.prediction_log.takeover import adopt
from sentiment_api.telemetry.metrics import Metrics

T = TypeVar("T")

MAINTENANCE_INTERVAL_S = HEARTBEAT_TIMEOUT_S / 4
_FIRST = UUID(int=0)
_SIGN_OFF_TIMEOUT_S = 2.0
_log = structlog.get_logger(__name__)


class _Subject(msgspec.Struct):
    """What every release's records say of whom they are about."""

    prediction_id: UUID
    product_id: str | None = None


class _SetAside(msgspec.Struct):
    """The same of a record set aside."""

    record: _Subject


_decoder = msgspec.msgpack.Decoder(_Subject)


class Maintenance:
    """The maintenance of one process's spool."""

    def __init__(
        self,
        spool: Spool,
        shipper: Shipper,
        engine: AsyncEngine,
        executor: Executor,
        metrics: Metrics,
        clear_caches: Sequence[Callable[[], None]],
    ) -> None:
        """`executor` reads and writes files; each of `clear_caches` empties what keeps texts or answers in memory."""
        self._spool = spool
        self._shipper = shipper
        self._engine = engine
        self._executor = executor
        self._metrics = metrics
        self._clear_caches = clear_caches
        self._purged_to = 0
        self._kept_from = _FIRST
        self._adopted_files = 0
        self._empty_spools: set[UUID] = set()

    async def adopt_and_purge(self) -> None:
        """Take over what dead processes left, then purge this process's files of what was erased, and report that.

        Without Postgres nobody knows what was erased; what was taken over meanwhile is purged when it is back.

        Raises:
            FilesFailed: a file cannot be read or written. What else could be done was.
        """
        try:
            await self._adopt()
        finally:
            self._metrics.set_aside_waiting.set(len(set_aside_files(self._spool.folder)))
            try:
                await self._purge_erased()
            except DATABASE_ERRORS as error:  # the shipper reports it
                if is_data_error(error):
                    raise

    async def heartbeat(self) -> None:
        """Report that this process lives and how far its files are purged. Nothing holds this up for long."""
        host, folder = socket.gethostname(), str(self._spool.folder)
        with contextlib.suppress(*DATABASE_ERRORS):
            await record_heartbeat(self._engine, self._spool.spool_id, host, folder, self._purged_to)

    async def sign_off(self) -> None:
        """Report that this process ends, if nothing is left that an erasure could have to wait for."""
        if self._spool.size_bytes or self._spool.newer_records or set_aside_files(self._spool.folder):
            return
        with contextlib.suppress(*DATABASE_ERRORS):
            async with asyncio.timeout(_SIGN_OFF_TIMEOUT_S):
                await deregister_spools(self._engine, [self._spool.spool_id])

    async def _adopt(self) -> None:
        try:
            adoption = await in_file_thread(self._executor, partial(adopt, self._spool))
            self._empty_spools = adoption.empty
        finally:
            if self._spool.adopted_files != self._adopted_files:
                self._adopted_files = self._spool.adopted_files
                # What came may hold what was erased long ago. Until it is purged this process has not purged.
                self._purged_to, self._kept_from = 0, _FIRST
                _log.info("took over what dead processes had left")
                await self._shipper.wake()
        if adoption.error is not None:
            raise FilesFailed(adoption.error.strerror) from adoption.error

    async def _purge_erased(self) -> None:
        number, bound = await last_tombstone(self._engine)
        if (number, bound) != (self._purged_to, self._kept_from):
            await self._purge(bound)
        self._purged_to, self._kept_from = number, bound
        await self.heartbeat()
        await deregister_spools(self._engine, self._empty_spools, lived_within_s=HEARTBEAT_TIMEOUT_S)

    async def _purge(self, bound: UUID) -> None:
        """Remove from this process's files what was erased, and what is too old to be kept."""
        # The shipper has no record in its hands now, to put back afterwards.
        async with self._shipper.busy:
            await in_file_thread(self._executor, self._spool.seal)
            files = [*self._spool.segments(), *self._spool.newer_files()]
            removed = [await self._purge_file(path, bound) for path in (*files, *set_aside_files(self._spool.folder))]
        if any(removed):
            _log.info("erased from the spool", records=sum(removed))
        for clear in self._clear_caches:
            clear()

    async def _purge_file(self, path: Path, bound: UUID) -> int:
        """Purge one file; return how many records were removed."""
        found = await in_file_thread(self._executor, partial(_subjects, path))
        gone = await self._erased([subject for subject in found if subject is not None], bound)
        if gone:
            await in_file_thread(self._executor, partial(_remove, self._spool, path, gone))
        return len(gone)

    async def _erased(self, subjects: list[_Subject], bound: UUID) -> set[UUID]:
        """Return which of the predictions were erased, or are too old."""
        # Postgres holds no NUL: no tombstone names such a product, and it would refuse the question.
        products = {each.product_id for each in subjects if each.product_id is not None and "\0" not in each.product_id}
        async with self._engine.connect() as connection:
            tombstones = await find_tombstones(connection, {each.prediction_id for each in subjects}, products)
        erased = {each.prediction_id for each in subjects if tombstones.cover(each.prediction_id, each.product_id)}
        if erased:
            # Before their records go: they are all that tells of which product they are.
            await write_tombstones(self._engine, erased)
        return erased | {each.prediction_id for each in subjects if each.prediction_id < bound}


def _subjects(path: Path) -> list[_Subject | None]:
    """Return whom the records of a file are about, None for those that do not tell."""
    if path.parent.name == SET_ASIDE:
        # Also where the record in it is not as it must be: somebody may have been mending it.
        with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
            return [msgspec.json.decode(path.read_bytes(), type=_SetAside).record]
        return []
    with contextlib.suppress(FileNotFoundError):  # it gave way to newer records
        return [_subject(payload) for payload in read_segment(path).payloads]
    return []


def _subject(payload: bytes) -> _Subject | None:
    try:
        return _decoder.decode(payload)
    except msgspec.DecodeError:
        return None


def _remove(spool: Spool, path: Path, prediction_ids: set[UUID]) -> None:
    if path.parent.name == SET_ASIDE:
        with folder_lock(path.parent):
            path.unlink(missing_ok=True)
        return
    with contextlib.suppress(FileNotFoundError):  # it gave way to newer records
        payloads = read_segment(path).payloads
        found = map(_subject, payloads)
        kept = [each for each, subject in zip(payloads, found, strict=True) if _stays(subject, prediction_ids)]
        spool.rewrite(path, kept)


def _stays(subject: _Subject | None, gone: set[UUID]) -> bool:
    return subject is None or subject.prediction_id not in gone
