"""What the job says of each window, and whether it runs."""

from deploy.grafana.generator.drift.words import VERDICT_COLUMN
from deploy.grafana.generator.panels import Json, above, below, override, stat, table, timeline
from deploy.grafana.generator.promql import judged
from deploy.grafana.generator.statements import runs

_STALE_S = 30 * 3600
# The same numbers as in the gauge sentiment_drift_verdict.
_VERDICTS: Json = {
    "-1": {"text": "not judged", "color": "text"},
    "0": {"text": "none", "color": "green"},
    "1": {"text": "watch", "color": "orange"},
    "2": {"text": "drift", "color": "red"},
}
_VERDICT_STEPS = ((None, "text"), (0, "green"), (1, "orange"), (2, "red"))
_AS_NUMBER = "CASE verdict WHEN 'none' THEN 0 WHEN 'watch' THEN 1 WHEN 'drift' THEN 2 ELSE -1 END"
_REPORT = override(
    "^report$",
    links=[{"title": "Open the report", "url": "${service}/drift/reports/${__value.raw}.html", "targetBlank": True}],
    mappings=[{"type": "regex", "options": {"pattern": ".+", "result": {"text": "open"}}}],
    custom__width=80,
)
# What `drift_jobs.storage.notices` says is due.
_DUE = """SELECT count(*) AS "due"
FROM drift_runs AS run
WHERE notice_due
  AND NOT EXISTS (
    SELECT FROM drift_runs AS later
    WHERE (later.window_start, later.window_end, later.model_version, later.reference)
        = (run.window_start, run.window_end, run.model_version, run.reference)
      AND later.revision > run.revision
  )
  AND EXISTS (SELECT FROM drift_metrics AS metric WHERE (metric.run_id, metric.verdict) = (run.run_id, run.verdict))"""

NOW = (
    stat(
        "Verdict",
        "The latest run on the model that serves. Drift pages (SentimentDrift); watch is a ticket"
        " (SentimentDriftWatch), and about one quiet night in twenty is so, too.",
        "none",
        {"{{model_version}}": judged("sentiment_drift_verdict")},
        _VERDICT_STEPS,
        mappings=_VERDICTS,
    ),
    stat(
        "Since the last run",
        "Since the drift job has finished. Past 30 hours it does not run, and alerts on its verdict are silent.",
        "s",
        {"{{model_version}}": "sentiment:drift_run:age_seconds"},
        above(25 * 3600, _STALE_S),
    ),
    stat(
        "Since the last success",
        "Since a window could be judged. Past 30 hours SentimentDriftStale is a ticket: the job does not run, fails,"
        " or finds too few rows.",
        "s",
        {"{{model_version}}": "sentiment:drift_success:age_seconds"},
        above(25 * 3600, _STALE_S),
    ),
    stat(
        "Golden texts",
        "How far the model's answers to its golden texts have moved since its export. Above 0.03"
        " SentimentGoldenTextsMoved pages: it is the model or its runtime, not the data.",
        "none",
        {"{{model_version}}": judged('sentiment_drift_effect{metric="golden"}')},
        above(0.015, 0.03),
    ),
    stat(
        "Feedback",
        "Share of the latest window's rows that have feedback. Accuracy is judged from 100 such rows on.",
        "percentunit",
        {"feedback": f"max({judged('sentiment_label_coverage')} or on () 0 * max(sentiment:drift_current:instance))"},
        below(0.02),
    ),
    stat(
        "Notices due",
        "Alarms that no receiver of --notify-url has taken yet. They are tried again after the next run.",
        "short",
        _DUE,
        above(1),
    ),
)

VERDICTS = (
    timeline(
        "Verdicts",
        "The verdict on each window, by the reference that it was compared with, as it was judged last.",
        "none",
        runs(f'window_end AS "time", reference AS metric, {_AS_NUMBER} AS value'),
        _VERDICT_STEPS,
        _VERDICTS,
    ),
    table(
        "Runs",
        "The windows of the time range, the latest first, with the reason for each verdict and its report, which the"
        " service shows (to a key with the scope read). Many revisions: rows or feedback came late.",
        "short",
        runs(
            'window_end AS "window end", verdict, reason, n_current AS "rows", reference, revision,'
            ' finished_at AS "finished", run_id::text AS "report"',
            "window_end DESC, finished_at DESC",
        ),
        overrides=(
            VERDICT_COLUMN,
            _REPORT,
            override("^(window end|finished)$", unit="dateTimeAsIso", custom__width=170),
            override("^(rows|revision)$", custom__width=90),
        ),
    ),
)
