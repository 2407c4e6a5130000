"""How full the service is, and its processes."""

from deploy.grafana.generator.panels import above, lines, table
from deploy.grafana.generator.promql import by_process, process, seldom, series
from deploy.grafana.generator.service.requests import WAIT

_COLLECTIONS = f"sum by (generation) (rate({process('python_gc_collections_total')}[$__rate_interval]))"
_LIFETIME = f"time() - {process('process_start_time_seconds')}"

SATURATION = (
    lines(
        "Work that waits, by process",
        "Seconds that the engine needs for the single requests that a process has admitted. From 4 s on"
        " SentimentQueueLong speaks; from 8 s on requests are refused. Add replicas, or cores.",
        "s",
        {"{{instance}}": f"{WAIT} or on (instance) 0 * {series('engine_tokens_per_second')}"},
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

PROCESSES = (
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
