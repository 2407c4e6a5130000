"""What a night costs: seconds from the command to its exit, and the most memory it took, by rows of the window.

    python -m benchmarks drift cost       # fills an embedded Postgres with a million rows: ten minutes

The rows are the starter's own reference again and again, a third of them with feedback. Nights are judged as a shop's
are that has run for a while: against a baseline of its own with its segments, golden texts asked of the running
service. The night before each one has calibrated, as it has for all nights but a shop's first; what that took is the
first figure.
"""

import asyncio
import datetime as dt
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import polars as pl
from uuid_utils.compat import uuid7

from benchmarks.postgres import Database, own_postgres
from benchmarks.processes import clean_environment
from benchmarks.service_process import Service
from sentiment_api.database.connection import connected
from sentiment_api.database.partitions import make_months, month_of
from sentiment_api.model.bundle import REFERENCE, Manifest, open_bundle
from sentiment_api.model.descriptors import DESCRIPTORS_VERSION, Descriptors
from sentiment_api.settings import DatabaseSettings

NIGHTS = {"first night, 5,000 rows": (1, 5_000), "5,000 rows": (2, 5_000)}
LARGE = {
    "first night, 100,000 rows": (3, 100_000),
    "100,000 rows": (4, 100_000),
    "1,000,000 rows, 100,000 sampled": (5, 1_000_000),
    "5,000 rows after a day of 1,000,000": (6, 5_000),
}
_MONTH = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
_BASELINE = dt.datetime(2026, 8, 1, tzinfo=dt.UTC)
_BASELINE_DAYS, _BASELINE_ROWS = 28, 20_000
_DAY = dt.timedelta(days=1)
_JOBS = (sys.executable, "-m", "drift_jobs")
_CHUNK = 20_000
_LABELLED = 3  # one row of so many has feedback


def measure(model: Path) -> dict[str, object]:
    """Return seconds and megabytes of each night."""
    with own_postgres() as postgres, tempfile.TemporaryDirectory(prefix="sentiment-bench-") as folder:
        return _nights(postgres.new_database(), Path(folder), model)


def _nights(database: Database, folder: Path, model: Path) -> dict[str, object]:
    asyncio.run(_fill(database.settings, model))
    url = database.url
    environment = {**clean_environment(), "SENTIMENT_DATABASE_URL": url, "SENTIMENT_MODEL": str(model)}
    baseline = f"{_BASELINE:%Y-%m-%d}..{_BASELINE + _BASELINE_DAYS * _DAY:%Y-%m-%d}"
    subprocess.run([*_JOBS, "baseline", "accept", baseline], env=environment, check=True)
    service = Service(folder / "service.log", folder / "service", url, SENTIMENT_MODEL=str(model))
    service.start()
    try:
        return {name: _night(day, rows, service.url, environment) for name, (day, rows) in {**NIGHTS, **LARGE}.items()}
    finally:
        service.terminate()
        service.end()


def _night(day: int, rows: int, service_url: str, environment: dict[str, str]) -> dict[str, object]:
    date = f"{_MONTH + (day - 1) * _DAY:%Y-%m-%d}"
    found = {"rows": rows, **_run([*_JOBS, "nightly", "--date", date, "--service-url", service_url], environment)}
    print(date, found, flush=True)
    return found


def _run(command: list[str], environment: dict[str, str]) -> dict[str, object]:
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    return {
        "seconds": round(seconds, 1),
        "processor_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "megabytes": round(usage.ru_maxrss / 1024),
        "exit_code": os.waitstatus_to_exitcode(status),
    }


async def _fill(settings: DatabaseSettings, model: Path) -> None:
    bundle = open_bundle(model)
    rows = pl.read_parquet(bundle.path(REFERENCE)).to_dicts()
    async with connected(settings, command_timeout_s=None) as engine, engine.begin() as connection:
        await make_months(connection, [month_of(_BASELINE), month_of(_MONTH)])
        driver: Any = (await connection.get_raw_connection()).driver_connection  # asyncpg's
        baseline = (_BASELINE, _BASELINE_DAYS * _DAY, _BASELINE_ROWS)
        nights = [(_MONTH + (day - 1) * _DAY, _DAY, number) for day, number in {**NIGHTS, **LARGE}.values()]
        for start, length, number in (baseline, *nights):
            await _fill_window(driver, bundle.manifest, rows, start, length, number)


async def _fill_window(
    driver: asyncpg.Connection,
    manifest: Manifest,
    rows: Sequence[dict[str, Any]],
    start: dt.datetime,
    length: dt.timedelta,
    number: int,
) -> None:
    step = length / (number + 1)
    for first in range(0, number, _CHUNK):
        moments = [start + index * step for index in range(first, min(number, first + _CHUNK))]
        records = [_record(rows[(first + place) % len(rows)], moment, manifest) for place, moment in enumerate(moments)]
        for table, filled in (("predictions", records), ("feedback", list(_feedback(records, rows, first)))):
            values = [tuple(each.values()) for each in filled]
            await driver.copy_records_to_table(table, records=values, columns=list(filled[0]))
    print(f"filled {start:%Y-%m-%d} with {number:,} rows", flush=True)


def _record(row: dict[str, Any], moment: dt.datetime, manifest: Manifest) -> dict[str, Any]:
    descriptors = {name: row[name] for name in Descriptors.__struct_fields__}
    return {
        "prediction_id": _id_at(moment),
        "created_at": moment,
        "request_id": "r",
        "source": "api",
        "product_id": row["product_cluster"],
        "text": "a review of some length " * 20,
        "text_hash": b"\x00" * 16,
        "descriptors": msgspec.json.encode(descriptors).decode(),
        "descriptors_version": DESCRIPTORS_VERSION,
        "tokens": row["tokens"],
        "truncated": row["truncated"],
        "logits": row["logits"],
        "label": row["label"],
        "score": row["score"],
        "probabilities": msgspec.json.encode(dict(zip(manifest.labels, row["probabilities"], strict=True))).decode(),
        "embedding": row["embedding"],
        "model_name": manifest.name,
        "model_version": manifest.version,
        "engine": "cpu",
        "latency_ms": 5.0,
    }


def _feedback(
    records: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]], first: int
) -> Iterator[dict[str, Any]]:
    for place in range(0, len(records), _LABELLED):
        yield {
            "feedback_id": uuid7(),
            "prediction_id": records[place]["prediction_id"],
            "received_at": records[place]["created_at"],
            "rating": rows[(first + place) % len(rows)]["rating"],
            "request_id": "r",
        }


def _id_at(moment: dt.datetime) -> uuid.UUID:
    """Return a UUIDv7 of that millisecond."""
    milliseconds = int(moment.timestamp() * 1000)
    return uuid.UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | uuid.uuid4().int & ((1 << 62) - 1))
