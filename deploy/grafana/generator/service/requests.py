"""What clients get: rate, errors, duration; and all of it at a glance."""

from deploy.grafana.generator.panels import above, bars, below, heatmap, lines, stat
from deploy.grafana.generator.promql import buckets, happened, quantile, rate, seldom, series

_ROUTE = 'route=~"$route"'
_SINGLE = 'lane="single"'
WAIT = f"{series('admitted_tokens', _SINGLE)} / ignoring (lane) {series('engine_tokens_per_second')}"
"""Seconds of work that a process has admitted for single requests."""

NOW = (
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
        {"wait": seldom(f"max({WAIT})")},
        above(4, 8),
    ),
)

REQUESTS = (
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
