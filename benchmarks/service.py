"""Start, memory and latency of the service, one request at a time, for the `cpu` engine and, as its peer, `torch`.

    python -m benchmarks.service [--reviews FILE.parquet] [--requests 400] [--rounds 3]

Each round starts both services afresh, one after the other, and sends both the same texts in the same order, so that
what else the machine does falls on both. Figures are medians over the rounds. Results go to benchmarks/results/.
"""

import argparse
import datetime as dt
import json
import os
import platform
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import psutil

_ROOT = Path(__file__).parents[1]
_RESULTS = Path(__file__).parent / "results"
_WORDS = (
    "the and it is this for with was not very great good bad sound quality price product works broke after days weeks "
    "months bought return again would recommend cable guitar screen battery case book story album kitchen knife light"
).split()
_WARM_UP = 20


def main() -> None:
    """Measure and write the results."""
    options = _options()
    texts = _texts(options.reviews, options.requests)
    rounds: dict[str, list[dict[str, float]]] = {"cpu": [], "torch": []}
    with tempfile.TemporaryDirectory(prefix="sentiment-bench-") as folder:
        Path(folder).chmod(0o755)  # as root the embedded Postgres runs as another user
        environment = _environment(Path(folder))
        _run(["db", "upgrade"], environment)
        try:
            for number in range(options.rounds):
                for engine, done in rounds.items():
                    done.append(_measure(engine, texts, environment))
                    print(f"round {number + 1} {engine}: {_line(done[-1])}", flush=True)
        finally:
            _run(["db", "stop"], environment)
    _write(rounds, texts, options)


def _measure(engine: str, texts: list[str], environment: dict[str, str]) -> dict[str, float]:
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "sentiment_api", "serve", "--engine", engine],
        env=environment,
        cwd=_ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{environment['SENTIMENT_PORT']}", timeout=60) as client:
            _wait_ready(client, process)
            ready_s = time.monotonic() - started
            times_ms = _send(client, [*texts[:_WARM_UP], *texts])[_WARM_UP:]
        return {"ready_s": ready_s, **_percentiles(times_ms), **_memory(process.pid)}
    finally:
        process.terminate()
        process.wait()


def _wait_ready(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            if client.get("/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.01)
    sys.exit("the service did not start; run `sentiment-api check`")


def _send(client: httpx.Client, texts: list[str]) -> list[float]:
    times_ms = []
    for text in texts:
        begun = time.perf_counter()
        client.post("/predict", json={"text": text}).raise_for_status()
        times_ms.append(1000 * (time.perf_counter() - begun))
    return times_ms


def _percentiles(times_ms: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(times_ms, n=100)
    return {"p50_ms": cuts[49], "p95_ms": cuts[94], "p99_ms": cuts[98]}


def _memory(pid: int) -> dict[str, float]:
    """Return the resident memory of the serving process and, shared pages once, of the whole tree, in MB."""
    tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    serving = max(process.memory_info().rss for process in tree)
    unique = sum(process.memory_full_info().pss for process in tree)
    return {"serving_rss_mb": serving / 1e6, "tree_pss_mb": unique / 1e6}


def _texts(reviews: Path | None, count: int) -> list[str]:
    """Return reviews from `reviews`, or word salad whose lengths are distributed like those of product reviews."""
    chosen = random.Random(0)  # noqa: S311 - no secret
    if reviews is not None:
        texts = pl.read_parquet(reviews)["text"].to_list()
        return [text[:20_000] for text in chosen.sample(texts, count)]
    lengths = (max(3, round(chosen.lognormvariate(4.1, 0.9))) for _ in range(count))
    return [" ".join(chosen.choices(_WORDS, k=min(length, 1500))) for length in lengths]


def _environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "SENTIMENT_DATABASE": "embedded",
        "SENTIMENT_DATA_DIR": str(folder),
        "SENTIMENT_MODEL": str(_ROOT / "models" / "starter"),
        "SENTIMENT_PORT": str(_free_port()),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _run(arguments: list[str], environment: dict[str, str]) -> None:
    subprocess.run([sys.executable, "-m", "sentiment_api", *arguments], env=environment, cwd=_ROOT, check=True)


def _write(rounds: dict[str, list[dict[str, float]]], texts: list[str], options: argparse.Namespace) -> None:
    medians = {
        engine: {name: round(statistics.median(each[name] for each in done), 2) for name in done[0]}
        for engine, done in rounds.items()
    }
    result: dict[str, Any] = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": {
            "processor": _processor(),
            "cores": len(os.sched_getaffinity(0)),
            "python": platform.python_version(),
        },
        "payload": {
            "texts": "real reviews" if options.reviews else "generated",
            "requests": options.requests,
            "mean_characters": round(statistics.mean(map(len, texts))),
        },
        "rounds": options.rounds,
        "medians": medians,
        "cpu_over_torch_p50": round(medians["cpu"]["p50_ms"] / medians["torch"]["p50_ms"], 3),
        "cpu_over_torch_p95": round(medians["cpu"]["p95_ms"] / medians["torch"]["p95_ms"], 3),
    }
    _RESULTS.mkdir(exist_ok=True)
    (_RESULTS / "service.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def _processor() -> str:
    with Path("/proc/cpuinfo").open() as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown")


def _line(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.1f}" for name, value in figures.items())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reviews", type=Path, help="a parquet file with a column text; generated texts otherwise")
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
