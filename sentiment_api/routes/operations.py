"""What operators and probes ask: the model, health, metrics. None of it waits for the model."""

import math
from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from prometheus_client import exposition
from prometheus_client.openmetrics import exposition as openmetrics

from sentiment_api.access.authentication import PUBLIC, KeyChecker, requires
from sentiment_api.access.keys import Scope
from sentiment_api.http.problems import AnyRequest
from sentiment_api.inference.batching import Batcher
from sentiment_api.model.classifier import Classifier
from sentiment_api.prediction_log.draining import is_draining
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.routes import examples
from sentiment_api.routes.openapi import SERVICE, replies_with, reply
from sentiment_api.schemas.limits import LIMITS
from sentiment_api.schemas.service import HealthReply, LogHealth, ModelReply
from sentiment_api.shadow.comparison import Shadow
from sentiment_api.telemetry.disk_gauges import DiskGauges
from sentiment_api.telemetry.metrics import Metrics

_OPENMETRICS = "application/openmetrics-text"
_ENGINE_STOPPED = "engine stopped"
_TRAINING_FACTS = ("created_at", "base", "data_hash", "rows")
_TRAINING_METRICS = ("all", "unseen", "category_mean")


@get(
    "/model",
    summary="Describe the model and the limits",
    tags=[SERVICE],
    responses=replies_with(examples.MODEL, "The model that serves, and what it takes."),
    opt=PUBLIC,
)
async def model(classifier: NamedDependency[Classifier], shadow: NamedDependency[Shadow | None]) -> ModelReply:
    """Describe the model that serves and the limits of what it takes."""
    manifest = classifier.bundle.manifest
    return ModelReply(
        name=manifest.name,
        version=manifest.version,
        labels=manifest.labels,
        engine=classifier.engine.name,
        max_tokens=manifest.max_tokens,
        limits=LIMITS,
        training=_training_facts(manifest.training),
        shadow=None if shadow is None else shadow.health(),
    )


def _training_facts(training: dict[str, Any]) -> dict[str, Any]:
    """Return the main facts of a bundle's training record, which also has commands and tables."""
    facts = {name: training[name] for name in _TRAINING_FACTS if name in training}
    metrics = training.get("metrics", {})
    return facts | {"metrics": {name: metrics[name] for name in _TRAINING_METRICS if name in metrics}}


@get(
    "/health/live",
    summary="Probe liveness",
    tags=[SERVICE],
    responses={**replies_with(examples.LIVE, "The process runs."), 503: reply(examples.STOPPED, "To be restarted.")},
    opt=PUBLIC,
)
async def live(batcher: NamedDependency[Batcher]) -> Response[HealthReply]:
    """Say whether the process runs: once an engine thread has ended, nothing but a restart helps."""
    alive = batcher.is_alive()
    return Response(HealthReply("live" if alive else _ENGINE_STOPPED), status_code=200 if alive else 503)


@get(
    ["/health/ready", "/health"],
    summary="Probe readiness",
    tags=[SERVICE],
    responses={**replies_with(examples.READY, "Ready."), 503: reply(examples.DRAINING, "Not ready.")},
    opt=PUBLIC,
)
async def ready(
    batcher: NamedDependency[Batcher],
    spool: NamedDependency[Spool],
    shipper: NamedDependency[Shipper],
    shadow: NamedDependency[Shadow | None],
    key_checker: NamedDependency[KeyChecker],
) -> Response[HealthReply]:
    """Say whether predictions can be answered. A database that is away shows in the body and changes nothing else.

    But where keys are asked for, a process that could not read them yet lets nobody in, and is not ready.
    """
    status = "ready" if batcher.is_alive() else _ENGINE_STOPPED
    if not key_checker.keys_known():
        status = "keys unknown"
    if is_draining(spool.folder):
        status = "draining"
    totals, lag_s = shipper.totals, shipper.lag_s()
    log = LogHealth(
        spool_bytes=spool.size_bytes,
        lag_s=None if math.isnan(lag_s) else round(lag_s, 3),
        database=shipper.database,
        reason=shipper.reason,
        defect=shipper.defect,
        spooled=spool.appended_records,
        shipped=totals.shipped,
        retries=totals.retries,
        set_aside=totals.set_aside,
        left_out=totals.left_out,
        dropped=spool.dropped_records,
        newer=spool.newer_records,
        last_error=totals.last_error,
    )
    beside = None if shadow is None else shadow.health()
    return Response(HealthReply(status, log, beside), status_code=200 if status == "ready" else 503)


@get("/metrics", include_in_schema=False, **requires(Scope.METRICS))
async def metrics(
    metrics: NamedDependency[Metrics], disk_gauges: NamedDependency[DiskGauges], request: AnyRequest
) -> Response[bytes]:
    """Return all metrics: as OpenMetrics, which alone has exemplars, if that is asked for, else as Prometheus' text."""
    await disk_gauges.refresh()
    asked = openmetrics if _OPENMETRICS in request.headers.get("accept", "") else exposition
    return Response(asked.generate_latest(metrics.registry), headers={"Content-Type": asked.CONTENT_TYPE_LATEST})
