"""What a replica does and takes, and how Postgres grows: the figures of docs/capacity.md.

    python -m benchmarks capacity --reviews my-reviews.parquet     # the starter; some 10 minutes

Each round starts one replica with one and with two engine threads, and two with one each, in turns. Processor time for
each review tells more than reviews a second where others use the machine. Writes capacity.json.
"""

import json
import statistics
from collections.abc import Iterator
from typing import Any

from benchmarks import payload, result_files
from benchmarks.postgres import Postgres, own_postgres
from benchmarks.speed.capacity import growth, replicas
from benchmarks.steps import REVIEWS, Namespace, option, rounds, seconds

OPTIONS = (
    REVIEWS,
    option("--parts", nargs="+", default=["replicas", "growth"], choices=["replicas", "growth"]),
    rounds(5),
    seconds(6.0, "of each measurement"),
    option("--rows", type=int, default=100_000, help="that Postgres gets of each kind (default 100,000)"),
)


def run(options: Namespace) -> None:
    """Measure and write the results after each round; what is there of the other part stays."""
    texts = payload.texts(options.reviews, 2000)
    result = result_files.read(options.out, "capacity") | {"texts": _described(texts, options)}
    with own_postgres() as postgres:
        if "replicas" in options.parts:
            for measured in _rounds(postgres, texts, options):
                result["replicas"] = {name: result_files.medians(each) for name, each in measured.items()}
                result["rounds"] = measured
                result_files.write(options.out, "capacity", result)
        if "growth" in options.parts:
            result["growth_for_a_million"] = growth.measure(postgres, texts, options.rows)
            result_files.write(options.out, "capacity", result)
    print(json.dumps({name: each for name, each in result.items() if name != "rounds"}, indent=1))


def _rounds(postgres: Postgres, texts: list[str], options: Namespace) -> Iterator[dict[str, list[Any]]]:
    """Yield what was found until now, by setup, after each round."""
    measured: dict[str, list[Any]] = {setup.name: [] for setup in replicas.SETUPS}
    for _ in range(options.rounds):
        for setup in replicas.SETUPS:
            found = replicas.measure(setup, postgres, replicas.lengths(texts), options.seconds)
            measured[setup.name].append(found)
            print(f"{setup.name}: {json.dumps(found)}", flush=True)
        yield measured


def _described(texts: list[str], options: Namespace) -> dict[str, Any]:
    return {
        "kind": payload.kind_of(options.reviews),
        "count": len(texts),
        "lengths": {
            name: {
                "mean_characters": round(statistics.mean(map(len, some))),
                "mean_words": round(statistics.mean(len(text.split()) for text in some)),
            }
            for name, some in replicas.lengths(texts).items()
        },
    }
