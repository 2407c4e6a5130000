"""How records get from the spools to Postgres, and which do not."""

from deploy.grafana.generator.panels import above, bars, lines, stat
from deploy.grafana.generator.promql import by_process, happened, increase, quantile, rate, series

_FILL = f"{series('spool_bytes')} / {series('spool_max_bytes')}"

NOW = (
    stat(
        "Lag",
        "Age of the oldest record that Postgres does not hold yet, of the process that is furthest behind. From 10"
        " minutes on SentimentLogLags is a ticket.",
        "s",
        {"lag": f"max({series('spool_lag_seconds')})"},
        above(60, 600),
    ),
    stat(
        "Fullest spool",
        "Share of its bound. From 80 % on SentimentSpoolFilling pages; once it is full predictions are refused.",
        "percentunit",
        {"fullest": f"max({_FILL})"},
        above(0.5, 0.8),
    ),
    stat(
        "Lost, in a day",
        "Records dropped since the spool was full, and SENTIMENT_SPOOL_FULL says drop_oldest. SentimentRecordsDropped"
        " pages at the first one.",
        "short",
        {"dropped": increase("dropped_records_total", "1d")},
        above(red=1),
    ),
    stat(
        "Set aside",
        "Records that Postgres refused as data and that wait to be mended. SentimentRecordsSetAside is a ticket;"
        " nothing is held up by them.",
        "short",
        {"waiting": f"sum({series('set_aside_records_waiting')})"},
        above(1),
    ),
    stat(
        "Of a newer release",
        "Records that only a newer release can read: somebody went back to this one. SentimentRecordsOfNewerRelease"
        " is a ticket after an hour.",
        "short",
        {"waiting": f"sum({series('newer_records_waiting')})"},
        above(1),
    ),
    stat(
        "Damaged, in a day",
        "Bytes of the spools that could not be read as records: a power cut, or the disk. SentimentSpoolDamaged is a"
        " ticket.",
        "bytes",
        {"damaged": increase("damaged_spool_bytes_total", "1d")},
        above(1),
    ),
)

WAY = (
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
        "Bytes in the spool, by process, and their bound (SENTIMENT_SPOOL_MAX_BYTES). At the bound predictions are"
        " refused, or the oldest records dropped.",
        "bytes",
        {"{{instance}}": by_process("spool_bytes"), "bound {{instance}}": by_process("spool_max_bytes")},
    ),
    lines(
        "How full the spools are",
        "Share of the bound, by process. From 80 % on, or when it will be full within 4 hours, SentimentSpoolFilling"
        " pages.",
        "percentunit",
        {"{{instance}}": f"sum by (instance) ({_FILL})"},
        above(0.5, 0.8),
    ),
    bars(
        "Failed attempts",
        "Attempts to ship that will be repeated, by SQLSTATE or exception. Normal while Postgres is away or restarts;"
        " 42P01 says that migrations are missing.",
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

ASTRAY = (
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
