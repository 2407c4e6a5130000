"""The model in each process, or as a process of its own: both shapes measured in turns.

Every round starts all shapes, one after the other in a changing order, each with a fresh database.

    python -m benchmarks scaling --shapes --reviews my-reviews.parquet     # the starter; some 15 minutes

Latencies are those of requests at random moments, at a fixed rate that is the same for all shapes. Writes
model-process.json.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks import machine, payload
from benchmarks.chaos.command import own_postgres
from benchmarks.chaos.postgres import Postgres
from benchmarks.client import Client, Reply
from benchmarks.scaling.shapes import SHAPES
from benchmarks.scaling.usage import Usage, used

Figures = dict[str, float]
_APIS = (1, 2, 4)
_CONNECTIONS = 16
_WARM_UP_S = 2.0


def main(options: argparse.Namespace) -> None:
    """Measure, and write `model-process.json`."""
    bodies = [json.dumps({"text": text}).encode() for text in payload.texts(options.reviews, 1000)]
    rounds: list[dict[str, Figures]] = []
    options.results.mkdir(parents=True, exist_ok=True)
    with own_postgres() as postgres:
        for number in range(options.rounds):
            rounds.append(_round(postgres, bodies, options, number))
            result = {
                "machine": machine.describe(),
                "texts": "real reviews" if options.reviews else "generated texts",
                "connections": _CONNECTIONS,
                "rate_per_s": options.rate,
                "seconds": options.seconds,
                "medians": _medians(rounds),
                "rounds": rounds,
            }
            (options.results / "model-process.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(_medians(rounds), indent=1))


def _round(postgres: Postgres, bodies: list[bytes], options: argparse.Namespace, number: int) -> dict[str, Figures]:
    figures = {}
    turns = list(itertools.product(_APIS, SHAPES))
    for apis, name in turns if number % 2 == 0 else reversed(turns):
        with tempfile.TemporaryDirectory(prefix="shapes-") as folder:
            started = time.monotonic()
            with SHAPES[name](Path(folder), postgres, apis) as (urls, pids):
                ready_s = time.monotonic() - started
                measured = asyncio.run(_measured(urls, pids, bodies, options))
        figures[f"{apis} APIs, model {name}"] = {"ready_s": ready_s, "load": os.getloadavg()[0], **measured}
        print(f"{apis} APIs, model {name}: {json.dumps(measured)}", flush=True)
    return figures


async def _measured(urls: list[str], pids: list[int], bodies: list[bytes], options: argparse.Namespace) -> Figures:
    clients = [Client(url) for url in urls]
    await _answers_per_s(clients, bodies, _WARM_UP_S)
    before = used(pids)
    answers_per_s = await _answers_per_s(clients, bodies, options.seconds)
    after = used(pids)
    replies = await _at_rate(clients, bodies, options.rate, options.seconds)
    memory = used(pids)
    for client in clients:
        client.close()
    latencies = [1000 * reply.seconds for reply in replies if reply.status == 200]
    answered = answers_per_s * options.seconds + _CONNECTIONS  # with those under way at the end
    percentiles = statistics.quantiles(latencies, n=100)
    return {
        "answers_per_s": answers_per_s,
        "cpu_ms_per_answer": 1000 * (after.cpu_s - before.cpu_s) / answered,
        "p50_ms": percentiles[49],
        "p99_ms": percentiles[98],
        "failed": len(replies) - len(latencies),
        **_memory(memory),
    }


def _memory(usage: Usage) -> Figures:
    return {"pss_mb": usage.pss_mb, "private_mb": usage.private_mb, "largest_rss_mb": usage.largest_rss_mb}


async def _answers_per_s(clients: list[Client], bodies: list[bytes], seconds: float) -> float:
    """Return the answers a second over all clients, with the same number of connections whatever their number."""
    shares = [bodies[number :: len(clients)] for number in range(len(clients))]
    each = _CONNECTIONS // len(clients)
    asking = (
        client.answers_per_s("/predict", share, each, seconds) for client, share in zip(clients, shares, strict=True)
    )
    return sum(await asyncio.gather(*asking))


async def _at_rate(clients: list[Client], bodies: list[bytes], rate: float, seconds: float) -> list[Reply]:
    """Ask the clients in turn at random moments, `rate` a second on average; return all replies."""
    chosen = random.Random(0)  # noqa: S311 - no secret
    started, due = time.perf_counter(), 0.0
    asked: list[asyncio.Task[Reply]] = []
    while due < seconds:
        await asyncio.sleep(max(0.0, started + due - time.perf_counter()))
        client, body = clients[len(asked) % len(clients)], bodies[len(asked) % len(bodies)]
        asked.append(asyncio.create_task(client.post("/predict", body)))
        due += chosen.expovariate(rate)
    return await asyncio.gather(*asked)


def _medians(rounds: list[dict[str, Figures]]) -> dict[str, Figures]:
    return {
        name: {figure: round(statistics.median(each[name][figure] for each in rounds), 2) for figure in figures}
        for name, figures in rounds[0].items()
    }
