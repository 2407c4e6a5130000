"""What is not answered as asked: why, and to whom."""

from deploy.grafana.generator.panels import above, bars, lines
from deploy.grafana.generator.promql import happened, rate, ratio, seldom, series

_KEYS_READ = series("keys_read_timestamp_seconds")
_PREDICTING = 'route=~"/predict|/predict/batch"'

REFUSED = (
    bars(
        "Refused, by reason",
        "Requests that got a problem, by the last word of its type. overloaded and log-full are ours to mend, the"
        " others mostly the client's.",
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
)
