"""The model in each process, or as a process of its own: both shapes measured in turns.

Every round starts all shapes, one after the other in a changing order, each with a fresh database.

    python -m benchmarks scaling --shapes --reviews my-reviews.parquet     # the starter; some 15 minutes

Latencies are those of requests at random moments, at a fixed rate that is the same for all shapes. Writes
model-process.json.
"""

import asyncio
import itertools
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import payload, result_files
from benchmarks.client import Client, Reply, answers_per_s, at_rate
from benchmarks.harm.scaling.shapes import SHAPES
from benchmarks.postgres import Postgres, own_postgres
from benchmarks.processes import used
from benchmarks.steps import Namespace

Figures = dict[str, Any]
_APIS = (1, 2, 4)
_CONNECTIONS = 16
_WARM_UP_S = 2.0


def compare(options: Namespace) -> None:
    """Measure, and write `model-process.json` after each round."""
    bodies = payload.bodies(payload.texts(options.reviews, 1000))
    measured: list[Figures] = []
    with own_postgres() as postgres:
        for number in range(options.rounds):
            measured.append(_round(postgres, bodies, options, number))
            result = {
                "texts": payload.kind_of(options.reviews),
                "connections": _CONNECTIONS,
                "rate_per_s": options.rate,
                "seconds": options.seconds,
                "medians": result_files.medians(measured),
                "rounds": measured,
            }
            result_files.write(options.out, "model-process", result)
    print(json.dumps(result["medians"], indent=1))


def _round(postgres: Postgres, bodies: list[bytes], options: Namespace, number: int) -> dict[str, Figures]:
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


async def _measured(urls: list[str], pids: list[int], bodies: list[bytes], options: Namespace) -> Figures:
    clients = [Client(url) for url in urls]
    await answers_per_s(clients, bodies, _CONNECTIONS, _WARM_UP_S)
    before = used(pids)
    rate = await answers_per_s(clients, bodies, _CONNECTIONS, options.seconds)
    after = used(pids)

    async def ask(number: int) -> Reply:
        return await clients[number % len(clients)].post("/predict", bodies[number % len(bodies)])

    replies = await at_rate(ask, options.rate, options.seconds)
    memory = used(pids)
    for client in clients:
        client.close()
    latencies = [1000 * reply.seconds for reply in replies if reply.status == 200]
    answered = rate * options.seconds + _CONNECTIONS  # with those under way at the end
    percentiles = statistics.quantiles(latencies, n=100)
    return {
        "answers_per_s": rate,
        "cpu_ms_per_answer": 1000 * (after.cpu_s - before.cpu_s) / answered,
        "p50_ms": percentiles[49],
        "p99_ms": percentiles[98],
        "failed": len(replies) - len(latencies),
        "pss_mb": memory.pss_mb,
        "private_mb": memory.private_mb,
        "largest_rss_mb": memory.largest_rss_mb,
    }
