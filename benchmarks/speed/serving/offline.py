"""What the server costs: texts a second over HTTP, prediction log on, beside the engine alone on the same texts.

The engine alone has its token ids ready, as many threads as cores, and the texts sorted by length, so that it makes
every batch that it can: nothing can be faster with this engine. Rounds take turns; the server is paused while the
engine runs.

    python -m benchmarks offline                                 # DistilBERT-base's shape, generated texts, 5 minutes
    python -m benchmarks offline --reviews my-reviews.parquet --model models/starter

Writes offline-MODEL.json.
"""

import json
import os
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from benchmarks import payload, result_files
from benchmarks.speed.engines.base_model import MODEL_OR_BASE, base_shape
from benchmarks.speed.serving.servers import Server, ours
from benchmarks.speed.serving.wrk import require_wrk, send, write_bodies
from benchmarks.steps import REVIEWS, Namespace, option, rounds
from sentiment_api.model.bundle import open_bundle
from sentiment_api.model.classifier import Classifier

_PATIENCE_S = "60"
"""Longer than 32 texts take on a slow machine: what is measured is speed, not refusals."""
_LONGEST_S = 600
OPTIONS = (
    REVIEWS,
    MODEL_OR_BASE,
    option("--texts", type=int, default=600, help="in each round (default 600)"),
    option("--connections", type=int, default=32, help="default 32"),
    rounds(3),
)


def run(options: Namespace) -> None:
    """Measure and write the results."""
    require_wrk()
    options.model = options.model or base_shape()
    texts = payload.texts(options.reviews, options.texts)
    cores = len(os.sched_getaffinity(0))
    classifier = Classifier.load(open_bundle(options.model), "cpu", cores)
    batches = _batches(classifier, texts)
    rounds = []
    with (
        tempfile.TemporaryDirectory(prefix="sentiment-bench-") as folder,
        ours(options.model, SENTIMENT_REQUEST_TIMEOUT_S=_PATIENCE_S) as server,
    ):
        bodies = write_bodies(server, texts, Path(folder))
        send(server, bodies, options.connections, _LONGEST_S, requests=len(texts) // 10)
        for number in range(options.rounds):
            server.settle()
            server.pause()
            engine = len(texts) / _seconds(classifier, batches, cores)
            server.resume()
            load = send(server, bodies, options.connections, _LONGEST_S, requests=len(texts))
            rounds.append(
                {"engine_texts_per_s": engine, "http_texts_per_s": load.answers / load.seconds, "errors": load.errors}
            )
            print(f"round {number + 1}: {json.dumps(rounds[-1])}", flush=True)
        padding = _padding(server)
    result = {
        "model": options.model.name,
        "texts": f"{len(texts)} {payload.kind_of(options.reviews)}",
        "connections": options.connections,
        "http_share_of_engine": statistics.median(
            each["http_texts_per_s"] / each["engine_texts_per_s"] for each in rounds
        ),
        "computed_over_asked_tokens": padding,
        "rounds": rounds,
    }
    result_files.write(options.out, f"offline-{options.model.name}", result)
    print(json.dumps({name: value for name, value in result.items() if name != "rounds"}, indent=2))


def _batches(classifier: Classifier, texts: list[str]) -> list[list[list[int]]]:
    """Return the texts' token ids in as few batches as the engine's limits allow, longest first."""
    rows = sorted((classifier.encode(text).ids for text in texts), key=len, reverse=True)
    limits = classifier.engine.limits
    edges = [0]
    for place, row in enumerate(rows):
        batch = rows[edges[-1] : place]
        total = sum(map(len, batch)) + len(row)
        if batch and not limits.hold(texts=len(batch) + 1, longest=len(batch[0]), total=total):
            edges.append(place)
    return [rows[first:end] for first, end in pairwise([*edges, len(rows)])]


def _seconds(classifier: Classifier, batches: list[list[list[int]]], threads: int) -> float:
    begun = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(classifier.forward, batches))
    return time.perf_counter() - begun


def _padding(server: Server) -> float:
    """Return how many tokens the server's engine computed for each that was asked."""
    page = httpx.get(server.url.replace("/predict", "/metrics"), trust_env=False).text
    samples = {each.name: each.value for family in text_string_to_metric_families(page) for each in family.samples}
    return samples["sentiment_computed_tokens_total"] / samples["sentiment_asked_tokens_total"]
