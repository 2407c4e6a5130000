"""The dashboard *Prediction log*: does every prediction reach Postgres?"""
# ruff: noqa: S608 - Grafana runs it, and nothing of it comes from outside

from deploy.grafana.generator.boards import Board
from deploy.grafana.generator.panels import above, bars, below, lines, override, stat, table
from deploy.grafana.generator.promql import (
    INSTANCE,
    by_process,
    happened,
    increase,
    quantile,
    rate,
    ratio,
    series,
)

_ROOM = f"sentiment:spool_room:bytes{{{INSTANCE}}}"
_LASTS = f"sentiment:spool_room:seconds{{{INSTANCE}}}"
_FILL = f"{series('spool_bytes')} / on (instance) ({series('spool_bytes')} + on (instance) {_ROOM})"
"""Of what a spool can hold: its bound, or less on a disk that has less."""
_HOUR = 3600

_NOW = (
    stat(
        "Lag",
        "Age of the oldest record that Postgres does not hold yet, of the process that is furthest behind. From 10"
        " minutes on SentimentLogLags is a ticket.",
        "s",
        {"lag": f"max({series('spool_lag_seconds')})"},
        above(60, 600),
        width=3,
    ),
    stat(
        "Fullest spool",
        "Share of its bound, or of what its disk has room for if that is less. From 80 % on SentimentSpoolFilling"
        " pages; once it is full predictions are refused.",
        "percentunit",
        {"fullest": f"max({_FILL})"},
        above(0.5, 0.8),
        width=3,
    ),
    stat(
        "Lasts without Postgres",
        "How long the spool with the least room takes records if Postgres goes away now, at the rate of the last 15"
        " minutes; at most a year. Below 4 hours a night's outage is too long: raise SENTIMENT_SPOOL_MAX_BYTES, or give"
        " the disk more room.",
        "s",
        {"lasts": f"min({_LASTS})"},
        below(12 * _HOUR, 4 * _HOUR),
        width=3,
    ),
    stat(
        "Free on the disk",
        "Share of the fullest disk that can still be written. SentimentDiskShort is a ticket below 5 %, or when there"
        " is less than a spool may still take.",
        "percentunit",
        {"free": f"min({series('disk_free_bytes')} / {series('disk_size_bytes')})"},
        below(0.2, 0.05),
        width=3,
    ),
    stat(
        "Lost, in a day",
        "Records dropped since the spool was full, and SENTIMENT_SPOOL_FULL says drop_oldest. SentimentRecordsDropped"
        " pages at the first one.",
        "short",
        {"dropped": increase("dropped_records_total", "1d")},
        above(red=1),
        width=3,
    ),
    stat(
        "Set aside",
        "Records that Postgres refused as data and that wait to be mended. SentimentRecordsSetAside is a ticket;"
        " nothing is held up by them.",
        "short",
        {"waiting": f"sum({series('set_aside_records_waiting')})"},
        above(1),
        width=3,
    ),
    stat(
        "Of a newer release",
        "Records that only a newer release can read: somebody went back to this one. SentimentRecordsOfNewerRelease"
        " is a ticket after an hour.",
        "short",
        {"waiting": f"sum({series('newer_records_waiting')})"},
        above(1),
        width=3,
    ),
    stat(
        "Damaged, in a day",
        "Bytes of the spools that could not be read as records: a power cut, or the disk. SentimentSpoolDamaged is a"
        " ticket.",
        "bytes",
        {"damaged": increase("damaged_spool_bytes_total", "1d")},
        above(1),
        width=3,
    ),
)

_WAY = (
    lines(
        "Lag by process",
        "Age of the oldest record that Postgres does not hold yet. It grows while Postgres is away, which no client"
        " notices. From 60 s on, while every attempt fails, SentimentLogStalled pages; from 600 s on SentimentLogLags."
        " A gap while the process answers: its spool cannot be read, and SentimentSpoolUnreadable pages.",
        "s",
        {"{{instance}}": by_process("spool_lag_seconds")},
        above(60, 600),
    ),
    lines(
        "Spooled and shipped",
        "Records appended to the spools and records that Postgres holds, in a second. The second follows the first;"
        " after an outage it is above it until the spool is empty.",
        "ops",
        {
            "spooled {{kind}}": rate("spooled_records_total", "kind"),
            "shipped {{kind}}": rate("shipped_records_total", "kind"),
        },
    ),
    lines(
        "Spool",
        "Bytes in the spool, by process, and their bound (SENTIMENT_SPOOL_MAX_BYTES). At the bound, or earlier when the"
        " disk is full, predictions are refused, or the oldest records dropped.",
        "bytes",
        {"{{instance}}": by_process("spool_bytes"), "bound {{instance}}": by_process("spool_max_bytes")},
    ),
    lines(
        "How full the spools are",
        "Share of what each can hold: its bound, or less on a disk that has less. From 80 % on, or when it grows and is"
        " full within 4 hours, SentimentSpoolFilling pages.",
        "percentunit",
        {"{{instance}}": f"sum by (instance) ({_FILL})"},
        above(0.5, 0.8),
    ),
    bars(
        "Failed attempts",
        "Attempts to ship that will be repeated, by SQLSTATE or exception. Normal while Postgres is away or restarts;"
        " 42P01 says that migrations are missing. SentimentDatabaseRefuses pages when somebody has to mend the login,"
        " rights or address, SentimentShipperDefect when the reason is the service itself.",
        "ops",
        {"{{kind}}": happened("ship_failures_total", "kind")},
    ),
    lines(
        "Time of an append",
        "99 of 100 records are in the spool within this; the reply waits for it. Above 10 ms the disk is slow, above"
        " all with SENTIMENT_SPOOL_FSYNC=append.",
        "s",
        {"p50": quantile(0.5, "spool_append_duration_seconds"), "p99": quantile(0.99, "spool_append_duration_seconds")},
        above(0.01, 0.1),
    ),
)

_DISK = (
    lines(
        "How long the spools last without Postgres",
        "What each spool can still take, at the rate at which records came in the 15 minutes before. While Postgres is"
        " away this is how long is left. Replicas on one disk share its room: see Free bytes.",
        "s",
        {"{{instance}}": f"sum by (instance) ({_LASTS})"},
        below(12 * _HOUR, 4 * _HOUR),
    ),
    lines(
        "Free bytes",
        "What the service can still write to the disk of each folder; postgres is shown where the embedded server has"
        " another disk. When it falls so fast that nothing is left in 4 hours SentimentDiskFilling pages. A gap while"
        " the process answers: the disk does not.",
        "bytes",
        {"{{folder}} {{instance}}": f"sum by (folder, instance) ({series('disk_free_bytes')})"},
    ),
    lines(
        "Free files",
        "How many files can still be made on it; a disk may run out of them while it has bytes. Below 10,000"
        " SentimentDiskShort is a ticket. Nothing is drawn where the file system has no such bound.",
        "short",
        {"{{folder}} {{instance}}": f"sum by (folder, instance) ({series('disk_free_files')})"},
        below(10_000),
    ),
)

_ASTRAY = (
    bars(
        "Refused since the log is full",
        "Predictions that were not made, since they could not be recorded. SentimentSpoolFull pages.",
        "reqps",
        {"log-full": rate("refused_requests_total", where='reason="log-full"')},
        width=6,
    ),
    bars(
        "Dropped",
        "Records lost since the spool was full (drop_oldest), by process. SentimentRecordsDropped pages.",
        "ops",
        {"{{instance}}": rate("dropped_records_total", "instance")},
        width=6,
    ),
    bars(
        "Set aside, by SQLSTATE",
        "Records that Postgres refused as data. Any at all is a defect to report; sentiment-api set-aside shows and"
        " replays them.",
        "ops",
        {"{{sqlstate}}": happened("set_aside_records_total", "sqlstate")},
        width=6,
    ),
    bars(
        "Left out, by reason",
        "Records that were not stored on purpose: erased meanwhile, or older than what is kept.",
        "ops",
        {"{{reason}}": happened("left_out_records_total", "reason")},
        width=6,
    ),
)

_PREDICTION, _FEEDBACK = 'kind="prediction"', 'kind="feedback"'
_SIZE = override("size|a row", unit="bytes")
_PARTITION = r"predictions\_20%"

_DAYS = (
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

_POSTGRES = (
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

BOARD = Board(
    name="prediction-log",
    description="Does every prediction reach Postgres? Spools, shipping, what went astray, and what Postgres holds.",
    rows={
        "Now": _NOW,
        "On its way": _WAY,
        "Room": _DISK,
        "What went astray": _ASTRAY,
        "By day": _DAYS,
        "In Postgres": _POSTGRES,
    },
)
