"""The service on one screen: its parts, its routes, its error mapping and its lifespan."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import structlog
from apitally.litestar import ApitallyPlugin
from litestar import Litestar
from litestar.di import Provide
from litestar.plugins import PluginProtocol
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api import __version__
from sentiment_api.admission import Admission
from sentiment_api.batching import Batcher
from sentiment_api.bundle import open_bundle
from sentiment_api.classifier import Classifier
from sentiment_api.cores import usable_cores
from sentiment_api.database.connection import make_engine
from sentiment_api.database.embedded import EmbeddedServer
from sentiment_api.drift_gauges import keep_drift_gauges
from sentiment_api.edge import Edge
from sentiment_api.metrics import Metrics
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.privacy import TextKeeper, read_or_make_key
from sentiment_api.problems import EXCEPTION_HANDLERS
from sentiment_api.routes import documentation
from sentiment_api.routes.feedback import feedback, logged_prediction
from sentiment_api.routes.operations import MAX_SINGLE_BYTES, live, metrics, model, ready
from sentiment_api.routes.predict import predict, predict_batch
from sentiment_api.settings import ServiceSettings
from sentiment_api.use_cases.feedback import TakeFeedback
from sentiment_api.use_cases.look_up import LookUpPrediction
from sentiment_api.use_cases.predict import PredictReviews

_SPARE_THREADS = 4  # beside one for each admitted request: for the name look-ups that asyncio sends to the same pool
_log = structlog.get_logger(__name__)


def create_app(settings: ServiceSettings) -> Litestar:
    """Build the service: load the model, check it, take a spool, and connect the parts.

    Raises:
        StartupError: something is missing or damaged; the message says what, and the remedy.
    """
    classifier = Classifier.load(open_bundle(settings.model), settings.engine, settings.threads or usable_cores())
    classifier.self_check()
    if settings.database == "embedded":
        EmbeddedServer(settings.data_dir).start()
    parts = _Parts(settings, classifier, make_engine(settings))
    app = Litestar(
        route_handlers=[
            *(predict, predict_batch, feedback, logged_prediction),
            *(model, live, ready, metrics, documentation.assets()),
        ],
        dependencies=parts.dependencies(),
        middleware=[parts.admission],
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=[parts.lifespan],
        openapi_config=documentation.openapi(),
        plugins=_plugins(settings),
        request_max_body_size=MAX_SINGLE_BYTES,
        logging_config=None,  # ours is set in __main__; Litestar's would replace the root logger
    )
    app.asgi_handler = Edge(app.asgi_handler, parts.metrics)
    return app


class _Parts:
    """The parts of one process, made in the order in which they need each other."""

    def __init__(self, settings: ServiceSettings, classifier: Classifier, engine: AsyncEngine) -> None:
        self.settings = settings
        self.classifier = classifier
        self.engine = engine
        self.files = ThreadPoolExecutor(2, thread_name_prefix="files")
        self.metrics = Metrics()
        manifest = classifier.bundle.manifest
        self.metrics.model.labels(manifest.name, manifest.version, classifier.engine.name).set(1)
        self.batcher = Batcher(
            classifier,
            max_batch_tokens=settings.max_batch_tokens,
            max_queued_tokens=settings.max_queued_tokens,
            metrics=self.metrics,
        )
        self.admission = Admission(settings.max_concurrent_requests, self.batcher, self.metrics)
        self.spool = Spool.claim(settings.data_dir / "spool", settings.spool_max_bytes)
        self.shipper = Shipper(self.spool, engine, self.metrics, self._revive_embedded())
        keeper = TextKeeper(settings.text_policy, read_or_make_key(settings.data_dir))
        self.predict_reviews = PredictReviews(classifier, self.batcher, self.spool, keeper, self.metrics)
        pending_window = dt.timedelta(hours=settings.pending_window_h)
        self.take_feedback = TakeFeedback(manifest, self.spool, engine, self.metrics, pending_window)
        self.look_up = LookUpPrediction(self.spool, engine, self.files)

    def dependencies(self) -> dict[str, Provide]:
        """Return what routes may ask for, by parameter name."""
        names = ("settings", "classifier", "metrics", "spool", "shipper", "predict_reviews", "take_feedback", "look_up")
        return {name: Provide(_always(getattr(self, name)), sync_to_thread=False) for name in names}

    @asynccontextmanager
    async def lifespan(self, _app: Litestar) -> AsyncIterator[None]:
        """Run the engine threads and the shipper; at the end finish the queue, then ship what is spooled."""
        handlers = ThreadPoolExecutor(self.settings.max_concurrent_requests + _SPARE_THREADS, "handler")
        asyncio.get_running_loop().set_default_executor(handlers)
        self.batcher.start()
        version = self.classifier.bundle.manifest.version
        tasks = [
            asyncio.create_task(self.shipper.run()),
            asyncio.create_task(self._keep_syncing()),
            asyncio.create_task(keep_drift_gauges(self.engine, self.metrics, version)),
        ]
        _log.info("ready", model=self.classifier.bundle.manifest.name, version=version)
        yield
        await self._in_files(self.batcher.stop)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if not await self.shipper.drain(self.settings.drain_timeout_s):
            _log.warning("the rest of the spool is for the next start", bytes=self.spool.size_bytes)
        self.spool.close()
        await self.engine.dispose()
        self.files.shutdown()

    async def _keep_syncing(self) -> None:
        """Bound what a power cut can cost."""
        while True:
            await asyncio.sleep(self.settings.spool_fsync_interval_s)
            await self._in_files(self.spool.sync)

    def _revive_embedded(self) -> Callable[[], Any] | None:
        if self.settings.database != "embedded":
            return None
        server = EmbeddedServer(self.settings.data_dir)

        async def revive() -> None:
            with contextlib.suppress(Exception):  # the next attempt to ship tells whether it helped
                await self._in_files(server.start)

        return revive

    async def _in_files(self, work: Callable[[], Any]) -> None:
        await asyncio.get_running_loop().run_in_executor(self.files, work)


def _always(value: Any) -> Callable[[], Any]:  # noqa: ANN401 - any part
    return lambda: value


def _plugins(settings: ServiceSettings) -> list[PluginProtocol]:
    if settings.apitally_write_token is None:
        return []
    # Bodies hold reviews, which are personal data: never captured.
    return [
        ApitallyPlugin(
            write_token=settings.apitally_write_token.get_secret_value(),
            app_version=__version__,
            capture_request_body=False,
            capture_logs=False,
            capture_response_body=False,
        )
    ]
