"""Writes down what a release leaves on disk and asks of Postgres, by its own code.

That is a spool segment, records set aside and all its SQL. README.md beside this file says how it is run. It has what
the release needs that it is committed with; what later releases add is added here.
"""

import asyncio
import base64
import datetime as dt
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec.structs import replace
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from drift_jobs.judging.calibration import Calibration
from drift_jobs.runs import BackTest, DriftRun, MetricRow
from drift_jobs.storage import baselines, calibrations, counts, first_traffic, history, results
from drift_jobs.storage.predictions import read_predictions
from drift_jobs.storage.references import WantedReference
from drift_jobs.windows import Window
from sentiment_api.access import key_table
from sentiment_api.access.keys import Key
from sentiment_api.database import drift_results, erasures, queries, schema
from sentiment_api.database.connection import check_schema, connected
from sentiment_api.database.drift_results import product_segment
from sentiment_api.database.embedded import EmbeddedServer
from sentiment_api.database.partitions import drop_old_months, first_id, make_months
from sentiment_api.database.shadow_counts import count_shadow
from sentiment_api.database.tables import CUSTOMER_SOURCES, OWN_SOURCES
from sentiment_api.prediction_log import shipper, storing
from sentiment_api.prediction_log.records import FeedbackRecord, PredictionRecord, ShadowRecord, encode
from sentiment_api.prediction_log.set_aside import SetAsideRecord
from sentiment_api.prediction_log.spool_folders import set_aside_files
from sentiment_api.prediction_log.takeover import claim_spool
from sentiment_api.settings import DatabaseSettings
from sentiment_api.telemetry.metrics import Metrics

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
SHADOW_ANSWER = ShadowRecord(
    prediction_id=FILLED,
    model_name="candidate",
    model_version="ba9876543210",
    engine="cpu",
    logits=[-0.5, 0.5],
    label="positive",
    score=0.6875,
    probabilities={"negative": 0.3125, "positive": 0.6875},
    latency_ms=12.5,
    processor_ms=8.25,
)
RECORDS = (FILLED_PREDICTION, BARE_PREDICTION, RATING, LABEL, SHADOW_ANSWER)
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
    metrics=(
        MetricRow(metric="words", family="inputs", n=1),
        MetricRow(metric="words", segment=product_segment("mug-7 / é"), family="inputs", n=1),
    ),
)
CALIBRATION = Calibration(
    size=100,
    windows=400,
    products=12.5,
    quantiles={"words": 0.25},
    errors={"words": 3.5},
    smallest_p=(0.0625, 0.5),
    back_test=BackTest(
        size=100, windows=400, watch_rate=0.0, watch_upper=0.0, drift_rate=0.0, drift_upper=0.0, alarms_a_year=0.0
    ),
)
KEY = Key(key_id="0123456789ab", name="shop", secret_hash=bytes(32), scopes=("predict",), tokens_per_minute=6_000)
ZONE = ZoneInfo("UTC")
EARLY_VERSION = "fedcba987654"
"""A model version with traffic enough to become its own baseline."""


def early_traffic() -> list[PredictionRecord]:
    """Return as many predictions, over as many days, as a first baseline takes."""
    days, rows = first_traffic.MIN_DAYS, first_traffic.MIN_ROWS
    pause = days * dt.timedelta(days=1) / rows
    return [
        replace(
            BARE_PREDICTION,
            prediction_id=first_id(WINDOW.start + number * pause),
            source="api",
            model_version=EARLY_VERSION,
        )
        for number in range(rows + 1)
    ]


def write_segment(path: Path) -> None:
    """Write a segment of the records as base64."""
    with tempfile.TemporaryDirectory() as root:
        spool = claim_spool(Path(root), 1 << 20)
        for record in RECORDS:
            spool.append(encode(record))
        spool.seal()
        (segment,) = spool.segments()
        path.write_text(base64.encodebytes(segment.read_bytes()).decode())
        spool.close()


def write_set_aside(path: Path) -> None:
    """Write the files of the same records set aside, a line for each."""
    with tempfile.TemporaryDirectory() as root:
        for record in RECORDS:
            SetAsideRecord("22021", record).save(Path(root))
        path.write_bytes(b"".join(file.read_bytes() + b"\n" for file in set_aside_files(Path(root))))


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

    async def during_all_of(self, function: Callable[..., AsyncIterator[Any]], *arguments: Any) -> None:
        """Do the same with a function that yields."""
        self._origin = f"{function.__module__}.{function.__qualname__}"
        async for _ in function(*arguments):
            pass

    def __str__(self) -> str:
        """Return one paragraph for each, in the order in which they were sent."""
        return "\n\n".join(f"-- {origin}\n{_trimmed(each)}" for each, origin in self._found.items()) + "\n"


def _trimmed(statement: str) -> str:
    return "\n".join(map(str.strip, statement.splitlines()))


async def call_everything(engine: AsyncEngine, statements: Statements, root: Path) -> None:
    """Have each function that knows SQL send it."""
    spool = claim_spool(root / "spool", 1 << 20)
    await statements.during(shipper.Shipper(spool, engine, Metrics())._ping)
    spool.close()
    for insert in storing._INSERTS.values():
        statements.add(insert.sql, "sentiment_api.prediction_log.storing._Insert")
    await statements.during(check_schema, engine)
    async with engine.begin() as connection:
        await statements.during(make_months, connection, [dt.date(2025, 10, 1), dt.date(2025, 11, 1)])
    await statements.during(storing.store, engine, [*RECORDS, *early_traffic()])
    await read(engine, statements)
    async with engine.begin() as connection:
        await judge(connection, statements)
        await compare(connection, statements)
    await show_drift(engine, statements)
    await ask_for_keys(engine, statements)
    await erase(engine, statements)
    # Of the two months the older one goes.
    await statements.during(drop_old_months, engine, dt.datetime.now(dt.UTC) - WINDOW.start)


async def read(engine: AsyncEngine, statements: Statements) -> None:
    """Send what the service and its commands read of predictions."""
    everything = (WINDOW.start, WINDOW.end, RUN, 10)
    await statements.during(queries.find_prediction, engine, FILLED)
    await statements.during(queries.has_prediction, engine, FILLED)
    await statements.during(queries.find_feedback, engine, FILLED)
    for selection in (
        queries.Selection(None, None, CUSTOMER_SOURCES, None, None, limit=10),
        queries.Selection("mug-7 / é", "negative", CUSTOMER_SOURCES, *everything),
        queries.Selection(None, None, OWN_SOURCES, *everything),
    ):
        await statements.during(queries.select_predictions, engine, selection)
    for bounds in ((None, None), (WINDOW.start, WINDOW.end)):
        await statements.during_all_of(queries.stream_feedback, engine, *bounds)
        await statements.during(count_shadow, engine, {"1": "negative", "5": "positive"}, *bounds)


async def judge(connection: AsyncConnection, statements: Statements) -> None:
    """Send what the drift job sends for a run."""
    run = (WINDOW, DRIFT_RUN.model_version, "bundle")
    await statements.during(results.lock_window, connection, WINDOW, "bundle")
    await statements.during(read_predictions, connection, WINDOW)
    await statements.during(
        read_predictions, connection, WINDOW, cap=1, version=EARLY_VERSION, segment_keys=("shop", "country")
    )
    await statements.during(counts.versions_in, connection, WINDOW)
    await statements.during(counts.input_state, connection, WINDOW, DRIFT_RUN.model_version)
    await statements.during(results.store_run, connection, DRIFT_RUN, html="<p>", snapshot="{}", notice_due=True)
    await statements.during(results.remember_state, connection, RUN, "1 rows")
    await statements.during(results.latest_state, connection, *run)
    await statements.during(results.latest_run, connection, *run)
    await statements.during(history.past_runs, connection, *run[1:], WINDOW.end, 2)
    await statements.during(history.runs_on, connection, [WINDOW], *run[1:])
    await statements.during(results.list_runs, connection, 10)
    await statements.during(results.list_runs, connection, 10, version=DRIFT_RUN.model_version, verdict="drift")
    await statements.during(results.read_run, connection, RUN)
    await statements.during(results.read_html, connection, RUN)
    await statements.during(history.judged_windows, connection, WINDOW.end)
    for written in (WantedReference("auto"), WantedReference("window", WINDOW)):
        await statements.during(history.judged_versions, connection, WINDOW, written)
        await statements.during(history.was_judging, connection, WINDOW.end, written)
    await statements.during(results.list_due_notices, connection, WINDOW.start)
    await statements.during(results.is_notice_due, connection, RUN)
    await statements.during(results.claim_notice, connection, RUN)
    await statements.during(results.settle_notice, connection, RUN)


async def compare(connection: AsyncConnection, statements: Statements) -> None:
    """Send what the drift job sends for its references."""
    month = Window(WINDOW.start, dt.datetime(2025, 12, 1, tzinfo=dt.UTC))
    wanted = (connection, DRIFT_RUN.model_version, "bundle", "state")
    await statements.during(counts.day_counts, connection, EARLY_VERSION, month.start.date(), month.end.date(), ZONE)
    await statements.during(first_traffic.baseline_for, connection, EARLY_VERSION, month.end, ZONE, month.end)
    await statements.during(baselines.accept_baseline, connection, EARLY_VERSION, WINDOW, 1, "accepted", WINDOW.end)
    await statements.during(baselines.find_baseline, connection, EARLY_VERSION)
    await statements.during(baselines.find_baseline, connection, EARLY_VERSION, WINDOW.start)
    await statements.during(baselines.list_baselines, connection)
    await statements.during(baselines.list_baselines, connection, EARLY_VERSION)
    await statements.during(calibrations.store_calibration, *wanted, CALIBRATION, WINDOW.end)
    await statements.during(calibrations.find_calibration, *wanted, CALIBRATION.size)


async def show_drift(engine: AsyncEngine, statements: Statements) -> None:
    """Send what the service reads of the drift job's results."""
    version = DRIFT_RUN.model_version
    await statements.during(drift_results.latest_drift_run, engine, version)
    await statements.during(drift_results.last_drift_success, engine, version)
    await statements.during(drift_results.find_drift_run, engine, RUN)
    await statements.during(drift_results.select_drift_runs, engine, None, None, 10)
    run = await drift_results.find_drift_run(engine, RUN)
    await statements.during(drift_results.select_drift_runs, engine, version, run, 10)
    await statements.during(drift_results.find_drift_metrics, engine, RUN)
    await statements.during(drift_results.find_drift_page, engine, RUN)


async def ask_for_keys(engine: AsyncEngine, statements: Statements) -> None:
    """Send all about API keys."""
    await statements.during(key_table.insert_key, engine, KEY)
    await statements.during(key_table.living_keys, engine)
    await statements.during(key_table.lease_tokens, engine, KEY.key_id, 10.0)
    await statements.during(key_table.list_keys, engine, revoked=False)
    await statements.during(key_table.list_keys, engine, revoked=True)
    await statements.during(key_table.revoke_key, engine, KEY.name, dry_run=True)
    await statements.during(key_table.revoke_key, engine, KEY.name, dry_run=False)


async def erase(engine: AsyncEngine, statements: Statements) -> None:
    """Send what erases, and what spools say of it."""
    for subject in (erasures.ErasureTarget(BARE), erasures.ErasureTarget(None, "mug-7 / é", RUN)):
        await statements.during(erasures.count_erasable, engine, subject)
        await statements.during(erasures.erase, engine, subject)
    await statements.during(erasures.write_tombstones, engine, [FILLED])
    await statements.during(erasures.last_tombstone, engine)
    await statements.during(erasures.record_heartbeat, engine, RUN, "host", "folder", 1)
    await statements.during(erasures.spool_states, engine, 1)
    await statements.during(erasures.deregister_spools, engine, [RUN])


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
    write_set_aside(folder / f"{release}.set-aside")
    write_statements(folder / f"{release}.sql")
