"""What a replica does and takes, and how Postgres grows: the figures of docs/capacity.md.

    python -m benchmarks capacity --reviews my-reviews.parquet     # the starter; some 10 minutes

Each round starts one replica with one and with two engine threads, and two with one each, in turns. Processor time for
each review tells more than reviews a second where others use the machine. Writes capacity.json.
"""

import argparse
import json
import signal
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import machine, payload
from benchmarks.capacity import growth, replicas
from benchmarks.chaos.command import own_postgres
from benchmarks.chaos.postgres import Postgres

RESULTS = Path(__file__).parents[1] / "results"


def main() -> None:
    """Measure and write the results."""
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started is stopped then, too
    texts = payload.texts(options.reviews, 2000)
    result: dict[str, Any] = {"machine": machine.describe(), "texts": _described(texts, options)}
    with own_postgres() as postgres:
        if "replicas" in options.parts:
            for rounds in _rounds(postgres, texts, options):
                result["replicas"] = {name: replicas.medians(each) for name, each in rounds.items()}
                result["rounds"] = rounds
                _write(result, options.results)
        if "growth" in options.parts:
            result["growth_for_a_million"] = growth.measure(postgres, texts, options.rows)
            _write(result, options.results)
    print(json.dumps({name: each for name, each in result.items() if name != "rounds"}, indent=1))


def _rounds(postgres: Postgres, texts: list[str], options: argparse.Namespace) -> Iterator[dict[str, list[Any]]]:
    """Yield what was found until now, by setup, after each round."""
    rounds: dict[str, list[Any]] = {setup.name: [] for setup in replicas.SETUPS}
    for _ in range(options.rounds):
        for setup in replicas.SETUPS:
            found = replicas.measure(setup, postgres, replicas.lengths(texts), options.seconds)
            rounds[setup.name].append(found)
            print(f"{setup.name}: {json.dumps(found)}", flush=True)
        yield rounds


def _described(texts: list[str], options: argparse.Namespace) -> dict[str, Any]:
    return {
        "kind": "real reviews" if options.reviews else "generated texts",
        "count": len(texts),
        "lengths": {
            name: {
                "mean_characters": round(statistics.mean(map(len, some))),
                "mean_words": round(statistics.mean(len(text.split()) for text in some)),
            }
            for name, some in replicas.lengths(texts).items()
        },
    }


def _write(result: dict[str, Any], folder: Path) -> None:
    """Write what was measured; what is there of the other part stays."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "capacity.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(before | result, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks capacity", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reviews", type=Path, nargs="+", default=[], metavar="FILE", help="parquet, column text")
    parser.add_argument("--parts", nargs="+", default=["replicas", "growth"], choices=["replicas", "growth"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each measurement")
    parser.add_argument("--rows", type=int, default=100_000, help="that Postgres gets of each kind")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="where to write them")
    return parser.parse_args()
