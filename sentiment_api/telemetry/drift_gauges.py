"""Shows the latest drift run as Prometheus gauges, so that alerts need no database."""

from collections.abc import Mapping, Sequence
from typing import Any

from prometheus_client import Gauge
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.drift_results import find_drift_metrics, last_drift_success, latest_drift_run
from sentiment_api.errors import DatabaseAway
from sentiment_api.telemetry.metrics import Metrics

DRIFT_REFRESH_S = 60.0
ESTIMATED_ACCURACY = "estimated_accuracy"
"""The metric that says how accurate the model is thought to be where no labels are."""
ACCURACY = "accuracy"
WITHDRAWN = "withdrawn"
"""How the note of an estimate begins that labels have proved wrong of late."""
_VERDICTS = {"none": 0, "watch": 1, "drift": 2, "not_judged": -1}
Row = Mapping[str, Any]


async def refresh_drift_gauges(engine: AsyncEngine, metrics: Metrics, model_version: str) -> None:
    """Set the gauges from the run on the latest window of `model_version`, as it was judged last.

    A run by hand on a window that ends later than last night's is shown until a night ends after it. Without a run they
    do not exist, nor does a gauge of what the run lacks. While Postgres is away they stay as they are.
    """
    try:
        run = await latest_drift_run(engine, model_version)
        success = await last_drift_success(engine, model_version)
        rows = [] if run is None else await find_drift_metrics(engine, run["run_id"])
    except DatabaseAway:
        return
    _clear(metrics)
    if success is not None:
        metrics.drift_judged.labels(model_version).set(success.timestamp())
    if run is not None:
        _show_run(metrics, run)
        # Segments are of products and of what clients call their metadata: no labels for Prometheus.
        _show_metrics(metrics, run, {row["metric"]: row for row in rows if not row["segment"]})


def _clear(metrics: Metrics) -> None:
    """Forget the run before. Nothing is read of the registry until the new one is shown: both are without a wait."""
    for gauge in (
        *(metrics.drift_verdict, metrics.drift_rows, metrics.drift_finished, metrics.drift_judged),
        *(metrics.drift_effect, metrics.drift_floor),
        *(metrics.estimated_accuracy, metrics.labelled_accuracy, metrics.label_coverage),
    ):
        gauge.clear()


def _show_run(metrics: Metrics, run: Row) -> None:
    version = run["model_version"]
    metrics.drift_verdict.labels(version).set(_VERDICTS[run["verdict"]])
    metrics.drift_rows.labels(version).set(run["n_current"])
    metrics.drift_finished.labels(version).set(run["finished_at"].timestamp())


def _show_metrics(metrics: Metrics, run: Row, rows: Mapping[str, Row]) -> None:
    version = run["model_version"]
    for column, gauge in (("effect", metrics.drift_effect), ("floor", metrics.drift_floor)):
        for metric, row in rows.items():
            _set(gauge, (version, metric), row[column])
    estimate, accuracy = rows.get(ESTIMATED_ACCURACY), rows.get(ACCURACY)
    if estimate is not None and not estimate["note"].startswith(WITHDRAWN):
        _show_bounds(metrics.estimated_accuracy, version, estimate)
    if accuracy is not None:
        _show_bounds(metrics.labelled_accuracy, version, accuracy)
        if run["n_current"]:
            metrics.label_coverage.labels(version).set(accuracy["n"] / run["n_current"])


def _show_bounds(gauge: Gauge, version: str, row: Row) -> None:
    for bound in ("value", "lower", "upper"):
        _set(gauge, (version, bound), row[bound])


def _set(gauge: Gauge, labels: Sequence[str], value: float | None) -> None:
    if value is not None:
        gauge.labels(*labels).set(value)
