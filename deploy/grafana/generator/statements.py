"""SQL on the drift tables, as the role of `deploy/postgres/grafana-role.sql` may run it."""
# ruff: noqa: S608 - Grafana runs it, and nothing of it comes from outside

_CHOSEN = "$__timeFilter(window_end) AND model_version = ${model_version:sqlstring}"
_COLUMNS = (
    "run_id, revision, window_start, window_end, reference, started_at, finished_at, n_current, n_reference, verdict,"
    " reason, details"
)

RUNS = f"""(
  SELECT DISTINCT ON (window_start, window_end, reference) {_COLUMNS}
  FROM drift_runs
  WHERE {_CHOSEN}
  ORDER BY window_start, window_end, reference, revision DESC
) AS run"""
"""A window that was judged again counts as it was judged last."""

NIGHTS = f"""(
  SELECT DISTINCT ON (window_end) {_COLUMNS}
  FROM drift_runs
  WHERE {_CHOSEN}
  ORDER BY window_end, finished_at DESC, revision DESC
) AS run"""
"""One run for each end of a window: of several references, the one that it was judged against last."""

_LATEST = f"""(
  SELECT {_COLUMNS}
  FROM drift_runs
  WHERE {_CHOSEN}
  ORDER BY window_end DESC, finished_at DESC, revision DESC
  LIMIT 1
) AS run"""


def runs(columns: str, order: str = "1") -> str:
    """Return a statement with a row for each window and reference."""
    return f"SELECT {columns}\nFROM {RUNS}\nORDER BY {order}"


def nights(columns: str) -> str:
    """Return a statement with a row for each night, the first one first."""
    return f'SELECT window_end AS "time", {columns}\nFROM {NIGHTS}\nORDER BY 1'


def history(value: str, where: str) -> str:
    """Return a statement with a series for each metric of the whole window, over the nights."""
    return f"""SELECT run.window_end AS "time", drift_metrics.metric, {value} AS value
FROM {NIGHTS} JOIN drift_metrics USING (run_id)
WHERE segment = '' AND {where}
ORDER BY 1, 2"""


def side_by_side(columns: dict[str, tuple[str, str]]) -> str:
    """Return a statement with a column for each title, over the nights: a metric, and which of its numbers.

    A night that has not one of the metrics has an empty column. An estimate that labels have proved wrong has none.
    """
    chosen = ",\n  ".join(
        f"max({number}) FILTER (WHERE metric = '{metric}') AS \"{title}\""
        for title, (metric, number) in columns.items()
    )
    return f"""SELECT run.window_end AS "time",
  {chosen}
FROM {NIGHTS} JOIN drift_metrics USING (run_id)
WHERE segment = '' AND drift_metrics.note NOT LIKE 'withdrawn%'
GROUP BY 1
ORDER BY 1"""


def latest(columns: str, where: str, order: str) -> str:
    """Return a statement with the metrics of the latest night."""
    return f"""SELECT {columns}
FROM {_LATEST} JOIN drift_metrics AS metric USING (run_id)
WHERE {where}
ORDER BY {order}"""
