"""Shows the latest drift run as Prometheus gauges, so that alerts need no database."""

from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.queries import latest_drift_run
from sentiment_api.errors import DatabaseAway
from sentiment_api.metrics import Metrics

DRIFT_REFRESH_S = 60.0
_VERDICTS = {"none": 0, "watch": 1, "drift": 2, "not_judged": -1}


async def refresh_drift_gauges(engine: AsyncEngine, metrics: Metrics, model_version: str) -> None:
    """Set the gauges from the latest run for `model_version`.

    Without a run they do not exist. While Postgres is away they stay as they are.
    """
    try:
        run = await latest_drift_run(engine, model_version)
    except DatabaseAway:
        return
    if run is None:
        return
    metrics.drift_verdict.labels(model_version).set(_VERDICTS[run.verdict])
    metrics.drift_rows.labels(model_version).set(run.n_current)
    metrics.drift_finished.labels(model_version).set(run.finished_at.timestamp())
    metrics.drift_effect.clear()  # a metric that this run lacks must not keep the last one's effect
    for metric, effect in run.effects.items():
        metrics.drift_effect.labels(model_version, metric).set(effect)
