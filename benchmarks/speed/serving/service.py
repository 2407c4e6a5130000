"""The service against FastAPI with a transformers pipeline, LitServe and BentoML: answers a second, latency, memory.

All serve the same weights, a DistilBERT-base unless --model names another, ours in int8 and the peers in fp32, and get
the same texts in the same order. Each round starts all servers, warms them up and lets them work one at a time, the
others being paused: at each number of connections each has its turn, and the order turns too, so that what else the
machine does falls on all. With 1 connection each answers the same number of texts, with more of them each has the same
time. Start and memory are measured with one server running alone. Figures are medians over the rounds. Ours
writes its prediction log to Postgres all the while.

    make bench                                                      # generated texts, about 20 minutes
    make bench BENCH="--reviews my-reviews.parquet"                 # real ones, from the column `text`
    python -m benchmarks service --servers ours fastapi --rounds 1 --seconds 5 --out /tmp/bench

Writes service.json (all rounds), service.md and service.png. Needs wrk and, for the peers, .venv-bench (`make bench`
makes it).
"""

import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import ROOT, STARTER, payload, result_files
from benchmarks.speed.engines.base_model import MODEL_OR_BASE, base_shape
from benchmarks.speed.serving.servers import (
    PEERS_PYTHON,
    Server,
    bentoml_batching,
    fastapi_pipeline,
    litserve_batching,
    ours,
)
from benchmarks.speed.serving.service_table import PEERS_PACKAGES, table
from benchmarks.speed.serving.wrk import LoadFailed, require_wrk, send, write_bodies
from benchmarks.steps import REVIEWS, Namespace, StepFailed, option, rounds, seconds

Figures = dict[str, Any]
Row = dict[str, Any]

_START: dict[str, Callable[[Path], AbstractContextManager[Server]]] = {
    # The peers let everything wait. Ours would refuse what it cannot answer in 10 s, which is no comparison of speed.
    "ours": partial(ours, SENTIMENT_REQUEST_TIMEOUT_S="60"),
    "fastapi": fastapi_pipeline,
    "litserve": litserve_batching,
    "bentoml": bentoml_batching,
}
_OUR_PACKAGES = ("sentiment-service", "onnxruntime", "tokenizers", "litestar", "granian")
_WARM_UP = 40
"""Answers before the first turn."""
_LONGEST_S = 120
"""Where the number of answers is the end."""


OPTIONS = (
    rounds(3),
    seconds(15, "of each turn with more than 1 connection"),
    option("--requests", type=int, default=200, help="of each turn with 1 connection (default 200)"),
    option("--connections", type=int, nargs="+", default=[1, 8, 32, 128], help="default 1 8 32 128"),
    option("--servers", nargs="+", default=list(_START), choices=list(_START)),
    REVIEWS,
    option("--texts", type=int, default=2000, help="how many different ones (default 2000)"),
    MODEL_OR_BASE,
)


def run(options: Namespace) -> None:
    """Measure and write the results."""
    if not PEERS_PYTHON.exists():
        raise StepFailed(f"expected the peers' environment, found no {PEERS_PYTHON}; `make bench` makes it")
    require_wrk()
    options.model = options.model or base_shape()
    texts = payload.texts(options.reviews, options.texts)
    turns, alone = _measure(options, texts)
    _write(_result(options, texts, turns, alone), options.out)


def _measure(options: Namespace, texts: list[str]) -> tuple[list[Row], list[Row]]:
    """Return what each server did in its turns, and what it took when it ran alone."""
    turns: list[Row] = []
    alone: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="sentiment-bench-") as folder:
        for number in range(options.rounds):
            for row in _round(number, options, texts, Path(folder)):
                turns.append({"round": number + 1, **row})
                print(_line(turns[-1]), flush=True)
            for row in _starts(options, texts, Path(folder)):
                alone.append({"round": number + 1, **row})
                print(_line(alone[-1]), flush=True)
    return turns, alone


def _round(number: int, options: Namespace, texts: list[str], folder: Path) -> Iterator[Row]:
    first = number % len(options.servers)
    with ExitStack() as stack:
        servers = []
        for name in options.servers[first:] + options.servers[:first]:
            servers.append(stack.enter_context(_START[name](options.model)))
            bodies = write_bodies(servers[-1], texts, folder)
            send(servers[-1], bodies, connections=8, seconds=_LONGEST_S, requests=_WARM_UP)
            servers[-1].settle()
            servers[-1].pause()
        for step, connections in enumerate(options.connections):
            begin = (number * len(options.connections) + step) * len(texts) // 7  # other texts in each step
            for server in servers:
                with _awake(server):
                    figures = _turn(server, folder / f"{server.name}.jsonl", connections, begin, options)
                yield {"server": server.name, "connections": connections, **figures}


@contextmanager
def _awake(server: Server) -> Iterator[None]:
    """Let `server` work, and pause it again once it has worked off what it was asked."""
    server.resume()
    yield
    server.settle()
    server.pause()


def _turn(server: Server, bodies: Path, connections: int, first: int, options: Namespace) -> Figures:
    requests = options.requests if connections == 1 else 0
    seconds = _LONGEST_S if requests else options.seconds
    before = server.sample()
    load = send(server, bodies, connections, seconds, requests=requests, first=first)
    after = server.sample()
    if load.answers == 0:
        raise LoadFailed(f"{server.name} answered nothing over {connections} connections: {load}; give more --seconds")
    return {
        "answers_per_s": load.answers / load.seconds,
        "p50_ms": load.p50_ms,
        "p95_ms": load.p95_ms,
        "p99_ms": load.p99_ms,
        "answers": load.answers,
        "errors": load.errors,
        "cpu_s": after.cpu_s - before.cpu_s,
        "database_cpu_s": after.database_cpu_s - before.database_cpu_s,
    }


def _starts(options: Namespace, texts: list[str], folder: Path) -> Iterator[Row]:
    """Start each server alone, ours with the starter too, and measure start and memory.

    Alone, as memory shared between the peers would be counted for each only in part.
    """
    started = [(name, _START[name], options.model) for name in options.servers]
    if "ours" in options.servers:
        started.append(("ours, starter", ours, STARTER))
    for name, start, model in started:
        with start(model) as server:
            bodies = write_bodies(server, texts, folder)
            send(server, bodies, max(options.connections), min(10, options.seconds))
            server.settle()
            sample = server.sample()
            yield {
                "server": name,
                "ready_s": server.ready_s,
                "serving_rss_mb": sample.rss_mb,
                "tree_pss_mb": sample.pss_mb,
            }


def _result(options: Namespace, texts: list[str], turns: list[Row], alone: list[Row]) -> Row:
    load = {
        name: {str(n): _medians(turns, server=name, connections=n) for n in options.connections}
        for name in options.servers
    }
    started = {name: _medians(alone, server=name) for name in dict.fromkeys(row["server"] for row in alone)}
    lengths = sorted(map(len, texts))
    return {
        "versions": {**{name: version(name) for name in _OUR_PACKAGES}, **_peers_versions()},
        "model": {"name": options.model.name, "megabytes": _megabytes(options.model)},
        "payload": {
            "texts": "real reviews" if options.reviews else "generated texts",
            "count": len(texts),
            "mean_characters": round(statistics.mean(lengths)),
            "median_characters": round(statistics.median(lengths)),
            "p95_characters": lengths[len(lengths) * 95 // 100],
        },
        "rounds": options.rounds,
        "seconds": options.seconds,
        "requests_at_1_connection": options.requests,
        "load": load,
        "alone": started,
        "ours_over_peer": _ratios(load),
        "turns": [_rounded(row) for row in turns],
        "starts": [_rounded(row) for row in alone],
    }


def _medians(rows: list[Row], **where: str | int) -> Figures:
    """Return the median of each figure over the rows that `where` fits; errors are added up, so that none hides."""
    chosen = [row for row in rows if all(row[name] == value for name, value in where.items())]
    names = [name for name in chosen[0] if name not in ("round", *where)]
    medians = {name: _median([row[name] for row in chosen]) for name in names}
    if "errors" in medians:
        medians["errors"] = sum(row["errors"] for row in chosen)
        medians["cpu_ms_per_answer"] = statistics.median(1000 * row["cpu_s"] / row["answers"] for row in chosen)
    return _rounded(medians)


def _median(values: list[float | None]) -> float | None:
    """Return the median, or None where a round has no such figure."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if len(known) == len(values) else None


def _ratios(load: dict[str, dict[str, Figures]]) -> dict[str, dict[str, Figures]]:
    """Return ours divided by each peer: more than 1 is better in answers a second, less than 1 in latency."""
    if "ours" not in load:
        return {}
    return {
        peer: {
            figure: {n: _ratio(load["ours"][n][figure], figures[n][figure]) for n in figures}
            for figure in ("answers_per_s", "p50_ms", "p95_ms")
        }
        for peer, figures in load.items()
        if peer != "ours"
    }


def _ratio(our: float | None, their: float | None) -> float | None:
    return round(our / their, 3) if our is not None and their is not None else None


def _rounded(row: Row) -> Row:
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in row.items()}


def _megabytes(model: Path) -> int:
    """Return the size of the weights that the peers load."""
    return round(sum(path.stat().st_size for path in model.glob("model*.safetensors")) / 1e6)


def _peers_versions() -> dict[str, str]:
    program = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    listed = subprocess.run([str(PEERS_PYTHON), "-c", program, *PEERS_PACKAGES], capture_output=True, check=True)
    return dict(zip(PEERS_PACKAGES, listed.stdout.decode().split(), strict=True))


def _write(result: Row, folder: Path) -> None:
    result_files.write(folder, "service", result, table(result))
    picture = [str(PEERS_PYTHON), "-m", "benchmarks.speed.serving.service_picture", str(folder.absolute())]
    subprocess.run(picture, cwd=ROOT, check=True)  # matplotlib is in the peers' environment only
    print(table(result))


def _line(row: Row) -> str:
    return ", ".join(f"{name} {value}" for name, value in _rounded(row).items())
