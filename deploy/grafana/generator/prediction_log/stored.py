"""What Postgres holds, and what a day adds."""
# ruff: noqa: S608 - Grafana runs it, and nothing of it comes from outside

from deploy.grafana.generator.panels import above, below, lines, override, table
from deploy.grafana.generator.promql import increase, ratio

_PREDICTION, _FEEDBACK = 'kind="prediction"', 'kind="feedback"'
_SIZE = override("size|a row", unit="bytes")
_PARTITION = r"predictions\_20%"

DAYS = (
    lines(
        "Stored in 24 hours",
        "Records that came into Postgres in the 24 hours before, by kind. What a day adds to the tables.",
        "short",
        {"{{kind}}": increase("shipped_records_total", "1d", "kind")},
        width=12,
    ),
    lines(
        "Feedback for each prediction, in 24 hours",
        "Feedback that came, beside the predictions that were made. Without feedback accuracy is estimated only. By"
        " age of the prediction the dashboard Drift shows it.",
        "percentunit",
        {
            "feedback": ratio(
                increase("shipped_records_total", "1d", where=_FEEDBACK),
                increase("shipped_records_total", "1d", where=_PREDICTION),
            )
        },
        below(0.02),
        width=12,
    ),
)

POSTGRES = (
    table(
        "Months of predictions",
        "Rows (as Postgres counts them, about) and size with indexes of each month of the log. Dropping a month is"
        " what retention does. The coming months have to be there: the service makes them.",
        "short",
        f"""SELECT relname AS "month", n_live_tup AS "rows", pg_total_relation_size(relid) AS "size",
  pg_total_relation_size(relid) / nullif(n_live_tup, 0) AS "a row"
FROM pg_stat_user_tables
WHERE relname LIKE '{_PARTITION}'
ORDER BY 1 DESC""",
        width=8,
        overrides=(_SIZE,),
    ),
    table(
        "Tables",
        "Rows (as Postgres counts them, about), what autovacuum has still to clear away, and size with indexes. More"
        " dead rows than rows: autovacuum does not keep up.",
        "short",
        f"""SELECT CASE WHEN relname LIKE '{_PARTITION}' THEN 'predictions' ELSE relname END AS "table",
  sum(n_live_tup)::bigint AS "rows", sum(n_dead_tup)::bigint AS "dead rows",
  sum(pg_total_relation_size(relid))::bigint AS "size"
FROM pg_stat_user_tables
GROUP BY 1
ORDER BY 4 DESC""",
        width=8,
        overrides=(_SIZE,),
    ),
    table(
        "Spools",
        "Spools that may hold records, and since when their process has said nothing. One that is silent for minutes"
        " has no process: start one on its folder, or its records wait (docs/runbook.md).",
        "short",
        """SELECT host, folder, extract(epoch FROM now() - seen_at)::float AS "silent for"
FROM spools
ORDER BY seen_at""",
        width=8,
        overrides=(
            override(
                "silent",
                unit="s",
                thresholds={
                    "mode": "absolute",
                    "steps": [{"color": colour, "value": value} for value, colour in above(300, 86_400)],
                },
                custom__cellOptions={"type": "color-text"},
            ),
        ),
    ),
)
