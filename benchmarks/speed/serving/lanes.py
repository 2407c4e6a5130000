"""Single requests beside a client that sends full batches of long texts without pause: who holds up whom?

Each round measures single requests on an idle server, the batch client alone, and both together. The single client
sends reviews one after the other, pausing between them, as a shop with little traffic does.

    python -m benchmarks lanes                                      # the starter, generated texts, about 6 minutes
    python -m benchmarks lanes --reviews my-reviews.parquet --rounds 5

Writes lanes-MODEL.json.
"""

import asyncio
import itertools
import json
import math
import statistics
import time

from benchmarks import payload, result_files
from benchmarks.client import Client
from benchmarks.speed.serving.servers import ours
from benchmarks.steps import MODEL, REVIEWS, Namespace, StepFailed, option, rounds
from sentiment_api.schemas.limits import MAX_BATCH_ITEMS

_LONG_CHARACTERS = 4000
"""Every text of the batch client is longer than the model reads."""
_PAUSE_S = 0.05
OPTIONS = (
    REVIEWS,
    MODEL,
    option("--singles", type=int, default=200, help="single requests on the idle server (default 200)"),
    option("--batches", type=int, default=3, help="of 256 long texts, alone and beside singles (default 3)"),
    rounds(3),
)


def run(options: Namespace) -> None:
    """Measure and write the results."""
    texts = payload.texts(options.reviews, 1000)
    singles = payload.bodies(texts[: options.singles])
    batch = json.dumps({"items": [{"text": text} for text in _long(texts)]}).encode()
    with ours(options.model) as server:
        measured = [asyncio.run(_round(server.url, singles, batch, options.batches)) for _ in range(options.rounds)]
    result = {
        "model": options.model.name,
        "texts": payload.kind_of(options.reviews),
        "items_of_a_batch": MAX_BATCH_ITEMS,
        "medians": result_files.medians(measured),
        "rounds": measured,
    }
    result_files.write(options.out, f"lanes-{options.model.name}", result)
    print(json.dumps(result["medians"], indent=2))


def _long(texts: list[str]) -> list[str]:
    """Return as many long texts as a batch has, made of the given ones."""
    joined = " ".join(texts)
    joined *= math.ceil(MAX_BATCH_ITEMS * _LONG_CHARACTERS / len(joined))
    return [joined[place * _LONG_CHARACTERS : (place + 1) * _LONG_CHARACTERS] for place in range(MAX_BATCH_ITEMS)]


async def _round(url: str, singles: list[bytes], batch: bytes, batches: int) -> dict[str, float]:
    client = Client(url)
    idle = [await _single_ms(client, body) for body in singles]
    alone = await _batches(client, batch, batches)
    beside = asyncio.create_task(_batches(client, batch, batches))
    busy = []
    for body in itertools.cycle(singles):
        busy.append(await _single_ms(client, body))
        if beside.done():
            break
    shared = await beside
    client.close()
    figures = {
        "singles_beside_batches": len(busy),
        "single_p50_idle_ms": _percentile(idle, 50),
        "single_p95_idle_ms": _percentile(idle, 95),
        "single_p50_beside_batches_ms": _percentile(busy, 50),
        "single_p95_beside_batches_ms": _percentile(busy, 95),
        "p95_over_idle": _percentile(busy, 95) / _percentile(idle, 95),
        "batch_items_per_s_alone": alone,
        "batch_items_per_s_beside_singles": shared,
        "batch_share_kept": shared / alone,
    }
    print(json.dumps(figures), flush=True)
    return figures


async def _single_ms(client: Client, body: bytes) -> float:
    """Ask, pause, and return how long the answer took."""
    reply = await client.post("/predict", body)
    if reply.status != 200:
        raise StepFailed(f"expected every single request to be answered with 200, found {reply.status}")
    await asyncio.sleep(_PAUSE_S)
    return 1000 * reply.seconds


async def _batches(client: Client, body: bytes, count: int) -> float:
    """Send batches one after the other and return the items a second."""
    begun = time.perf_counter()
    for _ in range(count):
        reply = await client.post("/predict/batch", body)
        found = sum("label" in each for each in json.loads(reply.body)["results"]) if reply.status == 200 else 0
        if found != MAX_BATCH_ITEMS:
            raise StepFailed(f"expected {MAX_BATCH_ITEMS} predictions, found {found} with status {reply.status}")
    return count * MAX_BATCH_ITEMS / (time.perf_counter() - begun)


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
