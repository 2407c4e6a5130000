"""The service on one screen: its parts, its routes, its error mapping and its lifespan."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pkgutil import resolve_name
from typing import Any

import structlog
from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.plugins import PluginProtocol
from litestar.types import ASGIApp
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.access.allowed_hosts import LoopbackHostsOnly
from sentiment_api.access.authentication import KEYS_REFRESH_S, AuthenticationMiddleware, KeyChecker
from sentiment_api.access.key_file import FILE_NAME, KeyFile
from sentiment_api.access.rate_limits import RateLimiter, RateLimitMiddleware
from sentiment_api.database.connection import make_engine
from sentiment_api.database.embedded import EmbeddedServer
from sentiment_api.http.admission import Admission
from sentiment_api.http.bodies import BodyMiddleware
from sentiment_api.http.edge import Edge
from sentiment_api.http.problems import EXCEPTION_HANDLERS, REASONS
from sentiment_api.inference.batching import Batcher
from sentiment_api.inference.capacity import Capacity
from sentiment_api.inference.result_cache import ResultCache
from sentiment_api.model.bundle import open_bundle
from sentiment_api.model.classifier import Classifier
from sentiment_api.model.cores import usable_cores
from sentiment_api.prediction_log.draining import announce, is_draining, withdraw
from sentiment_api.prediction_log.maintenance import MAINTENANCE_INTERVAL_S, Maintenance
from sentiment_api.prediction_log.privacy import TextKeeper, read_or_make_key
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.takeover import claim_spool
from sentiment_api.routes import documentation
from sentiment_api.routes.console import console, console_file
from sentiment_api.routes.drift import ReportPages, drift_report, drift_report_page, drift_reports, latest_drift_report
from sentiment_api.routes.operations import live, metrics, model, ready
from sentiment_api.routes.predict import predict, predict_batch
from sentiment_api.routes.predictions import feedback, logged_prediction, logged_predictions
from sentiment_api.schemas.limits import MAX_BATCH_BYTES, MAX_BATCH_ITEMS, MAX_SINGLE_BYTES
from sentiment_api.settings import ServiceSettings
from sentiment_api.shadow.comparison import Shadow
from sentiment_api.shadow.process import Scorer, ShadowProcess
from sentiment_api.telemetry.drift_gauges import DRIFT_REFRESH_S, refresh_drift_gauges
from sentiment_api.telemetry.metrics import Metrics
from sentiment_api.use_cases.drift import LookUpDrift
from sentiment_api.use_cases.feedback import TakeFeedback
from sentiment_api.use_cases.look_up import ListPredictions, LookUpPrediction
from sentiment_api.use_cases.predict import PredictReviews

_SPARE_THREADS = 4  # beside one for each admitted request: for the name look-ups that asyncio sends to the same pool
_DRAINING_POLL_S = 1.0
_log = structlog.get_logger(__name__)


def create_app(
    settings: ServiceSettings, classifier: Classifier | None = None, shadow_scorer: Scorer | None = None
) -> Litestar:
    """Build the service: load the model and check it, unless one is given; take a spool and connect the parts.

    The shadow model, if there is one, is loaded once the service runs.

    Raises:
        OperatorError: something is missing or damaged; the message says what, and the remedy.
    """
    if classifier is None:
        classifier = Classifier.load(open_bundle(settings.model), settings.engine, settings.threads or usable_cores())
        classifier.self_check()
    if settings.database == "embedded":
        EmbeddedServer(settings.data_dir).start()
    if shadow_scorer is None and settings.shadow_model is not None:
        shadow_scorer = ShadowProcess(settings.shadow_model, settings.engine)
    parts = _Parts(settings, classifier, make_engine(settings), shadow_scorer)
    app = Litestar(
        route_handlers=[
            *(predict, predict_batch, feedback, logged_prediction, logged_predictions),
            *(drift_reports, drift_report, drift_report_page, latest_drift_report),
            *(model, live, ready, metrics, documentation.asset),
            *(console, console_file),
        ],
        dependencies=parts.dependencies(),
        middleware=[
            *(AuthenticationMiddleware(parts.key_checker), BodyMiddleware(settings.body_timeout_s, MAX_BATCH_BYTES)),
            *(RateLimitMiddleware(RateLimiter(parts.engine), parts.admission.expected_tokens), parts.admission),
        ],
        state=State({"metrics": parts.metrics}),
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=[parts.lifespan],
        openapi_config=documentation.openapi(),
        plugins=_plugins(settings),
        request_max_body_size=MAX_SINGLE_BYTES,
        logging_config=None,  # ours is set in __main__; Litestar's would replace the root logger
    )
    pages: ASGIApp = ReportPages(app.asgi_handler)
    alone = settings.keys == "off" and not settings.behind_proxy
    app.asgi_handler = Edge(LoopbackHostsOnly(pages) if alone else pages, parts.metrics)
    return app


class _Parts:
    """The parts of one process, made in the order in which they need each other."""

    def __init__(
        self, settings: ServiceSettings, classifier: Classifier, engine: AsyncEngine, shadow_scorer: Scorer | None
    ) -> None:
        self.settings = settings
        self.classifier = classifier
        self.engine = engine
        self.files = ThreadPoolExecutor(4, thread_name_prefix="files")
        self.syncing = ThreadPoolExecutor(1, thread_name_prefix="fsync")  # by itself: nothing may delay it
        self.metrics = Metrics()
        manifest = classifier.bundle.manifest
        self.metrics.model.labels(manifest.name, manifest.version, classifier.engine.name).set(1)
        self.metrics.initialize_counters(labels=manifest.labels, reasons=REASONS)
        self.metrics.admitted_max_requests.set(settings.max_concurrent_requests)
        self.metrics.spool_max_bytes.set(settings.spool_max_bytes)
        self.capacity = Capacity(
            tokens_per_s=classifier.measured_rate(),
            max_tokens=settings.max_queued_tokens,
            max_text_tokens=manifest.max_tokens,
            metrics=self.metrics,
        )
        self.admission = Admission(
            self.capacity,
            places=settings.max_concurrent_requests,
            max_texts={"single": 1, "batch": MAX_BATCH_ITEMS},
            timeout_s={"single": settings.request_timeout_s, "batch": settings.batch_timeout_s},
        )
        key_file = KeyFile(settings.data_dir / FILE_NAME, self.files)
        self.key_checker = KeyChecker(engine, self.metrics, key_file, required=settings.keys == "required")
        self.spool = claim_spool(
            settings.data_dir / "spool",
            settings.spool_max_bytes,
            when_full=settings.spool_full,
            fsync=settings.spool_fsync,
        )
        announce(self.spool.folder, settings.port)
        self._drains = False
        self.shadow = None
        if shadow_scorer is not None:
            self.shadow = Shadow(shadow_scorer, settings.shadow_share, self.spool, self.metrics)
        self.batcher = Batcher(classifier, self.capacity, self.metrics, self.shadow)
        self.shipper = Shipper(self.spool, engine, self.metrics, self.files, self._revive_embedded())
        keeper = TextKeeper(settings.text_policy, read_or_make_key(settings.data_dir), settings.phone_region)
        cache = ResultCache(settings.cache_bytes, self.metrics)
        clear_caches = [cache.clear, *([self.shadow.forget] if self.shadow else [])]
        self.maintenance = Maintenance(self.spool, self.shipper, engine, self.files, self.metrics, clear_caches)
        self.predict_reviews = PredictReviews(
            classifier, self.batcher, cache, self.spool, keeper, self.metrics, self.shadow
        )
        pending_window = dt.timedelta(hours=settings.pending_window_h)
        self.take_feedback = TakeFeedback(manifest, self.spool, engine, self.files, self.metrics, pending_window)
        self.look_up = LookUpPrediction(self.spool, engine, self.files)
        self.list_predictions = ListPredictions(engine)
        self.look_up_drift = LookUpDrift(engine, self.files, manifest.version)

    def dependencies(self) -> dict[str, Provide]:
        """Return what routes may ask for, by parameter name."""
        names = (
            *("settings", "classifier", "batcher", "metrics", "spool", "shipper", "shadow", "key_checker"),
            *("predict_reviews", "take_feedback", "look_up", "list_predictions", "look_up_drift"),
        )
        return {name: Provide(_always(getattr(self, name)), sync_to_thread=False) for name in names}

    @asynccontextmanager
    async def lifespan(self, _app: Litestar) -> AsyncIterator[None]:
        """Run the engine threads and the shipper; at the end finish the queue, then ship what is spooled."""
        handlers = ThreadPoolExecutor(self.settings.max_concurrent_requests + _SPARE_THREADS, "handler")
        asyncio.get_running_loop().set_default_executor(handlers)
        self.batcher.start()
        if self.shadow is not None:
            self.shadow.start()
        await self.key_checker.refresh()
        version = self.classifier.bundle.manifest.version
        if self.settings.spool_full == "drop_oldest":
            _log.warning("a full spool will lose its oldest predictions", setting="SENTIMENT_SPOOL_FULL=drop_oldest")
        tasks = [
            asyncio.create_task(self.shipper.run()),
            asyncio.create_task(_repeat(self._sync, self.settings.spool_fsync_interval_s)),
            asyncio.create_task(_repeat(self.maintenance.adopt_and_purge, MAINTENANCE_INTERVAL_S)),
            asyncio.create_task(_repeat(self.maintenance.heartbeat, MAINTENANCE_INTERVAL_S)),
            asyncio.create_task(_repeat(self.key_checker.refresh, KEYS_REFRESH_S)),
            asyncio.create_task(_repeat(self._refresh_drift_gauges, DRIFT_REFRESH_S)),
            asyncio.create_task(_repeat(self._notice_draining, _DRAINING_POLL_S)),
        ]
        _log.info("ready", address=f"{self.settings.host}:{self.settings.port}", model_version=version)
        yield
        _log.info("stopping", spool_bytes=self.spool.size_bytes)
        for part in (self.shadow, self.batcher):
            if part is not None:
                await asyncio.get_running_loop().run_in_executor(self.files, part.stop)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if not await self.shipper.drain(self.settings.drain_timeout_s):
            _log.warning("the rest of the spool is for the next start", bytes=self.spool.size_bytes)
        else:
            _log.info("all predictions are in Postgres")
        await self.maintenance.sign_off()
        withdraw(self.spool.folder)
        self.spool.close()
        await self.engine.dispose()
        for pool in (self.files, self.syncing, handlers):
            pool.shutdown(wait=False, cancel_futures=True)

    async def _sync(self) -> None:
        """Bound what a power cut can cost."""
        await asyncio.get_running_loop().run_in_executor(self.syncing, self.spool.sync)

    async def _notice_draining(self) -> None:
        """Have the log tell when somebody drained the service, or took it back."""
        drains = await asyncio.get_running_loop().run_in_executor(self.files, is_draining, self.spool.folder)
        if drains != self._drains:
            _log.info("draining: not ready, and serves on" if drains else "drains no more: ready again")
        self._drains = drains

    async def _refresh_drift_gauges(self) -> None:
        await refresh_drift_gauges(self.engine, self.metrics, self.classifier.bundle.manifest.version)

    def _revive_embedded(self) -> Callable[[], Any] | None:
        if self.settings.database != "embedded":
            return None
        server = EmbeddedServer(self.settings.data_dir)

        async def revive() -> None:
            with contextlib.suppress(Exception):  # the next attempt to ship tells whether it helped
                await asyncio.get_running_loop().run_in_executor(self.files, server.start)

        return revive


async def _repeat(work: Callable[[], Awaitable[None]], interval_s: float) -> None:
    """Do `work` every so often until cancelled; a round that fails is logged, and the next one comes."""
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the work must not end with it
            _log.error("background work failed", work=work.__name__, error=type(error).__name__)
        await asyncio.sleep(interval_s)


def _always(value: Any) -> Callable[[], Any]:  # noqa: ANN401 - any part
    return lambda: value


def _plugins(settings: ServiceSettings) -> list[PluginProtocol]:
    """Return who tells others of requests. Found by name: importing them takes a second and 12 MB."""
    if settings.otel_sdk_disabled:
        return []
    told = settings.apitally_write_token is not None
    # Apitally hears of a request by its span.
    names = ["sentiment_api.telemetry.tracing:Tracing"] if told or settings.trace_exporters() else []
    names += ["sentiment_api.telemetry.apitally:apitally_plugin"] if told else []
    return [resolve_name(name)(settings) for name in names]
