"""How Postgres grows: tables, indexes and write-ahead log for each row that the real shipper inserts."""

import asyncio
import random
import tempfile
from pathlib import Path
from typing import NamedTuple

import msgspec
from uuid_utils.compat import uuid7

from benchmarks import STARTER
from benchmarks.payload import new_record
from benchmarks.postgres import Database, Postgres
from benchmarks.processes import used
from sentiment_api.database.connection import connected
from sentiment_api.model.bundle import TOKENIZER
from sentiment_api.model.descriptors import describe
from sentiment_api.model.tokenizer import ReviewTokenizer
from sentiment_api.prediction_log.records import FeedbackRecord, PredictionRecord, Record, encode
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.takeover import claim_spool
from sentiment_api.telemetry.metrics import Metrics

Figures = dict[str, float]
_BOUND = 16 << 30
_TABLES = {
    "predictions": "select inhrelid::bigint from pg_inherits where inhparent = 'predictions'::regclass",
    "feedback": "select 'feedback'::regclass::oid::bigint",
}

_SIZE = "select {}(relation::oid::regclass) from unnest($1::bigint[]) relation"


class _Sizes(NamedTuple):
    table: int
    """Bytes of rows, with texts that lie outside of them."""
    indexes: int
    log: int
    """Bytes of write-ahead log since the server was made."""
    cpu_s: float


def measure(postgres: Postgres, texts: list[str], rows: int) -> dict[str, Figures]:
    """Return megabytes for a million rows of predictions with and without texts, and of feedback."""
    return {
        "predictions, texts kept": _grown(postgres, "predictions", predictions(texts, rows)),
        "predictions, no texts": _grown(postgres, "predictions", predictions(texts, rows, keep=False)),
        "feedback": _grown(postgres, "feedback", feedback(rows)),
    }


def predictions(texts: list[str], rows: int, *, keep: bool = True) -> list[Record]:
    """Return records as the service makes them of these texts, which come round again under new ids."""
    chosen = random.Random(0)  # noqa: S311 - no secret
    tokenizer = ReviewTokenizer(STARTER / TOKENIZER, 512)
    patterns = [_prediction(text, tokenizer, chosen, keep=keep) for text in texts]
    return [msgspec.structs.replace(patterns[row % len(patterns)], prediction_id=uuid7()) for row in range(rows)]


def _prediction(text: str, tokenizer: ReviewTokenizer, chosen: random.Random, *, keep: bool) -> PredictionRecord:
    ids, truncated = tokenizer.encode(text)
    descriptors = describe(text, tokens=len(ids), truncated=truncated)
    return msgspec.structs.replace(
        new_record(chosen),
        source="api",
        text=text if keep else None,
        descriptors=msgspec.structs.asdict(descriptors),
        tokens=len(ids),
        truncated=truncated,
    )


def feedback(rows: int) -> list[Record]:
    """Return ratings, each of another prediction."""
    chosen = random.Random(0)  # noqa: S311 - no secret
    return [
        FeedbackRecord(
            feedback_id=uuid7(),
            prediction_id=uuid7(),
            rating=chosen.randint(1, 5),
            label=None,
            request_id=f"{chosen.getrandbits(128):032x}",
        )
        for _ in range(rows)
    ]


def _grown(postgres: Postgres, table: str, records: list[Record]) -> Figures:
    database = postgres.new_database()
    try:
        before = _sizes(database, table)
        with tempfile.TemporaryDirectory(prefix="capacity-") as folder:
            spool_bytes = asyncio.run(_ship(database, Path(folder), records))
        database.run("checkpoint")
        after = _sizes(database, table)
    finally:
        postgres.drop(database)
    per_million = 1e6 / len(records) / 1e6
    return {
        "rows": len(records),
        "table_mb": (after.table - before.table) * per_million,
        "indexes_mb": (after.indexes - before.indexes) * per_million,
        "write_ahead_log_mb": (after.log - before.log) * per_million,
        "spool_mb": spool_bytes * per_million,
        "postgres_cpu_s": (after.cpu_s - before.cpu_s) * 1e6 / len(records),
    }


async def _ship(database: Database, folder: Path, records: list[Record]) -> int:
    """Have the service's shipper insert them all; return the bytes that they take in a spool."""
    spool = claim_spool(folder / "spool", _BOUND)
    for record in records:
        spool.append(encode(record))
    size = spool.size_bytes
    async with connected(database.settings) as engine:
        shipper = Shipper(spool, engine, Metrics())
        while spool.size_bytes:
            await shipper.ship()
    spool.close()
    return size


def _sizes(database: Database, table: str) -> _Sizes:
    relations = database.column(_TABLES[table])
    table_bytes = sum(database.column(_SIZE.format("pg_table_size"), relations))
    index_bytes = sum(database.column(_SIZE.format("pg_indexes_size"), relations))
    (log,) = database.column("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")
    return _Sizes(table_bytes, index_bytes, log, used([postmaster(database)]).cpu_s)


def postmaster(database: Database) -> int:
    """Return the id of the first of Postgres's processes."""
    (lines,) = database.column("select pg_read_file('postmaster.pid')")
    return int(lines.split()[0])
