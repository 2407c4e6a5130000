"""What lists of logged predictions read in Postgres, and what the indexes for them cost the shipper.

Several databases on one embedded server, filled over four months by the spool and the shipper. Lists: the pages that
one query reads, found or not in its cache, and its time. Inserts: rows a second of the shipper, from the files to the
commit, in turns with and without the indexes; and what the server's process computed for each row, which other work on
the machine does not change.

    python -m benchmarks log_reads        # 4 minutes on two idle cores
    python -m benchmarks log_reads --part inserts

Writes log-reads.json.
"""

import asyncio
import datetime as dt
import json
import random
import re
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
from sqlalchemy import text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks import result_files
from benchmarks.postgres import Database, own_postgres
from benchmarks.steps import Namespace, StepFailed, option, rounds
from sentiment_api.database.connection import connected
from sentiment_api.database.partitions import first_id
from sentiment_api.database.queries import Selection, page_query
from sentiment_api.database.tables import CUSTOMER_SOURCES
from sentiment_api.prediction_log.records import FeedbackRecord, PredictionRecord, Record, encode
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.takeover import claim_spool
from sentiment_api.telemetry.metrics import Metrics

_PARTS = ["lists", "inserts"]
_START = dt.datetime(2026, 8, 1, tzinfo=dt.UTC)
_END = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
_SOURCES = {"api": 9_590, "v2": 200, "hf": 100, "bench": 100, "golden": 10}
_random = random.Random(1)  # noqa: S311 - no secret; the same rows each time
_WORDS = "the lid leaks and handle broke after a week but colour is lovely so I keep it for tea not coffee".split()
_DROP_PRODUCT = "drop index predictions_product_id_idx"
_DROP_TRIES = "drop index predictions_tries_idx"
_VARIANTS = {"no index": [_DROP_PRODUCT, _DROP_TRIES], "by product": [_DROP_TRIES], "both": []}


OPTIONS = (
    option("--part", choices=_PARTS, nargs="*", default=_PARTS),
    option("--rows", type=int, default=200_000, help="of the table that lists are read from (default 200,000)"),
    rounds(3),
    option("--round-rows", type=int, default=20_000, help="inserted in each round (default 20,000)"),
)


def run(options: Namespace) -> None:
    """Measure and write the results; what is there of the other part stays."""
    with own_postgres() as postgres, tempfile.TemporaryDirectory(prefix="sentiment-bench-") as folder:
        databases = {name: postgres.new_database() for name in ("lists", *_VARIANTS)}
        measured = asyncio.run(_measure(databases, Path(folder), options))
    result = result_files.read(options.out, "log-reads") | measured
    result_files.write(options.out, "log-reads", result)
    print(json.dumps(result, indent=2))


async def _measure(databases: dict[str, Database], folder: Path, options: Namespace) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if "lists" in options.part:
        async with connected(databases["lists"].settings) as engine:
            await _ship(engine, folder / "lists", _records(options.rows))
            result["lists"] = {"rows": options.rows, "both": await _lists(engine)}
            await _run(engine, _DROP_TRIES)
            result["lists"]["by product"] = await _lists(engine)
    if "inserts" in options.part:
        result["inserts"] = await _inserts(databases, folder, options)
    return result


async def _lists(engine: AsyncEngine) -> dict[str, dict[str, Any]]:
    await _run(engine, "vacuum analyze")
    return {name: await _explained(engine, selection) for name, selection in _selections().items()}


def _selections() -> dict[str, Selection]:
    """Return the lists to ask for, by what they are of."""
    usual: dict[str, Any] = {"product_id": None, "label": None, "sources": CUSTOMER_SOURCES, "start": None, "end": None}
    week = {"start": dt.datetime(2026, 10, 5, tzinfo=dt.UTC), "end": dt.datetime(2026, 10, 12, tzinfo=dt.UTC)}
    half_way = first_id(dt.datetime(2026, 10, 1, tzinfo=dt.UTC))
    asked: dict[str, dict[str, Any]] = {
        "newest": {},
        "half way down": {"before": half_way},
        "a week": week,
        "label": {"label": "negative"},
        "label nobody gave": {"label": "neutral"},
        "label nobody gave, a week": {"label": "neutral", **week},
        "product sold often": {"product_id": "p0"},
        "product sold seldom": {"product_id": "p1999"},
        "product, a week": {"product_id": "p3", **week},
        "product, label": {"product_id": "p3", "label": "negative"},
        "product, label, half way down": {"product_id": "p3", "label": "negative", "before": half_way},
        "source hf": {"sources": ("hf",)},
        "source golden": {"sources": ("golden",)},
        "source golden, a week": {"sources": ("golden",), **week},
        "source nobody used": {"sources": ("console",)},
        "product, source golden": {"product_id": "p0", "sources": ("golden",)},
    }
    return {name: Selection(**{**usual, **fields}, limit=51) for name, fields in asked.items()}


async def _explained(engine: AsyncEngine, selection: Selection) -> dict[str, Any]:
    """Return the pages of 8 kB that the list read, its rows, and the median of its time over five runs."""
    compiled = page_query(selection).compile(
        dialect=postgresql.dialect(),  # type: ignore[no-untyped-call] # SQLAlchemy leaves it untyped
        compile_kwargs={"literal_binds": True},
    )
    times = []
    async with engine.connect() as connection:
        for _ in range(5):
            statement = f"explain (analyze, buffers, format json) {compiled}"
            (plan,) = await connection.scalar(text(statement.replace(":", r"\:")))
            times.append(plan["Planning Time"] + plan["Execution Time"])
    top = plan["Plan"]
    return {
        "ms": round(statistics.median(times), 2),
        "pages": top["Shared Hit Blocks"] + top["Shared Read Blocks"],
        "rows": top["Actual Rows"],
        "indexes": sorted({_kind(name) for name in _indexes(top)}),
    }


def _kind(index: str) -> str:
    """Return which index of a month it is."""
    return re.sub(r"predictions_\d{4}_\d{2}_", "", index)


def _indexes(plan: dict[str, Any]) -> Iterator[str]:
    if "Index Name" in plan and plan["Actual Loops"]:
        yield plan["Index Name"]
    for child in plan.get("Plans", []):
        yield from _indexes(child)


async def _inserts(databases: dict[str, Database], folder: Path, options: Namespace) -> dict[str, Any]:
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in _VARIANTS}
    for name, statements in _VARIANTS.items():
        async with connected(databases[name].settings) as engine:
            await _ship(engine, folder / name, _records(options.rows // 4))
            for statement in statements:
                await _run(engine, statement)
    for _ in range(options.rounds):
        for name in _VARIANTS:
            async with connected(databases[name].settings) as engine:
                await _run(engine, "checkpoint")
                measured[name].append(await _round(engine, folder / name, options.round_rows))
    return {name: result_files.medians(values) | {"rounds": values} for name, values in measured.items()}


async def _round(engine: AsyncEngine, folder: Path, count: int) -> dict[str, float]:
    # The pool has one connection, so the shipper has the same one.
    async with engine.connect() as connection:
        backend = psutil.Process(await connection.scalar(text("select pg_backend_pid()")))
    before = backend.cpu_times()
    seconds = await _ship(engine, folder, _records(count, rated=0))
    after = backend.cpu_times()
    computed_s = after.user + after.system - before.user - before.system
    return {"rows_per_s": round(count / seconds), "server_us_per_row": round(1e6 * computed_s / count, 1)}


async def _run(engine: AsyncEngine, statement: str) -> None:
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text(statement))


async def _ship(engine: AsyncEngine, folder: Path, records: list[Record]) -> float:
    """Bring the records to Postgres and return the seconds from the files to the last commit."""
    spool = claim_spool(folder, max_bytes=4 << 30)
    for record in records:
        spool.append(encode(record))
    spool.seal()
    started = time.monotonic()
    shipped = await Shipper(spool, engine, Metrics()).ship()
    seconds = time.monotonic() - started
    spool.close()
    if not shipped:
        raise StepFailed("expected all records in Postgres; the shipper failed")
    return seconds


def _records(count: int, rated: float = 0.1) -> list[Record]:
    """Return predictions in order of time, a share of them with feedback."""
    step = (_END - _START) / count
    records: list[Record] = []
    for number in range(count):
        prediction = _prediction(_id(_START + number * step))
        records.append(prediction)
        if _random.random() < rated:
            records.append(_feedback(prediction))
    return records


def _prediction(prediction_id: UUID) -> PredictionRecord:
    label = _random.choice(("negative", "positive", "positive", "positive"))
    (source,) = _random.choices(list(_SOURCES), list(_SOURCES.values()))
    return PredictionRecord(
        prediction_id=prediction_id,
        request_id=f"{prediction_id}",
        idempotency_key=None,
        source=source,
        api_key_name=None,
        product_id=f"p{int(2_000 * _random.random() ** 3)}",  # some are sold often, most seldom
        event_timestamp=_START,
        text=" ".join(_random.choices(_WORDS, k=120)),
        text_hash=_random.randbytes(16),
        metadata={"shop": "de"},
        descriptors={"characters": 600, "words": 120, "tokens": 130, "pieces_per_word": 1.1, "truncated": False},
        descriptors_version=1,
        tokens=130,
        truncated=False,
        logits=[1.5, -1.5],
        label=label,
        score=0.95,
        probabilities={"negative": 0.95, "positive": 0.05},
        embedding=[_random.random() for _ in range(32)],
        model_name="starter",
        model_version="0123456789ab",
        engine="cpu",
        latency_ms=4.5,
    )


def _feedback(prediction: PredictionRecord) -> FeedbackRecord:
    return FeedbackRecord(
        feedback_id=_id(_END), prediction_id=prediction.prediction_id, rating=4, label=None, request_id="r"
    )


def _id(moment: dt.datetime) -> UUID:
    return UUID(int=first_id(moment).int + _random.getrandbits(80))
