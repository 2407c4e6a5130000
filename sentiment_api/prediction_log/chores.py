"""What a process does now and then for the prediction log: says that it lives, looks after dead neighbours, erases."""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import Executor
from uuid import UUID

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.connection import DATABASE_ERRORS
from sentiment_api.database.erasures import LIVES_S, Tombstones, say_alive, say_gone, tombstones_after
from sentiment_api.metrics import Metrics
from sentiment_api.prediction_log.set_aside import files_in
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.spool import Spool, read_segment

CHORES_S = LIVES_S / 4
_log = structlog.get_logger(__name__)


class _Subject(msgspec.Struct):
    """What every release's records say of whom they are about."""

    prediction_id: UUID
    product_id: str | None = None


class _SetAside(msgspec.Struct):
    """The same of a record set aside."""

    record: _Subject


_decoder = msgspec.msgpack.Decoder(_Subject)


class Chores:
    """The chores of one process."""

    def __init__(
        self,
        spool: Spool,
        shipper: Shipper,
        engine: AsyncEngine,
        executor: Executor,
        metrics: Metrics,
        forget_answers: Callable[[], None],
    ) -> None:
        """`executor` reads and writes files; `forget_answers` empties what keeps answers of texts seen before."""
        self._spool = spool
        self._shipper = shipper
        self._engine = engine
        self._executor = executor
        self._metrics = metrics
        self._forget_answers = forget_answers
        self._purged_to = 0

    async def do(self) -> None:
        """Do all of them once. Without Postgres there is nothing to erase yet: it says what is erased."""
        adopted = await asyncio.get_running_loop().run_in_executor(self._executor, self._spool.adopt)
        if adopted:
            _log.info("took over what dead processes had left", spools=adopted)
            await self._shipper.wake()
        self._metrics.set_aside_waiting.set(len(files_in(self._spool.folder)))
        try:
            await self._say_alive()
            await self._purge(from_the_start=bool(adopted))
            await self._say_alive()
        except DATABASE_ERRORS:
            return  # the shipper tells

    async def end(self) -> None:
        """Take leave, if nothing is left that an erasure could have to wait for."""
        if self._spool.size_bytes or self._spool.newer_records or files_in(self._spool.folder):
            return
        try:
            await say_gone(self._engine, self._spool.spool_id)
        except DATABASE_ERRORS:
            return

    async def _purge(self, *, from_the_start: bool) -> None:
        """Remove from this process's files what was erased since it last looked."""
        number, tombstones = await tombstones_after(self._engine, 0 if from_the_start else self._purged_to)
        if tombstones:
            # The shipper has no record in its hands now, to put back afterwards.
            async with self._shipper.busy:
                loop = asyncio.get_running_loop()
                removed = await loop.run_in_executor(self._executor, self._purge_files, tombstones)
            self._forget_answers()
            _log.info("erased from the spool", records=removed)
        self._purged_to = number

    async def _say_alive(self) -> None:
        host, folder = socket.gethostname(), str(self._spool.folder)
        await say_alive(self._engine, self._spool.spool_id, host, folder, self._purged_to)

    def _purge_files(self, tombstones: Tombstones) -> int:
        """Return how many records were removed."""
        self._spool.seal()
        removed = 0
        for path in [*self._spool.segments(), *self._spool.newer_files()]:
            found = read_segment(path).payloads
            kept = [payload for payload in found if not _covers(tombstones, payload)]
            removed += len(found) - len(kept)
            if len(kept) < len(found):
                self._spool.replace(path, kept)
        for path in files_in(self._spool.folder):
            if _covers_file(tombstones, path.read_bytes()):
                path.unlink()
                removed += 1
        return removed


def _covers(tombstones: Tombstones, payload: bytes) -> bool:
    try:
        subject = _decoder.decode(payload)
    except msgspec.DecodeError:
        return False
    return tombstones.cover(subject.prediction_id, subject.product_id)


def _covers_file(tombstones: Tombstones, content: bytes) -> bool:
    """Also where the record in it is not as it must be: somebody may have been mending it."""
    try:
        subject = msgspec.json.decode(content, type=_SetAside).record
    except msgspec.DecodeError:
        return False
    return tombstones.cover(subject.prediction_id, subject.product_id)
