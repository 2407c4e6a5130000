"""What the prediction log costs: answers a second, and processor time, with it and with a spool that keeps nothing.

Processor time, of service and Postgres for each answer, tells more than answers a second where others use the machine.

Both servers run at once and take turns: while one is measured the other is stopped.

    python -m benchmarks log_cost                                      # the starter, generated texts, about 5 minutes
    python -m benchmarks log_cost --reviews my-reviews.parquet --rounds 10

Writes log-cost-MODEL.json.
"""

import asyncio
import json
import sys

from benchmarks import payload, result_files
from benchmarks.client import Client, answers_per_s
from benchmarks.speed.serving.servers import Server, ours
from benchmarks.steps import MODEL, REVIEWS, Namespace, rounds, seconds

_CONNECTIONS = 32
_WITHOUT_LOG = [sys.executable, "-m", "benchmarks.speed.prediction_log.without_log", "serve", "--port", "{port}"]
OPTIONS = (REVIEWS, MODEL, rounds(5), seconds(10.0, "of each measurement, two a server and round"))


def run(options: Namespace) -> None:
    """Measure and write the results."""
    bodies = payload.bodies(payload.texts(options.reviews, 2000))
    with ours(options.model) as logged, ours(options.model, command=_WITHOUT_LOG) as unlogged:
        servers = {"with_log": logged, "without_log": unlogged}
        for server in servers.values():
            server.pause()
        measured = [_round(servers, bodies, options.seconds) for _ in range(options.rounds)]
    result = {
        "model": options.model.name,
        "texts": payload.kind_of(options.reviews),
        "connections": _CONNECTIONS,
        "medians": result_files.medians(measured),
        "rounds": measured,
    }
    result_files.write(options.out, f"log-cost-{options.model.name}", result)
    print(json.dumps(result["medians"], indent=2))


def _round(servers: dict[str, Server], bodies: list[bytes], seconds: float) -> dict[str, float]:
    rates = dict.fromkeys(servers, 0.0)
    cpu_s = dict.fromkeys(servers, 0.0)
    # There and back again, so that what changes slowly on the machine weighs the same on both.
    for name in (*servers, *reversed(servers)):
        server = servers[name]
        server.resume()
        before = server.sample()
        rates[name] += asyncio.run(_rate(server.url, bodies, seconds)) / 2
        server.settle()
        after = server.sample()
        server.pause()
        cpu_s[name] += after.cpu_s - before.cpu_s + after.database_cpu_s - before.database_cpu_s
    # What is answered after the end, 32 at most, is left out for both alike.
    cpu_ms = {name: 1000 * cpu_s[name] / (2 * seconds * rates[name]) for name in servers}
    figures = {
        **{f"answers_per_s_{name}": rates[name] for name in servers},
        "answers_ratio": rates["with_log"] / rates["without_log"],
        **{f"cpu_ms_per_answer_{name}": cpu_ms[name] for name in servers},
        "cpu_ratio": cpu_ms["without_log"] / cpu_ms["with_log"],
    }
    print(json.dumps(figures), flush=True)
    return figures


async def _rate(url: str, bodies: list[bytes], seconds: float) -> float:
    client = Client(url)
    rate = await answers_per_s([client], bodies, _CONNECTIONS, seconds)
    client.close()
    return rate
