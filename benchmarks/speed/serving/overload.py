"""The service under more load than it can bear: what it answers, how fast it refuses, and whether its word is good.

Requests come at a rate, not when others are done: clients in trouble do not wait for each other.

1. Peak: what the service answers in a second over 64 connections.
2. Overload: four times as many requests for a while, at random moments (a Poisson process), and a probe of
   `/health/ready` every 20 ms. Goodput is what is answered with 200 in a second once the queue is full, as a share of
   the peak.
3. Burst: the same for 10 seconds on a server that was idle. Who is refused waits as long as Retry-After says and asks
   once more.

    python -m benchmarks overload                                    # the starter, generated texts, about 3 minutes
    python -m benchmarks overload --reviews my-reviews.parquet --model models/mine

Writes overload.json. The load's own share of the processor is in the figures.
"""

import asyncio
import gc
import json
import statistics
import time

from benchmarks import payload, result_files
from benchmarks.client import Client, Reply, answers_per_s, at_rate
from benchmarks.speed.serving.servers import Server, ours
from benchmarks.steps import MODEL, REVIEWS, Namespace, StepFailed, option, rounds, seconds

_PEAK_CONNECTIONS = 64
_BURST_S = 10.0
_FILL_S = 10.0
"""A request's deadline: by then the queue is as long as it gets."""
_PROBE_EVERY_S = 0.02
_TEXTS = 2000
OPTIONS = (
    REVIEWS,
    MODEL,
    rounds(3),
    seconds(30.0, "of overload"),
    option("--factor", type=float, default=4.0, help="of the peak rate (default 4)"),
)


def run(options: Namespace) -> None:
    """Measure and write the results."""
    if options.seconds <= _FILL_S:
        expected = f"expected more than the {_FILL_S:g} s in which the queue fills"
        raise StepFailed(f"--seconds: {expected}, found {options.seconds:g}")
    gc.disable()  # a round of the collector, 0.4 s over thousands of requests in flight, would count as the server's
    bodies = payload.bodies(payload.texts(options.reviews, _TEXTS))
    measured = []
    for number in range(options.rounds):
        with ours(options.model) as server:
            figures = asyncio.run(_overloaded(server, bodies, options))
        with ours(options.model) as server:
            burst = asyncio.run(_burst(server, bodies, options.factor * figures["peak_per_s"]))
        measured.append({**figures, **burst})
        print(f"round {number + 1}: {json.dumps(measured[-1])}", flush=True)
    result = {
        "model": options.model.name,
        "texts": payload.kind_of(options.reviews),
        "factor": options.factor,
        "seconds": options.seconds,
        "medians": result_files.medians(measured),
        "rounds": measured,
    }
    result_files.write(options.out, f"overload-{options.model.name}", result)
    print(json.dumps(result["medians"], indent=2))


async def _overloaded(server: Server, bodies: list[bytes], options: Namespace) -> dict[str, float]:
    client = Client(server.url)
    await answers_per_s([client], bodies, _PEAK_CONNECTIONS, 3.0)
    peak = await answers_per_s([client], bodies, _PEAK_CONNECTIONS, options.seconds / 2)
    memory_mb = [server.sample().pss_mb]
    figures = await _overload(client, bodies, options.factor * peak, options.seconds)
    memory_mb.append(server.sample().pss_mb)
    await _overload(client, bodies, options.factor * peak, options.seconds)
    memory_mb.append(server.sample().pss_mb)
    client.close()
    goodput = figures.pop("answers_per_s") / peak
    memory = dict(zip(("pss_before_mb", "pss_after_mb", "pss_after_more_mb"), memory_mb, strict=True))
    return {"peak_per_s": peak, "goodput_of_peak": goodput, **figures, **memory}


async def _overload(client: Client, bodies: list[bytes], rate: float, seconds: float) -> dict[str, float]:
    probes: list[Reply] = []
    probing = asyncio.create_task(_probe(client, probes))
    started = time.perf_counter()
    answered_at: list[float] = []

    async def ask(number: int) -> Reply:
        body = bodies[number % len(bodies)]
        reply = await client.post("/predict", body)
        if reply.status == 200:
            answered_at.append(time.perf_counter() - started)
        return reply

    replies = await at_rate(ask, rate, seconds)
    probing.cancel()
    refusals = [1000 * reply.seconds for reply in replies if reply.status == 503]
    latencies = [1000 * reply.seconds for reply in replies if reply.status == 200]
    return {
        # While the queue fills, requests are read for later; after the end it is worked off. Between lies what lasts.
        "answers_per_s": sum(_FILL_S < moment < seconds for moment in answered_at) / (seconds - _FILL_S),
        "answered": len(latencies),
        "refused": len(refusals),
        "neither": len(replies) - len(latencies) - len(refusals),
        "answer_p50_ms": _percentile(latencies, 50),
        "answer_p99_ms": _percentile(latencies, 99),
        "refusal_p50_ms": _percentile(refusals, 50),
        "refusal_p99_ms": _percentile(refusals, 99),
        "refusal_max_ms": max(refusals, default=0.0),
        "probes": len(probes),
        "probes_failed": sum(probe.status != 200 for probe in probes),
        "probe_p99_ms": _percentile([1000 * probe.seconds for probe in probes], 99),
    }


async def _probe(client: Client, probes: list[Reply]) -> None:
    while True:
        probes.append(await client.get("/health/ready"))
        await asyncio.sleep(_PROBE_EVERY_S)


async def _burst(server: Server, bodies: list[bytes], rate: float) -> dict[str, float]:
    """Return the share of refused clients that were admitted when they came back as they were told."""
    client = Client(server.url)
    await answers_per_s([client], bodies, _PEAK_CONNECTIONS, 3.0)
    told: list[float] = []
    admitted: list[bool] = []

    async def ask(number: int) -> Reply:
        body = bodies[number % len(bodies)]
        reply = await client.post("/predict", body)
        if reply.status == 503:
            told.append(float(reply.headers["retry-after"]))
            await asyncio.sleep(told[-1])
            second = await client.post("/predict", body)
            admitted.append(second.status == 200)
        return reply

    await at_rate(ask, rate, _BURST_S)
    client.close()
    return {
        "burst_refused": len(told),
        "retry_after_min_s": min(told, default=0.0),
        "retry_after_max_s": max(told, default=0.0),
        "admitted_at_first_retry": sum(admitted) / max(1, len(admitted)),
    }


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1] if len(values) > 1 else 0.0
