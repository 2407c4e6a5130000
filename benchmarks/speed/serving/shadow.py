"""What a shadow model costs live requests: the service with one that is to score every text, and without one.

Both servers run at once and take turns: while one is measured the other is stopped. Two loads:

- `busy`: 32 connections that ask all the time. The engine is never idle, so the shadow scores next to nothing.
- `paced`: requests at random moments (a Poisson process), at a share of what the service can answer. Between them the
  shadow works, and is in the middle of a text when the next one comes.

    python -m benchmarks shadow                                      # the starter beside itself, about 5 minutes
    python -m benchmarks shadow --shadow models/next --rounds 10

Ratios are with the shadow to without it, of the same round. Memory is that of all processes of the service, shared
pages once. Writes shadow-MODEL.json.
"""

import asyncio
import json
import statistics
import time
from pathlib import Path

import httpx

from benchmarks import STARTER, payload, result_files
from benchmarks.client import Client, Reply, answers_per_s, ask_without_pause, at_rate
from benchmarks.speed.serving.servers import Server, ours
from benchmarks.steps import MODEL, REVIEWS, Namespace, StepFailed, option, rounds, seconds

_CONNECTIONS = 32
_COUNTERS = {"scored": "sentiment_shadow_compared_total{", "dropped": "sentiment_shadow_dropped_total{"}
_READY_S = 60
_SETTLE_S = 5
OPTIONS = (
    REVIEWS,
    MODEL,
    option("--shadow", type=Path, default=STARTER, metavar="FOLDER", help="the shadow's bundle (default the starter)"),
    rounds(5),
    seconds(5.0, "of each measurement, four a server and round"),
    option("--load", type=float, default=0.4, help="of the paced load: what share of the peak it is (default 0.4)"),
)


class ShadowNotReady(StepFailed):
    """The shadow model was not loaded in time."""


def run(options: Namespace) -> None:
    """Measure and write the results."""
    bodies = payload.bodies(payload.texts(options.reviews, 2000))
    shadow = {"SENTIMENT_SHADOW_MODEL": str(options.shadow.absolute()), "SENTIMENT_SHADOW_SHARE": "1"}
    with ours(options.model) as off, ours(options.model, **shadow) as on:
        _wait_for_shadow(on)
        memory_mb = {"memory_mb_off": off.sample().pss_mb, "memory_mb_on": on.sample().pss_mb}
        on.pause()
        peak = asyncio.run(_peak(off, bodies, options.seconds))
        off.pause()
        measured = [_round({"off": off, "on": on}, bodies, options, peak) for _ in range(options.rounds)]
    result = {
        "model": options.model.name,
        "shadow": options.shadow.name,
        "texts": payload.kind_of(options.reviews),
        "connections": _CONNECTIONS,
        "paced_per_s": options.load * peak,
        "seconds": options.seconds,
        **memory_mb,
        "medians": result_files.medians(measured),
        "lowest": {name: min(each[name] for each in measured) for name in measured[0] if "ratio" in name},
        "highest": {name: max(each[name] for each in measured) for name in measured[0] if "ratio" in name},
        "rounds": measured,
    }
    result_files.write(options.out, f"shadow-{options.model.name}", result)
    print(json.dumps({name: result[name] for name in ("medians", "lowest", "highest", *memory_mb)}, indent=2))


def _round(servers: dict[str, Server], bodies: list[bytes], options: Namespace, peak: float) -> dict[str, float]:
    replies: dict[tuple[str, str], list[Reply]] = {(load, name): [] for load in ("busy", "paced") for name in servers}
    counted = {f"{load}_{counter}": 0.0 for load in ("busy", "paced") for counter in _COUNTERS}
    # There and back again, so that what changes slowly on the machine weighs the same on both.
    for name in (*servers, *reversed(servers)):
        server = servers[name]
        server.resume()
        for load in ("paced", "busy"):
            before = _counters(server)
            rate = options.load * peak if load == "paced" else None
            replies[load, name] += asyncio.run(_replies(server, bodies, options.seconds, rate))
            for counter, count in _counters(server).items():
                counted[f"{load}_{counter}"] += count - before[counter]
            server.settle(timeout_s=_SETTLE_S)
        server.pause()
    figures: dict[str, float] = {}
    for load in ("busy", "paced"):
        off, on = (_figures(replies[load, name], 2 * options.seconds) for name in ("off", "on"))
        figures |= {f"{load}_{each}_off": off[each] for each in off}
        figures |= {f"{load}_{each}_on": on[each] for each in on}
        figures |= {f"{load}_{each}_ratio": on[each] / off[each] for each in off}
    figures |= counted
    print(json.dumps(figures), flush=True)
    return figures


def _figures(replies: list[Reply], seconds: float) -> dict[str, float]:
    latencies = [1000 * reply.seconds for reply in replies if reply.status == 200]
    cuts = statistics.quantiles(latencies, n=100)
    return {"answers_per_s": len(latencies) / seconds, "p50_ms": cuts[49], "p95_ms": cuts[94], "p99_ms": cuts[98]}


async def _peak(server: Server, bodies: list[bytes], seconds: float) -> float:
    client = Client(server.url)
    peak = await answers_per_s([client], bodies, _CONNECTIONS, seconds)
    client.close()
    return peak


async def _replies(server: Server, bodies: list[bytes], seconds: float, rate: float | None) -> list[Reply]:
    """Return the replies to requests that come at that rate, or without one over connections that always ask."""
    client = Client(server.url)

    async def ask(number: int) -> Reply:
        return await client.post("/predict", bodies[number % len(bodies)])

    asked = at_rate(ask, rate, seconds) if rate else ask_without_pause(client, bodies, _CONNECTIONS, seconds)
    replies = await asked
    client.close()
    return replies


def _wait_for_shadow(server: Server) -> None:
    deadline = time.monotonic() + _READY_S
    while (shadow := httpx.get(server.url.replace("/predict", "/model")).json()["shadow"])["state"] != "ready":
        if shadow["state"] == "disabled" or time.monotonic() > deadline:
            raise ShadowNotReady(f"the shadow model is {shadow['state']}: {shadow['reason']}")
        time.sleep(0.1)


def _counters(server: Server) -> dict[str, float]:
    lines = httpx.get(server.url.replace("/predict", "/metrics")).text.splitlines()
    return {
        name: sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(sample))
        for name, sample in _COUNTERS.items()
    }
