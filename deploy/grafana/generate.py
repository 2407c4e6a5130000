"""Writes `dashboards/sentiment/service.json`: `python deploy/grafana/generate.py`.

What a reader sees is stated in `ROWS`; ids, refIds, places on the grid and the JSON around them follow from it. Grafana
loads the file and never writes it, so a change is made here.
"""
# ruff: noqa: INP001, S608 - a script, not a package; Grafana runs the SQL, and nothing of it comes from outside

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DASHBOARD = Path(__file__).parent / "dashboards/sentiment/service.json"
PROMETHEUS = {"type": "prometheus", "uid": "prometheus"}
POSTGRES = {"type": "grafana-postgresql-datasource", "uid": "postgres"}
GRID_COLUMNS = 24
PANEL_HEIGHT = 8
DRIFT_HISTORY = "90d"
JOB = '{job="sentiment-api"}'
ROUTE = '{route=~"$route"}'
ERRORS = '{route=~"$route", status=~"[45].."}'

# The same numbers as in the gauge sentiment_drift_verdict.
VERDICTS = {
    "-1": {"text": "not judged", "color": "text"},
    "0": {"text": "none", "color": "green"},
    "1": {"text": "watch", "color": "orange"},
    "2": {"text": "drift", "color": "red"},
}
# A window that was judged again counts as it was judged last.
LATEST_RUNS = """(
  SELECT DISTINCT ON (window_start, window_end, reference)
    run_id, revision, window_start, window_end, reference, finished_at, n_current, n_reference, verdict, reason
  FROM drift_runs
  WHERE $__timeFilter(window_end) AND model_version = ${model_version:sqlstring}
  ORDER BY window_start, window_end, reference, revision DESC
) AS run"""


@dataclass(frozen=True)
class Panel:
    """One panel. `queries` maps a legend to PromQL, or is one SQL statement, which names its own columns."""

    title: str
    description: str
    unit: str
    queries: dict[str, str] | str
    kind: str = "timeseries"
    width: int = 8
    defaults: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


def rate(metric: str, by: str = "", selector: str = "") -> str:
    """PromQL of a counter's increase in a second, summed over everything but the labels `by`."""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (rate(sentiment_{metric}{selector}[$__rate_interval]))"


def quantile(q: float, histogram: str, by: str = "", selector: str = "") -> str:
    """PromQL of a quantile, over all processes, interpolated within the histogram's buckets."""
    return f"histogram_quantile({q}, {rate(f'{histogram}_bucket', f'le, {by}' if by else 'le', selector)})"


ROWS: dict[str, list[Panel]] = {
    "Requests": [
        Panel(
            "Requests",
            "Responses sent in a second, by route.",
            "reqps",
            {"{{route}}": rate("http_requests_total", "route", ROUTE)},
        ),
        Panel(
            "Errors",
            "Responses with a status of 400 and above. 4xx: the client's request; 503: no room; other 5xx: ours.",
            "reqps",
            {"{{status}} {{route}}": rate("http_requests_total", "route, status", ERRORS)},
        ),
        Panel(
            "Latency",
            "From the request's head to the last byte of the reply.",
            "s",
            {
                f"p{percent} {{{{route}}}}": quantile(percent / 100, "http_request_duration_seconds", "route", ROUTE)
                for percent in (50, 95, 99)
            },
        ),
        Panel(
            "In progress",
            "Requests being answered, by process.",
            "short",
            {"{{instance}}": "sentiment_http_requests_in_progress"},
            width=6,
        ),
        Panel(
            "Refused",
            "Requests refused for want of room, by reason. More than a few: add a replica.",
            "reqps",
            {"{{reason}}": rate("refused_requests_total", "reason")},
            width=6,
        ),
        Panel(
            "CPU",
            "Cores in use, by process. At the number of cores the model is the bottleneck.",
            "none",
            {"{{instance}}": f"rate(process_cpu_seconds_total{JOB}[$__rate_interval])"},
            width=6,
        ),
        Panel(
            "Memory",
            "Resident memory, by process.",
            "bytes",
            {"{{instance}}": f"process_resident_memory_bytes{JOB}"},
            width=6,
        ),
    ],
    "Model": [
        Panel(
            "Labels",
            "Share of each label among the predictions. After a step without a new model, look at the drift row.",
            "percentunit",
            {"{{label}}": f"{rate('predictions_total', 'label')} / on () group_left {rate('predictions_total')}"},
        ),
        Panel(
            "Score",
            "Calibrated probability of the label given: of the typical text, and of the least certain tenth.",
            "percentunit",
            {"median": quantile(0.5, "prediction_score"), "p10": quantile(0.1, "prediction_score")},
        ),
        Panel(
            "Serving",
            "The models that serve now. Two of them outside a rollout: a process was left behind.",
            "none",
            {"{{name}} {{version}} on {{engine}}": "sum by (name, version, engine) (sentiment_model)"},
            kind="stat",
            options={"textMode": "value_and_name", "reduceOptions": {"calcs": ["lastNotNull"]}},
        ),
        Panel(
            "Tokens",
            "Tokens given to the model for each text. Cost grows with them.",
            "short",
            {"median": quantile(0.5, "input_tokens"), "p95": quantile(0.95, "input_tokens")},
        ),
        Panel(
            "Truncated",
            "Share of the texts with more tokens than the model takes; it has not seen their ends.",
            "percentunit",
            {"truncated": f"{rate('truncated_texts_total')} / {rate('input_tokens_count')}"},
        ),
        Panel(
            "Time in the engine",
            "p95 of tokenizing, of the wait for an engine thread, and of one forward pass. A long wait: too few cores.",
            "s",
            {name: quantile(0.95, f"{name}_duration_seconds") for name in ("tokenize", "queue", "inference")},
        ),
        Panel(
            "Queued tokens",
            "Tokens that wait for an engine thread, by process.",
            "short",
            {"{{instance}}": "sentiment_queued_tokens"},
            width=12,
        ),
        Panel(
            "Texts in a forward pass",
            "Mean. 1 is as it should be on CPUs with the cpu engine.",
            "short",
            {"mean": f"{rate('batch_texts_sum')} / {rate('batch_texts_count')}"},
            width=12,
        ),
    ],
    "Prediction log": [
        Panel(
            "Lag",
            "Age of the oldest record that Postgres does not hold yet, by process. It grows while Postgres is away.",
            "s",
            {"{{instance}}": "sentiment_spool_lag_seconds"},
        ),
        Panel(
            "Spooled and shipped",
            "Records appended to the spools and records that Postgres holds, in a second. They follow each other.",
            "ops",
            {
                "spooled {{kind}}": rate("spooled_records_total", "kind"),
                "shipped {{kind}}": rate("shipped_records_total", "kind"),
            },
        ),
        Panel(
            "Spool",
            "Bytes in the spool, by process. At its bound (SENTIMENT_SPOOL_MAX_BYTES) predictions are refused.",
            "bytes",
            {"{{instance}}": "sentiment_spool_bytes"},
        ),
        Panel(
            "Failed attempts",
            "Attempts to ship that will be repeated, by kind. Normal while Postgres is away.",
            "ops",
            {"{{kind}}": rate("ship_failures_total", "kind")},
        ),
        Panel(
            "Set aside",
            "Records that Postgres refused as data, by SQLSTATE. Any at all is a defect to report.",
            "ops",
            {"{{sqlstate}}": rate("set_aside_records_total", "sqlstate")},
        ),
        Panel(
            "Damaged",
            "Bytes of the spool that could not be read as records: the disk, or a power cut.",
            "Bps",
            {"damaged": rate("damaged_spool_bytes_total")},
        ),
    ],
    "Drift": [
        Panel(
            "Verdicts",
            "The verdict on each window, by the reference it was compared with.",
            "none",
            f"""SELECT window_end AS "time", reference AS metric,
  CASE verdict WHEN 'none' THEN 0 WHEN 'watch' THEN 1 WHEN 'drift' THEN 2 ELSE -1 END AS value
FROM {LATEST_RUNS}
ORDER BY 1""",
            kind="state-timeline",
            width=16,
            defaults={"mappings": [{"type": "value", "options": VERDICTS}]},
        ),
        Panel(
            "Since the last run",
            "Since the drift job finished, by the model version it judged. Past a day and some hours: it does not run.",
            "s",
            {"{{model_version}}": "time() - max by (model_version) (sentiment_drift_last_run_timestamp_seconds)"},
            kind="stat",
        ),
        Panel(
            "Effects, as multiples of their floors",
            "How far inputs and predictions of the whole window are from the reference. Below 1 is not worth a look.",
            "none",
            f"""SELECT run.window_end AS "time", drift_metrics.metric, effect / nullif(floor, 0) AS value
FROM {LATEST_RUNS} JOIN drift_metrics USING (run_id)
WHERE family IN ('inputs', 'predictions') AND segment = ''
ORDER BY 1""",
            width=12,
        ),
        Panel(
            "Accuracy",
            "With labels where feedback has arrived, and estimated without them. A withdrawn estimate is left out.",
            "none",
            f"""SELECT run.window_end AS "time", drift_metrics.metric, value
FROM {LATEST_RUNS} JOIN drift_metrics USING (run_id)
WHERE segment = '' AND (family = 'accuracy' OR metric = 'estimated_accuracy' AND note NOT LIKE 'withdrawn%')
ORDER BY 1, 2""",
            width=12,
            defaults={"decimals": 3},
        ),
        Panel(
            "Rows judged",
            "Rows of the window and of the reference. Few rows hide small drift.",
            "short",
            f"""SELECT window_end AS "time", n_current AS "window", n_reference AS "reference"
FROM {LATEST_RUNS}
ORDER BY 1""",
        ),
        Panel(
            "Runs",
            "The runs of the time range, the latest first.",
            "none",
            f"""SELECT window_start, window_end, reference, verdict, reason, revision, finished_at
FROM {LATEST_RUNS}
ORDER BY window_end DESC""",
            kind="table",
            width=16,
        ),
    ],
}


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana's classic JSON model."""
    return {
        "id": None,
        "uid": "sentiment-service",
        "title": "Sentiment service",
        "description": "Requests, model, prediction log and drift of the sentiment service.",
        "tags": ["sentiment"],
        "schemaVersion": 41,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,  # one crosshair over all panels
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_route_variable(), _model_variable()]},
        "panels": list(_placed()),
    }


def _placed() -> Iterator[dict[str, Any]]:
    """Yield rows and panels from left to right and downwards, each with the next id."""
    identity, y = 0, 0
    for title, panels in ROWS.items():
        identity += 1
        row = {"type": "row", "title": title, "collapsed": False, "panels": []}
        yield row | {"id": identity, "gridPos": _place(0, y, GRID_COLUMNS, 1)}
        y, x = y + 1, 0
        for panel in panels:
            if x + panel.width > GRID_COLUMNS:
                x, y = 0, y + PANEL_HEIGHT
            identity += 1
            yield _panel(panel) | {"id": identity, "gridPos": _place(x, y, panel.width, PANEL_HEIGHT)}
            x += panel.width
        y += PANEL_HEIGHT


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(panel: Panel) -> dict[str, Any]:
    sql = isinstance(panel.queries, str)
    made = {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": POSTGRES if sql else PROMETHEUS,
        "fieldConfig": {"defaults": {"unit": panel.unit} | panel.defaults, "overrides": []},
        "options": panel.options,
        "targets": _targets(panel),
    }
    # One window a night: the hours that the other rows show would hold none.
    return made | {"timeFrom": DRIFT_HISTORY} if sql else made


def _targets(panel: Panel) -> list[dict[str, Any]]:
    if isinstance(panel.queries, str):
        result = "table" if panel.kind == "table" else "time_series"
        query = {"rawSql": panel.queries, "rawQuery": True, "editorMode": "code", "format": result}
        return [{"refId": "A", "datasource": POSTGRES} | query]
    return [
        {"refId": chr(ord("A") + i), "datasource": PROMETHEUS, "expr": expression, "legendFormat": legend}
        for i, (legend, expression) in enumerate(panel.queries.items())
    ]


def _route_variable() -> dict[str, Any]:
    return {
        "name": "route",
        "label": "Route",
        "type": "query",
        "datasource": PROMETHEUS,
        "query": {"query": "label_values(sentiment_http_requests_total, route)", "refId": "A"},
        "refresh": 2,  # whenever the time range changes
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _model_variable() -> dict[str, Any]:
    return {
        "name": "model_version",
        "label": "Model version (drift)",
        "type": "query",
        "datasource": POSTGRES,
        "query": "SELECT model_version FROM drift_runs GROUP BY 1 ORDER BY max(window_end) DESC",
        "refresh": 1,  # when the dashboard is loaded
        "multi": False,
        "includeAll": False,
    }


def render() -> str:
    """Return the text of the file."""
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    DASHBOARD.write_text(render())
