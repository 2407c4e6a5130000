"""The object graph: what one process is made of, in the order in which the components need each other.

Here components are put together and nothing else: `lifespan` starts and stops them, `app` hands them to the routes.
"""

import datetime as dt
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.access.authentication import KeyChecker
from sentiment_api.access.key_file import FILE_NAME, KeyFile
from sentiment_api.access.rate_limits import RateLimiter
from sentiment_api.database.connection import make_engine, most_connections
from sentiment_api.database.embedded import EmbeddedServer
from sentiment_api.http.admission import Admission
from sentiment_api.http.problems import REASONS
from sentiment_api.inference.batching import Batcher
from sentiment_api.inference.capacity import Capacity
from sentiment_api.inference.result_cache import ResultCache
from sentiment_api.model.bundle import open_bundle
from sentiment_api.model.classifier import Classifier
from sentiment_api.model.cores import usable_cores
from sentiment_api.prediction_log.look_ups.spool_look_ups import SpoolLookUps
from sentiment_api.prediction_log.look_ups.spool_reader import SpoolReader
from sentiment_api.prediction_log.maintenance import Maintenance
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.prediction_log.takeover import claim_spool
from sentiment_api.prediction_log.text_policy import TextKeeper, read_or_make_key
from sentiment_api.schemas.limits import MAX_BATCH_ITEMS
from sentiment_api.settings import ServiceSettings
from sentiment_api.shadow.comparison import Shadow
from sentiment_api.shadow.process import Scorer, ShadowProcess
from sentiment_api.telemetry.disk_gauges import DiskGauges
from sentiment_api.telemetry.metrics import Metrics
from sentiment_api.use_cases.drift import LookUpDrift
from sentiment_api.use_cases.feedback import TakeFeedback
from sentiment_api.use_cases.look_up import ListPredictions, LookUpPrediction
from sentiment_api.use_cases.look_up_turns import LookUpTurns
from sentiment_api.use_cases.pending import PendingWindow
from sentiment_api.use_cases.predict import PredictReviews

_FILE_THREADS = 4
_FEEDBACK_THREADS = 4
"""Threads that wait for the disk with SENTIMENT_SPOOL_FSYNC=append share one round of it."""


@dataclass(frozen=True)
class Components:
    """What is made with the application, and holds nothing outside of the process: no file, no connection."""

    settings: ServiceSettings
    classifier: Classifier
    shadow_scorer: Scorer | None
    engine: AsyncEngine
    """Of Postgres. It connects on its first query."""
    files: ThreadPoolExecutor
    """Threads that read and write files, so that the event loop does not: for the shipper and the chores."""
    feedback: ThreadPoolExecutor
    """Threads that append feedback to the spool; they wait for nothing but that."""
    look_ups: ThreadPoolExecutor
    """The thread that reads the spool for look-ups."""
    metrics: Metrics
    capacity: Capacity
    admission: Admission
    rate_limiter: RateLimiter
    key_checker: KeyChecker


@dataclass(frozen=True)
class StartedComponents:
    """What is made when the application starts, since it holds a spool, and is of no use after its end."""

    spool: Spool
    shadow: Shadow | None
    batcher: Batcher
    shipper: Shipper
    maintenance: Maintenance
    disk_gauges: DiskGauges
    predict_reviews: PredictReviews
    take_feedback: TakeFeedback
    look_up: LookUpPrediction
    list_predictions: ListPredictions
    look_up_drift: LookUpDrift


def build_components(
    settings: ServiceSettings, classifier: Classifier | None = None, shadow_scorer: Scorer | None = None
) -> Components:
    """Return what the application is built on: the model of the settings, unless one is given, and the others.

    The shadow model, if there is one, is loaded once the application runs.

    Raises:
        OperatorError: the model cannot be loaded or fails its check, or `SENTIMENT_DATABASE_URL` cannot be read.
    """
    if classifier is None:
        classifier = Classifier.load(open_bundle(settings.model), settings.engine, settings.threads or usable_cores())
        classifier.self_check()
    if shadow_scorer is None and settings.shadow_model is not None:
        shadow_scorer = ShadowProcess(settings.shadow_model, settings.engine)
    engine, files = make_engine(settings), ThreadPoolExecutor(_FILE_THREADS, "files")
    metrics = _make_metrics(settings, classifier)
    capacity = Capacity(
        tokens_per_s=classifier.measured_rate(),
        max_tokens=settings.max_queued_tokens,
        max_text_tokens=classifier.bundle.manifest.max_tokens,
        metrics=metrics,
    )
    admission = Admission(
        capacity,
        places=settings.max_concurrent_requests,
        max_texts={"single": 1, "batch": MAX_BATCH_ITEMS},
        timeout_s={"single": settings.request_timeout_s, "batch": settings.batch_timeout_s},
    )
    key_file, required = KeyFile(settings.data_dir / FILE_NAME, files), settings.keys == "required"
    return Components(
        settings=settings,
        classifier=classifier,
        shadow_scorer=shadow_scorer,
        engine=engine,
        files=files,
        feedback=ThreadPoolExecutor(_FEEDBACK_THREADS, "feedback"),
        look_ups=ThreadPoolExecutor(1, "look-ups"),
        metrics=metrics,
        capacity=capacity,
        admission=admission,
        rate_limiter=RateLimiter(engine),
        key_checker=KeyChecker(engine, metrics, key_file, required=required),
    )


def _make_metrics(settings: ServiceSettings, classifier: Classifier) -> Metrics:
    """Return the metrics, those set that stay as they are."""
    metrics, manifest = Metrics(), classifier.bundle.manifest
    metrics.model.labels(manifest.name, manifest.version, classifier.engine.name).set(1)
    metrics.initialize_counters(labels=manifest.labels, reasons=REASONS)
    metrics.admitted_max_requests.set(settings.max_concurrent_requests)
    metrics.spool_max_bytes.set(settings.spool_max_bytes)
    return metrics


def open_components(components: Components, revive_database: Callable[[], Awaitable[None]] | None) -> StartedComponents:
    """Claim a spool, read the key of the texts' hashes or make it, and return what works with them.

    `revive_database` is tried when Postgres does not answer. The spool is the caller's to close.

    Raises:
        SettingsInvalid: the data folder cannot be used, or the key in it cannot.
    """
    settings, classifier, engine, metrics = (
        components.settings,
        components.classifier,
        components.engine,
        components.metrics,
    )
    keeper = TextKeeper(settings.text_policy, read_or_make_key(settings.data_dir), settings.phone_region)
    spool = claim_spool(
        settings.data_dir / "spool",
        settings.spool_max_bytes,
        when_full=settings.spool_full,
        fsync=settings.spool_fsync,
    )
    shadow = None
    if components.shadow_scorer is not None:
        shadow = Shadow(components.shadow_scorer, settings.shadow_share, spool, metrics)
    batcher = Batcher(classifier, components.capacity, metrics, shadow)
    shipper = Shipper(spool, engine, metrics, components.files, revive_database)
    cache = ResultCache(settings.cache_bytes, metrics)
    clear_caches = [cache.clear, *([shadow.forget] if shadow else [])]
    turns, spooled = LookUpTurns(most_connections(engine)), SpoolLookUps(SpoolReader(spool), components.look_ups)
    pending = PendingWindow(dt.timedelta(hours=settings.pending_window_h))
    manifest = classifier.bundle.manifest
    return StartedComponents(
        spool=spool,
        shadow=shadow,
        batcher=batcher,
        shipper=shipper,
        maintenance=Maintenance(spool, shipper, engine, components.files, metrics, clear_caches),
        disk_gauges=DiskGauges(_disks(settings, spool.folder), metrics),
        predict_reviews=PredictReviews(classifier, batcher, cache, spool, keeper, metrics, shadow),
        take_feedback=TakeFeedback(manifest, spool, engine, components.feedback, metrics, turns, spooled, pending),
        look_up=LookUpPrediction(engine, turns, spooled, pending),
        list_predictions=ListPredictions(engine, turns),
        look_up_drift=LookUpDrift(engine, turns, components.files, manifest.version),
    )


def _disks(settings: ServiceSettings, spool_folder: Path) -> dict[str, Path]:
    """Return the folders whose disks are watched: the spool's, and the embedded Postgres' if it has another disk."""
    folders = {"spool": spool_folder}
    postgres = EmbeddedServer(settings.data_dir).folder
    if settings.database == "embedded" and postgres.exists() and postgres.stat().st_dev != spool_folder.stat().st_dev:
        folders["postgres"] = postgres
    return folders
