"""What the prediction log costs: answers a second, and processor time, with it and with a spool that keeps nothing.

Processor time, of service and Postgres for each answer, tells more than answers a second where others use the machine.

Both servers run at once and take turns: while one is measured the other is stopped.

    python -m benchmarks log_cost                                      # the starter, generated texts, about 5 minutes
    python -m benchmarks log_cost --reviews my-reviews.parquet --rounds 10

Writes log-cost-MODEL.json.
"""

import argparse
import asyncio
import json
import statistics
import sys
from pathlib import Path

from benchmarks import machine, models, payload
from benchmarks.client import Client
from benchmarks.servers import Server, ours

RESULTS = Path(__file__).parent / "results"
_CONNECTIONS = 32
_WITHOUT_LOG = [sys.executable, "-m", "benchmarks.without_log", "serve", "--port", "{port}"]


def main() -> None:
    """Measure and write the results."""
    options = _options()
    texts = payload.texts(options.reviews, 2000)
    bodies = [json.dumps({"text": text}).encode() for text in texts]
    with ours(options.model) as logged, ours(options.model, command=_WITHOUT_LOG) as unlogged:
        servers = {"with_log": logged, "without_log": unlogged}
        for server in servers.values():
            server.pause()
        rounds = [_round(servers, bodies, options.seconds) for _ in range(options.rounds)]
    medians = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    result = {
        "machine": machine.describe(),
        "model": options.model.name,
        "texts": "real reviews" if options.reviews else "generated",
        "connections": _CONNECTIONS,
        "medians": medians,
        "rounds": rounds,
    }
    (RESULTS / f"log-cost-{options.model.name}.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(medians, indent=2))


def _round(servers: dict[str, Server], bodies: list[bytes], seconds: float) -> dict[str, float]:
    answers_per_s = dict.fromkeys(servers, 0.0)
    cpu_s = dict.fromkeys(servers, 0.0)
    # There and back again, so that what changes slowly on the machine weighs the same on both.
    for name in (*servers, *reversed(servers)):
        server = servers[name]
        server.resume()
        before = server.sample()
        answers_per_s[name] += asyncio.run(_answers_per_s(server.url, bodies, seconds)) / 2
        server.settle()
        after = server.sample()
        server.pause()
        cpu_s[name] += after.cpu_s - before.cpu_s + after.database_cpu_s - before.database_cpu_s
    # What is answered after the end, 32 at most, is left out for both alike.
    cpu_ms = {name: 1000 * cpu_s[name] / (2 * seconds * answers_per_s[name]) for name in servers}
    figures = {
        **{f"answers_per_s_{name}": answers_per_s[name] for name in servers},
        "answers_ratio": answers_per_s["with_log"] / answers_per_s["without_log"],
        **{f"cpu_ms_per_answer_{name}": cpu_ms[name] for name in servers},
        "cpu_ratio": cpu_ms["without_log"] / cpu_ms["with_log"],
    }
    print(json.dumps(figures), flush=True)
    return figures


async def _answers_per_s(url: str, bodies: list[bytes], seconds: float) -> float:
    client = Client(url)
    answers_per_s = await client.answers_per_s("/predict", bodies, _CONNECTIONS, seconds)
    client.close()
    return answers_per_s


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks log_cost", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reviews", type=Path, nargs="+", default=[], help="parquet files with a column text")
    parser.add_argument("--model", type=Path, default=models.STARTER, help="the bundle to serve")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement, two a server and round")
    return parser.parse_args()


if __name__ == "__main__":
    main()
