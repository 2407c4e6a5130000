"""The torch engine on a GPU: tokens a second and how much of the device's matrix peak that is.

The peak is measured here too, with one large matrix product in the same precision: what the maker's sheet promises is
more than any program gets. Reviews are batched as the service batches them, by the lanes, so padding is in the figure.

    python -m benchmarks gpu                                        # DistilBERT-base's shape, generated texts
    python -m benchmarks gpu --reviews my-reviews.parquet --texts 50000
    python -m benchmarks gpu --allow-cpu --texts 50                 # to see that the script runs

Writes gpu.json.
"""

import json
import math
import statistics
import time
from concurrent.futures import Future

import torch

from benchmarks import payload, result_files
from benchmarks.speed.engines.base_model import MODEL_OR_BASE, base_shape
from benchmarks.steps import REVIEWS, Namespace, StepFailed, option, rounds
from sentiment_api.inference.lanes import Entry, Lanes
from sentiment_api.model.bundle import open_bundle
from sentiment_api.model.classifier import Classifier
from sentiment_api.telemetry.metrics import Metrics

_QUEUE = 512
"""Texts that wait at once, as under a full load."""

OPTIONS = (
    REVIEWS,
    MODEL_OR_BASE,
    option("--texts", type=int, default=20_000, help="default 20,000"),
    rounds(5),
    option("--peak-size", type=int, default=8192, help="rows of the large product's matrices (default 8,192)"),
    option("--allow-cpu", action="store_true", help="run without a GPU, in fp32"),
)


def run(options: Namespace) -> None:
    """Measure and write the results."""
    options.model = options.model or base_shape()
    if not torch.cuda.is_available() and not options.allow_cpu:
        raise StepFailed("expected a GPU that torch can use, found none; --allow-cpu runs the script without one")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    classifier = Classifier.load(open_bundle(options.model), "torch", torch.get_num_threads())
    rows = [classifier.encode(text).ids for text in payload.texts(options.reviews, options.texts)]
    batches = _batches(classifier, rows)
    operations = sum(_operations(classifier, len(row)) for row in rows)
    measured = [_seconds(classifier, batches, device) for _ in range(options.rounds + 1)][1:]  # the first warms up
    seconds = statistics.median(measured)
    peak = _peak_per_s(device, options.peak_size)
    result = {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "CPU",
        "model": options.model.name,
        "texts": len(rows),
        "tokens_per_s": sum(map(len, rows)) / seconds,
        "computed_over_asked_tokens": sum(max(map(len, each)) * len(each) for each in batches) / sum(map(len, rows)),
        "tflops_asked": operations / seconds / 1e12,
        "tflops_of_a_large_product": peak / 1e12,
        "share_of_peak": operations / seconds / peak,
        "seconds": measured,
    }
    result_files.write(options.out, "gpu", result)
    print(json.dumps(result, indent=2))


def _batches(classifier: Classifier, rows: list[list[int]]) -> list[list[list[int]]]:
    """Return the batches that the service would make, the queue being kept full."""
    lanes = Lanes(classifier.engine.limits, Metrics())
    waiting = [Entry(row, math.inf, 0.0, Future(), number) for number, row in enumerate(rows)]
    lanes.add("single", waiting[:_QUEUE])
    following = _QUEUE
    batches = []
    while batch := lanes.take():
        batches.append([entry.ids for entry in batch])
        lanes.add("single", waiting[following : following + len(batch)])
        following += len(batch)
    return batches


def _seconds(classifier: Classifier, batches: list[list[list[int]]], device: torch.device) -> float:
    begun = time.perf_counter()
    for batch in batches:
        classifier.forward(batch)
    _wait_for(device)
    return time.perf_counter() - begun


def _operations(classifier: Classifier, tokens: int) -> float:
    """Return the multiplications and additions of the matrix products for one text of so many tokens."""
    config = json.loads(classifier.bundle.path("config.json").read_text())
    dim, hidden, layers = (int(config[name]) for name in ("dim", "hidden_dim", "n_layers"))
    weights = 4 * dim * dim + 2 * dim * hidden
    return 2.0 * layers * (tokens * weights + 2 * tokens * tokens * dim)


def _peak_per_s(device: torch.device, size: int) -> float:
    """Return the operations a second of one large product of matrices, the best of several."""
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    left, right = (torch.rand(size, size, device=device, dtype=dtype) for _ in range(2))
    best = 0.0
    for _ in range(10):
        begun = time.perf_counter()
        left @ right
        _wait_for(device)
        best = max(best, 2.0 * size**3 / (time.perf_counter() - begun))
    return best


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
