"""The dashboard *Service*: does it answer, in time, and how full is it?"""

from deploy.grafana.generator.boards import Board
from deploy.grafana.generator.panels import above, bars, below, heatmap, lines, stat, table
from deploy.grafana.generator.promql import (
    buckets,
    by_process,
    happened,
    process,
    quantile,
    rate,
    ratio,
    seldom,
    series,
)
from deploy.grafana.generator.sources import INSTANCE, label_values

_ROUTE = 'route=~"$route"'
_SINGLE = 'lane="single"'
_WAIT = f"{series('admitted_tokens', _SINGLE)} / ignoring (lane) {series('engine_tokens_per_second')}"
"""Seconds of work that a process has admitted for single requests."""

_NOW = (
    stat(
        "Processes that answer",
        "Of those that Prometheus scrapes. At 0 SentimentApiDown pages, since nobody answers.",
        "short",
        {"up": 'sum(up{job="sentiment-api"})'},
        below(red=1),
    ),
    stat("Requests a second", "Responses of all routes.", "reqps", {"requests": rate("http_requests_total")}),
    stat(
        "Failures",
        "Share of the replies to clients with a status of 500 and above, in 5 minutes. The objective is 0.1 % over 30"
        " days; red is where SentimentErrorsFast begins.",
        "percentunit",
        {"failures": seldom("sentiment:errors:ratio_rate5m")},
        above(0.001, 0.0144),
    ),
    stat(
        "Slow replies",
        "Share of the predictions of /predict that take more than 0.25 s, in 5 minutes. The objective is 1 % over 30"
        " days; red is where SentimentSlowFast begins.",
        "percentunit",
        {"slow": seldom("sentiment:slow:ratio_rate5m")},
        above(0.01, 0.144),
    ),
    stat(
        "p99 of /predict",
        "99 of 100 single predictions are answered within this. The objective is 0.25 s.",
        "s",
        {"p99": quantile(0.99, "http_request_duration_seconds", where='route="/predict"')},
        above(0.25, 1),
    ),
    stat(
        "Work that waits",
        "Seconds that the engine needs for the single requests in the fullest process. From 4 s on SentimentQueueLong"
        " speaks; from 8 s on requests are refused.",
        "s",
        {"wait": seldom(f"max({_WAIT})")},
        above(4, 8),
    ),
)

_REQUESTS = (
    lines(
        "Requests",
        "Rate: responses sent in a second, by route. A fall to nothing tells as much as a rise.",
        "reqps",
        {"{{route}}": rate("http_requests_total", "route", _ROUTE)},
    ),
    bars(
        "Errors",
        "Responses with a status of 400 and above. 4xx: the client's request; 499: it hung up; 503: no room, or"
        " draining; other 5xx: ours. The runbook tells them apart under Too many errors.",
        "reqps",
        {"{{status}} {{route}}": happened("http_requests_total", "status, route", f'{_ROUTE}, status=~"[45].."')},
    ),
    lines(
        "Duration by route",
        "95 of 100 responses are sent within this, from the request's head to the last byte. A batch takes longer"
        " than a single request; for /predict the objective is 0.25 s.",
        "s",
        {"{{route}}": quantile(0.95, "http_request_duration_seconds", "route", _ROUTE)},
        above(0.25),
    ),
    lines(
        "Duration of the chosen routes",
        "The typical response, and the slow ones. When p99 rises alone, look at Work that waits.",
        "s",
        {
            f"p{percent}": quantile(percent / 100, "http_request_duration_seconds", where=_ROUTE)
            for percent in (50, 95, 99)
        },
        above(0.25),
    ),
    heatmap(
        "Durations",
        "How many responses of the chosen routes took how long. Two bands are two kinds of request, or some that wait.",
        "s",
        buckets("http_request_duration_seconds", where=_ROUTE),
    ),
    lines(
        "How fast the error budget burns",
        "At 1 what 30 days allow (0.1 % failures, 1 % slow replies) is used up in 30 days. 14.4 over an hour and 6"
        " over six page (SentimentErrorsFast, SentimentSlowFast); 3 over a day is a ticket (SentimentErrorsSlowly).",
        "none",
        {
            f"{what}, {over}": f"{seldom(f'sentiment:{rule}:ratio_rate{over}')} / {allowed}"
            for what, rule, allowed in (("failures", "errors", 0.001), ("slow", "slow", 0.01))
            for over in ("1h", "6h", "1d")
        },
        above(1, 14.4),
    ),
)

_KEYS_READ = series("keys_read_timestamp_seconds")
_PREDICTING = 'route=~"/predict|/predict/batch"'

_REFUSED = (
    bars(
        "Refused, by reason",
        "Requests that got a problem, by the last word of its type. The runbook tells them apart under Too many errors."
        " bodies-full, look-ups-overloaded, overloaded and log-full are ours to mend, the others mostly the client's.",
        "reqps",
        {"{{reason}}": happened("refused_requests_total", "reason")},
    ),
    lines(
        "Share that is refused",
        "Predictions refused for want of room, and requests above their key's rate limit. At 5 % SentimentOverloaded"
        " pages after 10 minutes, and SentimentClientsLimited is a ticket after 30.",
        "percentunit",
        {
            "overloaded": seldom(
                ratio(
                    rate("refused_requests_total", where='reason="overloaded"'),
                    rate("http_requests_total", where=_PREDICTING),
                )
            ),
            "rate limit": seldom(ratio(rate("http_requests_total", where='status="429"'), rate("http_requests_total"))),
        },
        above(red=0.05),
    ),
    bars(
        "At the door",
        "401: no key, or an unknown, revoked or expired one. 403: its scope is missing. 429: above its rate limit."
        " Many 401 after a change are a client with an old key; many at any other time are somebody who tries. At 5 %"
        " of all requests SentimentKeysRefused is a ticket.",
        "reqps",
        {"{{status}}": happened("http_requests_total", "status", 'status=~"401|403|429"')},
    ),
    bars(
        "Clients that hung up",
        "Status 499: they left before they had their answer, by route. Mostly a time-out of theirs that is shorter"
        " than what the answer takes.",
        "reqps",
        {"{{route}}": happened("http_requests_total", "route", 'status="499"')},
    ),
    bars(
        "Refused items of batches",
        "Items that got a problem instead of a prediction; the batch itself is a 200.",
        "ops",
        {"{{reason}}": happened("refused_items_total", "reason")},
    ),
    lines(
        "Age of the API keys",
        "Since a process last read the keys from Postgres, which it does every few seconds; 0 where none are asked"
        " for. What is revoked meanwhile still opens; after 24 h nothing does. SentimentKeysUnread pages after 6 h.",
        "s",
        {"{{instance}}": f"(time() - {_KEYS_READ}) * ({_KEYS_READ} > bool 0)"},
        above(60, 6 * 3600),
    ),
    bars(
        "Refused bodies",
        "bodies-full: a process holds as many bytes of bodies as it may, and SentimentBodiesRefused pages after 10"
        " minutes. body-too-slow: it did not arrive in time; above 1 a second SentimentBodiesSlow is a ticket. The"
        " others are mistakes of a client: too large, damaged, or packed as the service does not read it.",
        "reqps",
        {"{{reason}}": happened("refused_requests_total", "reason", 'reason=~"bod.+"')},
    ),
    lines(
        "Bytes of bodies",
        "Bytes of bodies that are being read, or whose requests are being answered, by process, and their bound"
        " (SENTIMENT_BODIES_MAX_BYTES). At the bound bodies are refused before they are read.",
        "bytes",
        {"{{instance}}": by_process("body_bytes"), "bound {{instance}}": by_process("body_max_bytes")},
    ),
    bars(
        "Refused look-ups",
        "Predictions that could not be read. look-ups-overloaded: more are read than take turns, and"
        " SentimentLookUpsRefused is a ticket after 10 minutes. database-away: Postgres does not answer.",
        "reqps",
        {"{{reason}}": happened("refused_requests_total", "reason", 'reason=~"look-ups-overloaded|database-away"')},
    ),
)

_COLLECTIONS = f"sum by (generation) (rate({process('python_gc_collections_total')}[$__rate_interval]))"
_LIFETIME = f"time() - {process('process_start_time_seconds')}"

_SATURATION = (
    lines(
        "Work that waits, by process",
        "Seconds that the engine needs for the single requests that a process has admitted. From 4 s on"
        " SentimentQueueLong speaks; from 8 s on requests are refused. Add replicas, or cores.",
        "s",
        {"{{instance}}": f"{_WAIT} or on (instance) 0 * {series('engine_tokens_per_second')}"},
        above(4, 8),
    ),
    lines(
        "Admitted tokens",
        "Tokens of the requests in the service, waiting or being computed, and their bound over all lanes"
        " (SENTIMENT_MAX_QUEUED_TOKENS). At the bound requests are refused.",
        "short",
        {
            "{{lane}} {{instance}}": seldom(f"sum by (lane, instance) ({series('admitted_tokens')})", "lane"),
            "bound {{instance}}": by_process("admitted_max_tokens"),
        },
    ),
    lines(
        "Admitted requests",
        "Requests for predictions in the service, and their bound (SENTIMENT_MAX_CONCURRENT_REQUESTS). At the bound"
        " requests are refused, however small they are.",
        "short",
        {
            "{{lane}} {{instance}}": seldom(f"sum by (lane, instance) ({series('admitted_requests')})", "lane"),
            "bound {{instance}}": by_process("admitted_max_requests"),
        },
    ),
    lines(
        "Queue",
        "What waits for an engine thread, over all processes. More texts than requests: batches. It should fall to 0"
        " again and again.",
        "short",
        {what: f"sum({series(f'queued_{what}')})" for what in ("tokens", "texts", "requests")},
    ),
    lines(
        "In progress",
        "Requests of any kind being answered, by process. A process that holds many while others hold few gets more"
        " than its share, or hangs.",
        "short",
        {"{{instance}}": by_process("http_requests_in_progress")},
    ),
    lines(
        "Cores",
        "Cores in use, by process; the bound is its engine threads. At the bound the model is what limits, and"
        " another replica or more cores help. Far below it while work waits: a quota.",
        "none",
        {
            "{{instance}}": f"rate({process('process_cpu_seconds_total')}[$__rate_interval])",
            "bound {{instance}}": by_process("engine_threads"),
        },
    ),
    lines(
        "Memory",
        "Resident memory, by process. It levels off soon after the start; one that grows for days is a defect."
        " Compare it with the container's limit (2 GiB in compose.yaml).",
        "bytes",
        {"{{instance}}": process("process_resident_memory_bytes")},
        above(1.5 * 1024**3, 2 * 1024**3),
    ),
    lines(
        "Open files",
        "Share of the file descriptors that a process may have. Each connection takes one; at 100 % no client gets in.",
        "percentunit",
        {"{{instance}}": f"{process('process_open_fds')} / {process('process_max_fds')}"},
        above(0.5, 0.8),
    ),
    lines(
        "Garbage collections",
        "In a second, by generation, over all processes. All threads stand still meanwhile, longest for generation 2:"
        " several of those in a second cost answers.",
        "ops",
        {"generation {{generation}}": _COLLECTIONS},
    ),
)

_PROCESSES = (
    table(
        "Processes",
        "Each process with its release, and for how long it has run. Two releases outside a rollout: one was left"
        " behind.",
        "s",
        {"": f"({_LIFETIME}) * on (instance) group_left (version) {series('build_info')}"},
        width=12,
        names={"Time": None, "job": None, "Value": "up for"},
    ),
    lines(
        "Starts in 30 minutes",
        "How often each process has started. From 3 on SentimentApiRestarting is a ticket: most often its memory is"
        " not enough.",
        "short",
        {"{{instance}}": f"changes({process('process_start_time_seconds')}[30m])"},
        above(1, 3),
        width=12,
    ),
)

BOARD = Board(
    name="service",
    description="Does the service answer, in time, and how full is it?",
    variables=(INSTANCE, label_values("route", "route", "sentiment_http_requests_total")),
    rows={
        "Now": _NOW,
        "Requests: rate, errors, duration": _REQUESTS,
        "Refused": _REFUSED,
        "How full it is": _SATURATION,
        "Processes": _PROCESSES,
    },
)
