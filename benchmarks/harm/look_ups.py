"""Feedback beside look-ups of old predictions, while Postgres is away and the spool holds what came meanwhile.

1. Alone: feedback at random moments (a Poisson process), nothing beside it.
2. Beside: the same, while so many clients look up old ids without a pause: one half are those of the oldest records in
   the spool, the others are nobody's. The first of them finds no index yet.
3. Index: in a process of its own, the memory and the time that the index of such a spool takes.

    python -m benchmarks look_ups                       # about a minute
    python -m benchmarks look_ups --megabytes 1000 --clients 60

Writes look-ups.json.
"""

import asyncio
import json
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psutil
from uuid_utils.compat import uuid7

from benchmarks import result_files
from benchmarks.client import Client, Reply, at_rate
from benchmarks.payload import new_record
from benchmarks.processes import free_port
from benchmarks.service_process import Service, running
from benchmarks.steps import Namespace, StepFailed, option, rounds, seconds
from sentiment_api.prediction_log.look_ups.spool_reader import SpoolReader
from sentiment_api.prediction_log.records import encode
from sentiment_api.prediction_log.takeover import claim_spool

_BOUND = 16 << 30
_AGE_MS = 48 * 3_600_000
"""How old the spooled predictions are: too old to be on their way by their ids alone."""
_PATTERNS = 1000
"""Different records, which come round again under other ids."""
_PER_S = 20.0
OPTIONS = (
    rounds(3),
    seconds(20.0, "of feedback, alone and beside"),
    option("--clients", type=int, default=32, help="that look up (default 32)"),
    option("--megabytes", type=int, default=400, help="in the spool (default 400)"),
)


def run(options: Namespace) -> None:
    """Measure and write the results."""
    measured = []
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="sentiment-bench-") as folder:
            data_dir = Path(folder)
            ids = _in_another_process(_fill, data_dir / "spool", options.megabytes * 1_000_000)
            measured.append({**_served(data_dir, ids, options), **_in_another_process(_index, data_dir / "spool", ids)})
        print(f"round {number + 1}: {json.dumps(measured[-1])}", flush=True)
    result = {
        "clients": options.clients,
        "spool_mb": options.megabytes,
        "feedback_per_s": _PER_S,
        "seconds": options.seconds,
        "medians": result_files.medians(measured),
        "rounds": measured,
    }
    result_files.write(options.out, "look-ups", result)
    print(json.dumps(result["medians"], indent=2))


def _in_another_process(work: Any, *arguments: Any) -> Any:  # noqa: ANN401 - whatever it takes and returns
    """Return what `work` returns there, so that its memory and processor time are no one else's."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def _fill(root: Path, size: int) -> list[UUID]:
    """Fill a spool; return the ids of the oldest records in it."""
    chosen = random.Random(0)  # noqa: S311 - no secret
    patterns = [encode(new_record(chosen)).partition(b"prediction_id\xd9$") for _ in range(_PATTERNS)]
    spool = claim_spool(root, _BOUND)
    ids: list[UUID] = []
    while spool.size_bytes < size:
        before, name, after = patterns[len(ids) % _PATTERNS]
        ids.append(_old_id())
        spool.append(before + name + str(ids[-1]).encode() + after[36:])
    spool.close()
    return ids[: max(1, len(ids) // 100)]


def _old_id() -> UUID:
    return UUID(int=uuid7().int - (_AGE_MS << 80))


def _served(data_dir: Path, ids: Sequence[UUID], options: Namespace) -> dict[str, Any]:
    away = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    service = Service(
        data_dir / "service.log", data_dir, away, SENTIMENT_SPOOL_MAX_BYTES=str(_BOUND), SENTIMENT_DRAIN_TIMEOUT_S="0.1"
    )
    with running([service]):
        worker = psutil.Process(service.worker_pid)
        alone = asyncio.run(_alone(service.url, options.seconds))
        before_mb = worker.memory_full_info().uss / 1e6
        beside = asyncio.run(_beside(service.url, ids, options))
        after_mb = worker.memory_full_info().uss / 1e6
    return {"alone": alone, **beside, "worker_mb": {"before": before_mb, "after": after_mb}}


async def _alone(url: str, seconds: float) -> dict[str, float]:
    client = Client(url)
    await at_rate(lambda _: _feedback(client), _PER_S, 3.0)
    figures = _latencies(await at_rate(lambda _: _feedback(client), _PER_S, seconds), 202)
    client.close()
    return figures


async def _beside(url: str, ids: Sequence[UUID], options: Namespace) -> dict[str, Any]:
    looking, rating = Client(url), Client(url)
    ended = asyncio.Event()
    clients = [asyncio.create_task(_look_up(looking, ids, number, ended)) for number in range(options.clients)]
    feedback = _latencies(await at_rate(lambda _: _feedback(rating), _PER_S, options.seconds), 202)
    ended.set()
    replies = [reply for replies in await asyncio.gather(*clients) for reply in replies]
    looking.close()
    rating.close()
    counts = Counter(_outcome(reply) for reply in replies)
    found = [reply for reply in replies if reply.status == 200]
    outcomes = {name: counts[name] for name in ("200", "database-away", "refused", "other")}
    return {"beside": feedback, "look_ups": {**outcomes, **_latencies(found, 200)}}


async def _feedback(client: Client) -> Reply:
    return await client.post("/feedback", json.dumps({"prediction_id": str(uuid7()), "rating": 4}).encode())


async def _look_up(client: Client, ids: Sequence[UUID], number: int, ended: asyncio.Event) -> list[Reply]:
    """Look ids up, of spooled predictions or of none, until the end."""
    chosen = random.Random(number)  # noqa: S311 - no secret
    replies = []
    while not ended.is_set():
        prediction_id = chosen.choice(ids) if number % 2 else UUID(int=_old_id().int ^ (uuid4().int & 0xFFFF))
        replies.append(await client.get(f"/predictions/{prediction_id}"))
    return replies


def _outcome(reply: Reply) -> str:
    if reply.status == 200:
        return "200"
    if reply.status == 503:
        return "refused" if "retry-after" in reply.headers else "database-away"
    return "other"


def _latencies(replies: Sequence[Reply], status: int) -> dict[str, float]:
    """Return percentiles, in milliseconds.

    Raises:
        StepFailed: a reply has another status.
    """
    if strange := Counter(reply.status for reply in replies if reply.status != status):
        raise StepFailed(f"expected {status} of all, found {dict(strange)}")
    milliseconds = sorted(1000 * reply.seconds for reply in replies)
    hundredths = statistics.quantiles(milliseconds, n=100)
    return {"p50_ms": hundredths[49], "p99_ms": hundredths[98], "max_ms": milliseconds[-1]}


def _index(root: Path, ids: Sequence[UUID]) -> dict[str, Any]:
    """Return what the index of a spool takes."""
    spool = claim_spool(root, _BOUND)
    reader, calls = SpoolReader(spool), 1
    process = psutil.Process()
    before, started = process.memory_full_info().uss, time.perf_counter()
    while reader.find(ids[0]) is None:
        calls += 1
    seconds, grown = time.perf_counter() - started, process.memory_full_info().uss - before
    started = time.perf_counter()
    for each in ids[:1000]:
        reader.find(each)
    each_us = 1e6 * (time.perf_counter() - started) / len(ids[:1000])
    size = spool.size_bytes
    spool.close()
    figures = {"seconds": seconds, "turn_ms": 1000 * seconds / calls, "look_up_us": each_us}
    return {"index": {**figures, "index_mb": reader.index_bytes / 1e6, "grown_mb": grown / 1e6, "spool_mb": size / 1e6}}
