"""Rows a second from a full spool into the embedded Postgres, and whether the memory stays flat meanwhile.

The spool is filled first, by another process, then shipped at once: as after an outage.

    python -m benchmarks log_shipping                      # 100,000 rows
    python -m benchmarks log_shipping --rows 1000000       # some minutes, and 3 GB of disk

Writes log-shipping-ROWS.json. Memory is that of the process that ships, resident, as the median of each tenth of the
time; the first one is the time in which buffers grow to their size.
"""

import asyncio
import json
import multiprocessing
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
from uuid_utils.compat import uuid7

from benchmarks import result_files
from benchmarks.payload import new_record
from benchmarks.postgres import own_postgres
from benchmarks.processes import tenths
from benchmarks.steps import Namespace, StepFailed, option
from sentiment_api.database.connection import connected
from sentiment_api.prediction_log.records import encode
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.takeover import claim_spool
from sentiment_api.settings import DatabaseSettings
from sentiment_api.telemetry.metrics import Metrics

_BOUND = 16 << 30
_SAMPLE_S = 0.1
_PATTERNS = 1000
"""Different records, which come round again under new ids."""
OPTIONS = (option("--rows", type=int, default=100_000, help="default 100,000"),)


class RowsMissing(StepFailed):
    """Not every record was shipped."""


def run(options: Namespace) -> None:
    """Measure and write the results."""
    with tempfile.TemporaryDirectory(prefix="sentiment-bench-") as folder, own_postgres() as postgres:
        _in_another_process(Path(folder), options.rows)
        database = postgres.new_database()
        figures = asyncio.run(_shipped(Path(folder), database.settings))
        (stored,) = database.column("select count(*) from predictions")
    if stored != options.rows:
        raise RowsMissing(f"expected {options.rows} rows, found {stored}")
    result = {"rows": options.rows, "rows_per_s": options.rows / figures["seconds"], **figures}
    result_files.write(options.out, f"log-shipping-{options.rows}", result)
    print(json.dumps(result, indent=2))


def _in_another_process(folder: Path, rows: int) -> None:
    """Fill the spool there, so that the memory of doing so is not measured."""
    filling = multiprocessing.get_context("spawn").Process(target=_fill, args=(folder, rows))
    filling.start()
    filling.join()
    if filling.exitcode != 0:
        raise RowsMissing(f"the spool could not be filled: exit code {filling.exitcode}")


def _fill(folder: Path, rows: int) -> None:
    chosen = random.Random(0)  # noqa: S311 - no secret
    patterns = [new_record(chosen) for _ in range(_PATTERNS)]
    spool = claim_spool(folder / "spool", _BOUND)
    for number in range(rows):
        spool.append(encode(msgspec.structs.replace(patterns[number % _PATTERNS], prediction_id=uuid7())))
    spool.close()


async def _shipped(folder: Path, settings: DatabaseSettings) -> dict[str, Any]:
    """Ship the spool; return the time that took and the memory."""
    spool = claim_spool(folder / "spool", _BOUND)
    size = spool.size_bytes
    async with connected(settings) as engine:
        shipper = Shipper(spool, engine, Metrics())
        started = time.perf_counter()
        with _memory_mb() as samples:
            while spool.size_bytes:
                await shipper.ship()
        seconds = time.perf_counter() - started
    spool.close()
    return {"seconds": seconds, "spool_mb": size / 1e6, "rss_mb": tenths(samples), "rss_max_mb": max(samples)}


@contextmanager
def _memory_mb() -> Iterator[list[float]]:
    """Yield the list to which this process's memory is added every so often."""
    samples = [_rss_mb()]
    ending = threading.Event()

    def sample() -> None:
        while not ending.wait(_SAMPLE_S):
            samples.append(_rss_mb())

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        ending.set()
        thread.join()


def _rss_mb() -> float:
    return float(psutil.Process().memory_info().rss) / 1e6
