"""What a process does for its log now and then: its heartbeat, taking over dead neighbours' spools, erasing."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.connection import DATABASE_ERRORS
from sentiment_api.database.erasures import (
    HEARTBEAT_TIMEOUT_S,
    deregister_spools,
    last_tombstone,
    record_heartbeat,
)
from sentiment_api.errors import FilesFailed
from sentiment_api.files import in_file_thread
from sentiment_api.prediction_log.erasing import erase_from_files
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.prediction_log.spool_folders import set_aside_files
from sentiment_api.prediction_log.storing import is_data_error
from sentiment_api.prediction_log.takeover import adopt
from sentiment_api.telemetry.metrics import Metrics

MAINTENANCE_INTERVAL_S = HEARTBEAT_TIMEOUT_S / 4
_FIRST = UUID(int=0)
SIGN_OFF_TIMEOUT_S = 2.0
_log = structlog.get_logger(__name__)


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
        self._oldest_kept_id = _FIRST
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
            async with asyncio.timeout(SIGN_OFF_TIMEOUT_S):
                await deregister_spools(self._engine, [self._spool.spool_id])

    async def _adopt(self) -> None:
        try:
            adoption = await in_file_thread(self._executor, partial(adopt, self._spool))
            self._empty_spools = adoption.empty
        finally:
            if self._spool.adopted_files != self._adopted_files:
                self._adopted_files = self._spool.adopted_files
                # What came may hold what was erased long ago. Until it is purged this process has not purged.
                self._purged_to, self._oldest_kept_id = 0, _FIRST
                _log.info("took over what dead processes had left")
                await self._shipper.wake()
        if adoption.error is not None:
            raise FilesFailed(adoption.error.strerror) from adoption.error

    async def _purge_erased(self) -> None:
        number, oldest_kept_id = await last_tombstone(self._engine)
        if (number, oldest_kept_id) != (self._purged_to, self._oldest_kept_id):
            await self._purge(oldest_kept_id)
        self._purged_to, self._oldest_kept_id = number, oldest_kept_id
        await self.heartbeat()
        await deregister_spools(self._engine, self._empty_spools, lived_within_s=HEARTBEAT_TIMEOUT_S)

    async def _purge(self, oldest_kept_id: UUID) -> None:
        """Remove from this process's files, and from its memory, what was erased or is too old to be kept."""
        async with self._shipper.busy:  # it has no records in its hands now, to put back afterwards
            removed = await erase_from_files(self._spool, self._engine, self._executor, oldest_kept_id)
        if removed:
            _log.info("erased from the spool", records=removed)
        for clear in self._clear_caches:
            clear()
