"""Writes down what a release leaves on disk and asks of Postgres: a spool segment and all its SQL, by its own code.

README.md beside this file says how it is run. It was written for release 0.1.0; what later releases add is added here.
"""

import asyncio
import base64
import datetime as dt
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from drift_jobs.runs import DriftRun, MetricRow
from drift_jobs.storage import results
from drift_jobs.storage.predictions import read_predictions
from drift_jobs.windows import Window
from sentiment_api.database import drift_queries, queries, schema
from sentiment_api.database.connection import check_schema, connected
from sentiment_api.database.embedded import EmbeddedServer
from sentiment_api.database.partitions import make_months
from sentiment_api.metrics import Metrics
from sentiment_api.prediction_log import shipper, storing
from sentiment_api.prediction_log.records import FeedbackRecord, PredictionRecord, encode
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.settings import DatabaseSettings

FILLED = UUID("019a3cb6-bbff-7000-8000-000000000001")
BARE = UUID("019a3cb6-bc00-7000-8000-000000000002")
RATED = UUID("019a3cb7-4130-7000-8000-000000000003")
LABELLED = UUID("019a3cb7-4131-7000-8000-000000000004")
RUN = UUID("019a3cb7-4132-7000-8000-000000000005")

FILLED_PREDICTION = PredictionRecord(
    prediction_id=FILLED,
    request_id="request-1",
    idempotency_key="order-66",
    source="api",
    api_key_name="shop",
    product_id="mug-7 / é",
    event_timestamp=dt.datetime(2025, 10, 31, 12, 30, 15, 250_000, dt.timezone(dt.timedelta(hours=5, minutes=45))),
    text="The lid leaks.\nGrüße 😀",
    text_hash=bytes(range(16)),
    metadata={"shop": "de", "stars": 4, "weight": 0.25, "gift": True, "note": None},
    descriptors={"words": 4, "pieces_per_word": 1.5},
    descriptors_version=1,
    tokens=9,
    truncated=True,
    logits=[1.5, -1.25],
    label="negative",
    score=0.9375,
    probabilities={"negative": 0.9375, "positive": 0.0625},
    embedding=[0.5, -0.25, 0.0],
    model_name="starter",
    model_version="0123456789ab",
    engine="cpu",
    latency_ms=4.5,
)
BARE_PREDICTION = PredictionRecord(
    prediction_id=BARE,
    request_id="request-2",
    idempotency_key=None,
    source="hf",
    api_key_name=None,
    product_id=None,
    event_timestamp=None,
    text=None,
    text_hash=bytes(16),
    metadata=None,
    descriptors={},
    descriptors_version=1,
    tokens=2,
    truncated=False,
    logits=[-2.0, 2.0],
    label="positive",
    score=0.75,
    probabilities={"negative": 0.25, "positive": 0.75},
    embedding=[],
    model_name="starter",
    model_version="0123456789ab",
    engine="torch",
    latency_ms=0.5,
)
RATING = FeedbackRecord(feedback_id=RATED, prediction_id=FILLED, rating=2, label=None, request_id="request-3")
LABEL = FeedbackRecord(feedback_id=LABELLED, prediction_id=BARE, rating=None, label="positive", request_id="request-4")
WINDOW = Window(dt.datetime(2025, 11, 1, tzinfo=dt.UTC), dt.datetime(2025, 11, 2, tzinfo=dt.UTC))
DRIFT_RUN = DriftRun(
    run_id=RUN,
    revision=1,
    window_start=WINDOW.start,
    window_end=WINDOW.end,
    reference="bundle",
    model_name="starter",
    model_version="0123456789ab",
    started_at=WINDOW.end,
    finished_at=WINDOW.end,
    verdict="none",
    reason="nothing",
    n_current=1,
    n_reference=1,
    metrics=(MetricRow(metric="words", family="inputs", n=1),),
)


def write_segment(path: Path) -> None:
    """Write a segment of the four records as base64."""
    with tempfile.TemporaryDirectory() as root:
        spool = Spool.claim(Path(root), 1 << 20)
        for record in (FILLED_PREDICTION, BARE_PREDICTION, RATING, LABEL):
            spool.append(encode(record))
        spool.seal()
        (segment,) = spool.segments()
        path.write_text(base64.encodebytes(segment.read_bytes()).decode())
        spool.close()


class Statements:
    """What was sent to Postgres, each statement once, with the function that sent it first."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}
        self._origin = ""

    def note(self, _connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        """Remember a statement; SQLAlchemy's `before_cursor_execute`."""
        self.add(statement, self._origin)

    def add(self, statement: str, origin: str) -> None:
        """Remember a statement of that origin."""
        self._found.setdefault(statement.strip(), origin)

    async def during(self, function: Callable[..., Awaitable[Any]], *arguments: Any, **named: Any) -> None:
        """Call the function and note what it sends."""
        self._origin = f"{function.__module__}.{function.__qualname__}"
        await function(*arguments, **named)

    def __str__(self) -> str:
        """Return one paragraph for each, in the order in which they were sent."""
        return "\n\n".join(f"-- {origin}\n{_trimmed(each)}" for each, origin in self._found.items()) + "\n"


def _trimmed(statement: str) -> str:
    return "\n".join(map(str.strip, statement.splitlines()))


async def call_everything(engine: AsyncEngine, statements: Statements, root: Path) -> None:
    """Have each function that knows SQL send it."""
    spool = Spool.claim(root / "spool", 1 << 20)
    await statements.during(shipper.Shipper(spool, engine, Metrics())._ping)
    spool.close()
    for insert in storing._INSERTS.values():
        statements.add(insert.sql, "sentiment_api.prediction_log.storing._Insert")
    await statements.during(check_schema, engine)
    async with engine.begin() as connection:
        await statements.during(make_months, connection, [dt.date(2025, 10, 1), dt.date(2025, 11, 1)])
        await judge(connection, statements)
    await statements.during(queries.find_prediction, engine, FILLED)
    await statements.during(queries.has_prediction, engine, FILLED)
    await statements.during(queries.find_feedback, engine, FILLED)
    await statements.during(drift_queries.latest_drift_run, engine, DRIFT_RUN.model_version)


async def judge(connection: AsyncConnection, statements: Statements) -> None:
    """Send what the drift job sends."""
    await statements.during(results.lock, connection, WINDOW, "bundle")
    await statements.during(read_predictions, connection, WINDOW)
    await statements.during(results.store_run, connection, DRIFT_RUN, html="<p>", snapshot="{}")
    await statements.during(results.latest_run, connection, WINDOW, DRIFT_RUN.model_version, "bundle")
    await statements.during(results.list_runs, connection, 10)
    await statements.during(results.read_run, connection, RUN)
    await statements.during(results.read_html, connection, RUN)


async def statements_on(database: DatabaseSettings) -> Statements:
    """Return all SQL that the release sends, the migrations left out."""
    async with connected(database) as engine:
        await schema.upgrade(engine, "head")
        statements = Statements()
        event.listen(engine.sync_engine, "before_cursor_execute", statements.note)
        await call_everything(engine, statements, database.data_dir)
    return statements


def write_statements(path: Path) -> None:
    """Write all SQL that the release sends, on a server of its own."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)  # as root, the server runs as another user
        try:
            statements = asyncio.run(statements_on(DatabaseSettings(database="embedded", data_dir=root)))
        finally:
            EmbeddedServer(root).stop()
    path.write_text(str(statements))


if __name__ == "__main__":
    folder, release = Path(sys.argv[1]), sys.argv[2]
    write_segment(folder / f"{release}.spool")
    write_statements(folder / f"{release}.sql")
