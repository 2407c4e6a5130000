"""From start to stop: claims the spool, runs the work behind the replies, and at the end ships what is spooled."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

import structlog
from litestar import Litestar
from litestar.concurrency import set_asyncio_executor

from sentiment_api.access.authentication import KEYS_REFRESH_S
from sentiment_api.components import Components, StartedComponents, open_components
from sentiment_api.database.embedded import EmbeddedServer
from sentiment_api.disk_space import STATED_RATE, shown_bytes, spool_room
from sentiment_api.errors import place_of
from sentiment_api.prediction_log.draining import announce, is_draining, withdraw
from sentiment_api.prediction_log.maintenance import MAINTENANCE_INTERVAL_S
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.settings import ServiceSettings
from sentiment_api.telemetry.drift_gauges import DRIFT_REFRESH_S, refresh_drift_gauges

T = TypeVar("T")
P = ParamSpec("P")

_DRAINING_POLL_S = 1.0
_log = structlog.get_logger(__name__)


class Lifespan:
    """Starts and stops the components of one application."""

    def __init__(self, components: Components) -> None:
        """Nothing is touched before `open` or `run`."""
        self.components = components
        self._running: StartedComponents | None = None
        self._drains = False
        self._handlers = ThreadPoolExecutor(components.settings.max_concurrent_requests, "handler")
        self._syncing = ThreadPoolExecutor(1, "fsync")  # by itself: nothing may delay it

    @property
    def running(self) -> StartedComponents:
        """The components that there are from the start to the stop."""
        if self._running is None:
            raise RuntimeError("expected the application to have started")
        return self._running

    def open(self) -> None:
        """Take what is outside of the process: the embedded Postgres is started, a spool in the data folder claimed.

        Raises:
            OperatorError: the embedded Postgres does not start, or the data folder or what is in it cannot be used.
        """
        settings, revive = self.components.settings, None
        if settings.database == "embedded":
            server = EmbeddedServer(settings.data_dir)
            server.start()
            revive = _reviving(server, self.components.files)
        self._running = open_components(self.components, revive)
        _look_at_disk(settings, self._running.spool)
        announce(self._running.spool.folder, settings.port)

    @asynccontextmanager
    async def run(self, _app: Litestar) -> AsyncIterator[None]:
        """Start everything, after `open` unless that was done; at the end finish the queue, ship what is spooled.

        Raises:
            OperatorError: as `open`.
        """
        tasks: list[asyncio.Task[None]] = []
        async with AsyncExitStack() as at_stop:  # in reverse order, each whatever the others do
            at_stop.callback(self._shut_down_pools)
            at_stop.push_async_callback(self.components.engine.dispose)
            if self._running is None:
                await asyncio.get_running_loop().run_in_executor(self.components.files, self.open)
            at_stop.callback(self._give_spool_back)
            at_stop.push_async_callback(self._ship_the_rest)
            at_stop.push_async_callback(_cancel, tasks)
            at_stop.push_async_callback(self._stop_engine)
            await self._start()
            tasks += self._tasks()
            self._tell_ready()
            yield
            _log.info("stopping", spool_bytes=self.running.spool.size_bytes)

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        _handler_pools.of_loops[loop] = self._handlers
        # From a thread: Litestar refuses it on that of an event loop.
        await loop.run_in_executor(self.components.files, set_asyncio_executor, _handler_pools)
        self.running.batcher.start()
        if self.running.shadow is not None:
            self.running.shadow.start()
        await self.components.key_checker.refresh()

    def _tasks(self) -> list[asyncio.Task[None]]:
        """Return what goes on behind the replies, begun."""
        running = self.running
        return [
            asyncio.create_task(running.shipper.run()),
            asyncio.create_task(_repeat(self._sync, self.components.settings.spool_fsync_interval_s)),
            asyncio.create_task(_repeat(running.maintenance.adopt_and_purge, MAINTENANCE_INTERVAL_S)),
            asyncio.create_task(_repeat(running.maintenance.heartbeat, MAINTENANCE_INTERVAL_S)),
            asyncio.create_task(_repeat(self.components.key_checker.refresh, KEYS_REFRESH_S)),
            asyncio.create_task(_repeat(self._refresh_drift_gauges, DRIFT_REFRESH_S)),
            asyncio.create_task(_repeat(self._notice_draining, _DRAINING_POLL_S)),
        ]

    def _tell_ready(self) -> None:
        settings: ServiceSettings = self.components.settings
        if settings.spool_full == "drop_oldest":
            _log.warning("a full spool will lose its oldest predictions", setting="SENTIMENT_SPOOL_FULL=drop_oldest")
        version = self.components.classifier.bundle.manifest.version
        _log.info("ready", address=f"{settings.host}:{settings.port}", model_version=version)

    async def _stop_engine(self) -> None:
        """Finish what is queued; the shadow goes first, as it works beside the engine."""
        try:
            if self.running.shadow is not None:
                await asyncio.get_running_loop().run_in_executor(self.components.files, self.running.shadow.stop)
        finally:
            await asyncio.get_running_loop().run_in_executor(self.components.files, self.running.batcher.stop)

    def _give_spool_back(self) -> None:
        spool = self.running.spool
        self.running.disk_gauges.close()
        self._running = None
        withdraw(spool.folder)
        spool.close()

    def _shut_down_pools(self) -> None:
        files, feedback, look_ups = self.components.files, self.components.feedback, self.components.look_ups
        for pool in (files, feedback, look_ups, self._syncing, self._handlers):
            pool.shutdown(wait=False, cancel_futures=True)

    async def _ship_the_rest(self) -> None:
        running = self.running
        if not await running.shipper.drain(self.components.settings.drain_timeout_s):
            _log.warning("the rest of the spool is for the next start", bytes=running.spool.size_bytes)
        else:
            _log.info("all predictions are in Postgres")
        await running.maintenance.sign_off()

    async def _sync(self) -> None:
        """Bound what a power cut can cost."""
        await asyncio.get_running_loop().run_in_executor(self._syncing, self.running.spool.sync)

    async def _notice_draining(self) -> None:
        """Log when somebody drained the service, or took it back."""
        folder = self.running.spool.folder
        drains = await asyncio.get_running_loop().run_in_executor(self.components.files, is_draining, folder)
        if drains != self._drains:
            _log.info("draining: not ready, and serves on" if drains else "drains no more: ready again")
        self._drains = drains

    async def _refresh_drift_gauges(self) -> None:
        version = self.components.classifier.bundle.manifest.version
        await refresh_drift_gauges(self.components.engine, self.components.metrics, version)


class _HandlerPools(ThreadPoolExecutor):
    """Runs Litestar's sync handlers, each on the pool of the application whose event loop asks.

    Litestar has one executor for the whole process. It is not the loop's default one, which thereby is left to name
    look-ups: those that hang take no handler's thread.
    """

    def __init__(self) -> None:
        super().__init__()
        self.of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, ThreadPoolExecutor] = WeakKeyDictionary()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return self.of_loops[asyncio.get_running_loop()].submit(fn, *args, **kwargs)


_handler_pools: Final = _HandlerPools()


def _look_at_disk(settings: ServiceSettings, spool: Spool) -> None:
    """Log when the disk has less room than the spool may take. Nothing is refused: what is shipped makes room."""
    try:
        room = spool_room(spool.folder, settings.spool_max_bytes, spool.size_bytes)
    except OSError as error:
        _log.warning("the disk does not say how much room it has", error=type(error).__name__, reason=error.strerror)
        return
    free = shown_bytes(room.disk.free_bytes)
    if room.disk.is_full:
        remedy = "make room on the disk of SENTIMENT_DATA_DIR"
        _log.error("the disk is full: predictions may be refused", free=free, files=room.disk.free_files, remedy=remedy)
    elif room.is_short:
        lasts = {"hours_without_postgres": round(room.hours, 1), "at_predictions_per_s": STATED_RATE}
        remedy = "make room, or lower SENTIMENT_SPOOL_MAX_BYTES"
        _log.warning("the disk has less room than the spool may take", free=free, remedy=remedy, **lasts)


def _reviving(server: EmbeddedServer, files: ThreadPoolExecutor) -> Callable[[], Awaitable[None]]:
    """Return what starts an embedded server again that was killed."""

    async def revive() -> None:
        with contextlib.suppress(Exception):  # the next attempt to ship tells whether it helped
            await asyncio.get_running_loop().run_in_executor(files, server.start)

    return revive


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _repeat(work: Callable[[], Awaitable[None]], interval_s: float) -> None:
    """Do `work` every so often until cancelled; a round that fails is logged, and the next one comes."""
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the work must not end with it
            _log.error("background work failed", work=work.__name__, error=type(error).__name__, place=place_of(error))
        await asyncio.sleep(interval_s)
