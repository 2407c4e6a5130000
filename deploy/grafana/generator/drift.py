"""The dashboard *Drift*: what the drift job found, night by night. All but the first row is read from Postgres."""
# ruff: noqa: S608 - Grafana runs it, and nothing of it comes from outside

from deploy.grafana.generator.boards import Board
from deploy.grafana.generator.panels import Json, above, below, columns, lines, override, stat, table, timeline
from deploy.grafana.generator.promql import judged
from deploy.grafana.generator.sources import rows, written
from deploy.grafana.generator.statements import NIGHTS, history, latest, nights, runs, side_by_side

_WORDS: Json = {
    "not_judged": {"text": "not judged", "color": "text"},
    "none": {"text": "none", "color": "green"},
    "watch": {"text": "watch", "color": "orange"},
    "drift": {"text": "drift", "color": "red"},
}
_VERDICT_COLUMN = override(
    "^verdict$",
    mappings=[{"type": "value", "options": _WORDS}],
    custom__cellOptions={"type": "color-text"},
    custom__width=100,
)
"""Of every table with a column `verdict`."""

_STALE_S = 30 * 3600
# The same numbers as in the gauge sentiment_drift_verdict.
_VERDICT_MAPPINGS: Json = {
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
# What `drift_jobs.storage.results` says is due.
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

_NOW = (
    stat(
        "Verdict",
        "The latest run on the model that serves. Drift pages (SentimentDrift); watch is a ticket"
        " (SentimentDriftWatch), and about one quiet night in twenty is so, too.",
        "none",
        {"{{model_version}}": judged("sentiment_drift_verdict")},
        _VERDICT_STEPS,
        mappings=_VERDICT_MAPPINGS,
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

_VERDICTS = (
    timeline(
        "Verdicts",
        "The verdict on each window, by the reference that it was compared with, as it was judged last.",
        "none",
        runs(f'window_end AS "time", reference AS metric, {_AS_NUMBER} AS value'),
        _VERDICT_STEPS,
        _VERDICT_MAPPINGS,
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
            _VERDICT_COLUMN,
            _REPORT,
            override("^(window end|finished)$", unit="dateTimeAsIso", custom__width=170),
            override("^(rows|revision)$", custom__width=90),
        ),
    ),
)

_WHAT_CHANGED = (
    lines(
        "Effects, as multiples of their floors",
        "How far inputs and predictions of the whole window are from the reference. Below 1 a change is not worth a"
        " look, however sure it is; above 1 it is judged, and the verdict says whether it is chance.",
        "none",
        history("effect / nullif(floor, 0)", "family IN ('inputs', 'predictions')"),
        above(1),
        width=12,
    ),
    lines(
        "Smallest change that would be seen, in floors",
        "What 8 of 10 such windows would have shown. Above 1 a change that matters may go unseen: the window has too"
        " few rows, or too few products have most of them.",
        "none",
        history(
            "detectable / nullif(floor, 0)", "family IN ('inputs', 'predictions', 'accuracy') AND threshold IS NOT NULL"
        ),
        above(1, 2),
        width=12,
    ),
    table(
        "Metrics of the latest night",
        "What was compared on the whole window: value and reference (their means), the effect, its floor, the"
        " smallest effect that would be seen, and the p-value adjusted for the number of tests.",
        "short",
        latest(
            'metric.metric, family, metric.verdict, value, reference_value AS "reference", effect, floor, detectable,'
            ' adjusted_p AS "adjusted p", direction, n AS "rows", note',
            "segment = ''",
            "effect / nullif(floor, 0) DESC NULLS LAST, family, metric.metric",
        ),
        overrides=(_VERDICT_COLUMN, override("^(value|reference|effect|floor|detectable|adjusted p)$", decimals=4)),
    ),
    table(
        "Segments that differ",
        "Products, and values of metadata, whose share of positive labels, words or accuracy is not as before, in the"
        " latest night. Empty is well.",
        "short",
        latest(
            'segment, metric.metric, metric.verdict, value, reference_value AS "reference", effect, floor, n AS "rows"',
            "segment <> '' AND metric.verdict IN ('watch', 'drift')",
            "effect / nullif(floor, 0) DESC NULLS LAST",
        ),
        overrides=(_VERDICT_COLUMN, override("^(value|reference|effect|floor)$", decimals=4)),
    ),
)

_LEAST_ACCURACY = 0.90

_ACCURACY = (
    lines(
        "Accuracy, with labels and without",
        "On the rows with feedback, and estimated for all rows from the calibrated scores, each with its 95 %"
        " interval. 0.90 is the least we accept. An estimate that labels have proved wrong of late is withdrawn, and"
        " left out.",
        "percentunit",
        side_by_side(
            {
                "with labels": ("accuracy", "value"),
                "with labels, lower": ("accuracy", "lower"),
                "with labels, upper": ("accuracy", "upper"),
                "estimated": ("estimated_accuracy", "value"),
                "estimated, lower": ("estimated_accuracy", "lower"),
                "estimated, upper": ("estimated_accuracy", "upper"),
            }
        ),
        below(red=_LEAST_ACCURACY),
        width=12,
        more={"min": None},
        overrides=(
            override("lower|upper", custom__lineWidth=0, custom__fillOpacity=0, custom__showPoints="never"),
            override("^with labels, upper$", custom__fillBelowTo="with labels, lower", custom__fillOpacity=20),
            override("^estimated, upper$", custom__fillBelowTo="estimated, lower", custom__fillOpacity=20),
        ),
    ),
    lines(
        "The estimate, and what labels then showed",
        "Of the very same rows: what was estimated, and how many answers were right, with its 95 % interval. An"
        " estimate that is again and again outside is withdrawn by the job.",
        "percentunit",
        side_by_side(
            {
                "right": ("checked_accuracy", "value"),
                "right, lower": ("checked_accuracy", "lower"),
                "right, upper": ("checked_accuracy", "upper"),
                "estimated": ("checked_accuracy", "reference_value"),
            }
        ),
        below(red=_LEAST_ACCURACY),
        width=12,
        more={"min": None},
        overrides=(
            override("lower|upper", custom__lineWidth=0, custom__fillOpacity=0, custom__showPoints="never"),
            override("^right, upper$", custom__fillBelowTo="right, lower", custom__fillOpacity=20),
        ),
    ),
    lines(
        "Other measures, with labels",
        "F1 and ROC AUC (1 is best), Brier score and calibration error (0 is best). Accuracy is tested, these are"
        " described: they say in which way the model has become worse.",
        "none",
        history("value", "family = 'accuracy' AND metric <> 'accuracy'"),
        width=8,
    ),
    lines(
        "Shares of the labels",
        "label_share is the share of positive answers; share_em is what the shares of the true labels would be if"
        " only they had moved. Answers that move while the estimate stays are the model's doing.",
        "percentunit",
        history("value", "(metric = 'label_share' OR metric LIKE 'share\\_em\\_%')"),
        width=8,
    ),
    lines(
        "Feedback by window",
        "Share of each window's rows that have feedback by now. It goes on rising for days, and the job judges the"
        " last 7 days again.",
        "percentunit",
        side_by_side({"feedback": ("accuracy", "n::float / nullif(n_current, 0)")}),
        below(0.02),
        width=8,
    ),
)

_JOB = (
    lines(
        "Rows judged",
        "Rows of the window and of the reference. Below 500 a window is not judged, and few rows hide small drift.",
        "short",
        nights('n_current AS "window", n_reference AS "reference"'),
        below(500),
        width=6,
    ),
    columns(
        "Feedback by age",
        "Share of the predictions that have feedback, by the days since. It says how long to wait for labels; 14"
        " stands for all older ones.",
        "percentunit",
        f"""SELECT age ->> 'days' AS "days",
  sum((age ->> 'labelled')::float) / nullif(sum((age ->> 'rows')::float), 0) AS "feedback"
FROM {NIGHTS} CROSS JOIN jsonb_array_elements(details -> 'coverage') AS age
GROUP BY 1
ORDER BY (age ->> 'days')::int""",
        width=6,
    ),
    lines(
        "False alarms to expect in a year",
        "Nights of drift in 365 in which nothing is wrong, by the back-test of the latest calibration. Above 3.65 it"
        " is more than one night in a hundred.",
        "none",
        nights("(details -> 'back_test' ->> 'alarms_a_year')::float AS \"alarms\""),
        above(3.65),
        width=6,
    ),
    lines(
        "Duration of a run",
        "Seconds from its start to its end. The first night against a new reference calibrates, and takes longer.",
        "s",
        nights('extract(epoch FROM finished_at - started_at)::float AS "duration"'),
        above(600, 3600),
        width=6,
    ),
)

BOARD = Board(
    name="drift",
    description="Have inputs, answers or accuracy changed? What the drift job found, night by night.",
    since="now-90d",
    refresh="5m",
    variables=(
        rows(
            "model_version",
            "Model version",
            "SELECT model_version FROM drift_runs GROUP BY 1 ORDER BY max(window_end) DESC",
        ),
        written("service", "Service", "http://127.0.0.1:8000"),
    ),
    rows={
        "Now": _NOW,
        "Verdicts": _VERDICTS,
        "What changed": _WHAT_CHANGED,
        "How right the model is": _ACCURACY,
        "The job itself": _JOB,
    },
)
