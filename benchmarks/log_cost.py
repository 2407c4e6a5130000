"""What the prediction log costs: answers a second with it, and with a spool that keeps nothing.

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
    figures = {}
    # There and back again, so that what changes slowly on the machine weighs the same on both.
    for name in (*servers, *reversed(servers)):
        servers[name].resume()
        figures[name] = figures.get(name, 0) + asyncio.run(_answers_per_s(servers[name].url, bodies, seconds)) / 2
        servers[name].settle()
        servers[name].pause()
    figures["ratio"] = figures["with_log"] / figures["without_log"]
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
