"""What released versions left in their spools is shipped, and what they ask of Postgres works on today's schema."""

import base64
import datetime as dt
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest
from sqlalchemy import Table, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database import schema
from sentiment_api.database.tables import drift_metrics, drift_runs, feedback, predictions
from sentiment_api.metrics import Metrics
from sentiment_api.prediction_log.records import PredictionRecord, RecordNewer, decode, encode
from sentiment_api.prediction_log.segments import frame, read_segment
from sentiment_api.prediction_log.set_aside import files_in, find_all
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.spool import Spool

NewRecord = Callable[..., PredictionRecord]
Row = dict[str, Any]

RELEASED = Path(__file__).parent / "released"
RELEASES = sorted(path.stem for path in RELEASED.glob("*.sql"))
of_each_release = pytest.mark.parametrize("release", RELEASES)

FILLED = UUID("019a3cb6-bbff-7000-8000-000000000001")
BARE = UUID("019a3cb6-bc00-7000-8000-000000000002")
RUN = UUID("019a3cb7-4132-7000-8000-000000000005")
NOVEMBER = dt.datetime(2025, 11, 1, tzinfo=dt.UTC)
PREDICTIONS: list[Row] = [
    {
        "prediction_id": FILLED,
        "created_at": dt.datetime(2025, 10, 31, 23, 59, 59, 999_000, dt.UTC),
        "request_id": "request-1",
        "idempotency_key": "order-66",
        "source": "api",
        "api_key_name": "shop",
        "product_id": "mug-7 / é",
        "event_timestamp": dt.datetime(2025, 10, 31, 6, 45, 15, 250_000, dt.UTC),
        "text": "The lid leaks.\nGrüße 😀",
        "text_hash": bytes(range(16)),
        "metadata": {"shop": "de", "stars": 4, "weight": 0.25, "gift": True, "note": None},
        "descriptors": {"words": 4, "pieces_per_word": 1.5},
        "descriptors_version": 1,
        "tokens": 9,
        "truncated": True,
        "logits": [1.5, -1.25],
        "label": "negative",
        "score": 0.9375,
        "probabilities": {"negative": 0.9375, "positive": 0.0625},
        "embedding": [0.5, -0.25, 0.0],
        "model_name": "starter",
        "model_version": "0123456789ab",
        "engine": "cpu",
        "latency_ms": 4.5,
    },
    {
        "prediction_id": BARE,
        "created_at": NOVEMBER,
        "request_id": "request-2",
        "idempotency_key": None,
        "source": "hf",
        "api_key_name": None,
        "product_id": None,
        "event_timestamp": None,
        "text": None,
        "text_hash": bytes(16),
        "metadata": None,
        "descriptors": {},
        "descriptors_version": 1,
        "tokens": 2,
        "truncated": False,
        "logits": [-2.0, 2.0],
        "label": "positive",
        "score": 0.75,
        "probabilities": {"negative": 0.25, "positive": 0.75},
        "embedding": [],
        "model_name": "starter",
        "model_version": "0123456789ab",
        "engine": "torch",
        "latency_ms": 0.5,
    },
]
FEEDBACK: list[Row] = [
    {
        "feedback_id": UUID("019a3cb7-4130-7000-8000-000000000003"),
        "prediction_id": FILLED,
        "received_at": NOVEMBER + dt.timedelta(milliseconds=34_096),
        "rating": 2,
        "label": None,
        "request_id": "request-3",
    },
    {
        "feedback_id": UUID("019a3cb7-4131-7000-8000-000000000004"),
        "prediction_id": BARE,
        "received_at": NOVEMBER + dt.timedelta(milliseconds=34_097),
        "rating": None,
        "label": "positive",
        "request_id": "request-4",
    },
]
DRIFT_RUN: Row = {
    "run_id": RUN,
    "revision": 1,
    "window_start": NOVEMBER,
    "window_end": NOVEMBER + dt.timedelta(days=1),
    "reference": "bundle",
    "model_name": "starter",
    "model_version": "0123456789ab",
    "started_at": NOVEMBER,
    "finished_at": NOVEMBER,
    "n_current": 1,
    "n_reference": 1,
    "verdict": "none",
    "reason": "nothing",
    "report_html": b"<p>",
    "report_json": None,
}
DRIFT_METRIC: Row = {
    "run_id": RUN,
    "metric": "words",
    "family": "inputs",
    **dict.fromkeys(("value", "reference_value", "effect", "p_value", "adjusted_p", "floor", "threshold"), 0.25),
    "direction": "none",
    "verdict": "none",
    "n": 1,
}
ROWS: dict[str, list[Row]] = {
    "predictions": PREDICTIONS,
    "feedback": FEEDBACK,
    "drift_runs": [DRIFT_RUN],
    "drift_metrics": [DRIFT_METRIC],
}


class Statement(NamedTuple):
    """What a release sends to Postgres, and the function that does."""

    origin: str
    sql: str


def segment(release: str) -> bytes:
    """Return the segment that the release's own code wrote."""
    return base64.b64decode((RELEASED / f"{release}.spool").read_text())


def statements(release: str) -> list[Statement]:
    """Return everything that the release sends, in the order in which its own code did."""
    paragraphs = (RELEASED / f"{release}.sql").read_text().strip().split("\n\n")
    return [Statement(*each.removeprefix("-- ").split("\n", 1)) for each in paragraphs]


def left_by_a_dead_process(root: Path, content: bytes, name: str = "000001761955200000.seg") -> None:
    """Lay a file where a process that is gone had its spool."""
    folder = root / "0"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(content)


async def rows(engine: AsyncEngine, table: Table) -> list[Row]:
    """Return all rows by their first column, with the columns that the release knows."""
    known = [table.c[name] for name in ROWS[table.name][0]] if table.name in ROWS else table.c
    async with engine.connect() as connection:
        found = (await connection.execute(select(*known).order_by(table.c[0]))).mappings()
        return [dict(row) for row in found]


class Release:
    """A released version, as Postgres sees it: its statements on a connection of asyncpg's."""

    def __init__(self, release: str, driver: asyncpg.Connection) -> None:
        self._statements = statements(release)
        self._driver = driver

    async def send_everything(self) -> None:
        """Make its months, and have Postgres parse and plan all else that it sends."""
        for each in self._statements:
            is_query = each.sql.lower().startswith(("select", "insert"))
            await (self._driver.prepare(each.sql) if is_query else self._driver.execute(each.sql))

    async def insert_everything(self) -> None:
        """Insert all rows with its own statements."""
        for each in self._statements:
            if match := re.match(r"INSERT INTO (\w+) \(([^)]*)\)", each.sql):
                table, columns = match[1], match[2].split(", ")
                values = [[_encoded(row[column]) for column in columns] for row in ROWS[table]]
                await self._driver.executemany(each.sql, values)

    async def ask(self, function: str, *arguments: object) -> list[Row]:
        """Return the rows that the first statement of a function gives."""
        sql = next(each.sql for each in self._statements if each.origin.endswith(f".{function}"))
        return [
            {name: _decoded(value) for name, value in row.items()} for row in await self._driver.fetch(sql, *arguments)
        ]


def _encoded(value: object) -> object:
    """The shipper gives asyncpg JSON as text."""
    return json.dumps(value) if isinstance(value, dict) else value


def _decoded(value: object) -> object:
    return json.loads(value) if isinstance(value, str) and value.startswith("{") else value


@pytest.fixture
def on(engine: AsyncEngine) -> Callable[..., Any]:
    """A function that does something with a release, in one transaction of its own: `on(release, Release.ask, ...)`."""

    async def run(release: str, work: Callable[..., Any], *arguments: object) -> Any:
        async with engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            async with driver.transaction():
                return await work(Release(release, driver), *arguments)

    return run


@of_each_release
@pytest.mark.anyio
async def test_the_spool_of_a_release_is_shipped(engine: AsyncEngine, tmp_path: Path, release: str) -> None:
    """Every record that its own code wrote is a row with exactly the values that were meant."""
    left_by_a_dead_process(tmp_path, segment(release))
    spool, metrics = Spool.claim(tmp_path, 1 << 20), Metrics()
    shipper = Shipper(spool, engine, metrics)
    assert await shipper.ship()
    assert await rows(engine, predictions) == PREDICTIONS
    assert await rows(engine, feedback) == FEEDBACK
    assert (spool.size_bytes, spool.newer_records, files_in(spool.folder)) == (0, 0, [])
    assert (shipper.totals.shipped, metrics.registry.get_sample_value("sentiment_damaged_spool_bytes_total")) == (4, 0)
    spool.close()


@pytest.mark.anyio
async def test_what_0_1_set_aside_is_looked_at_again(engine: AsyncEngine, tmp_path: Path) -> None:
    """It had a file of frames that no command read: what Postgres takes now is stored, the rest set aside anew."""
    left_by_a_dead_process(tmp_path, segment("0.1.0") + frame(b"no record"), "set-aside.frames")
    spool = Spool.claim(tmp_path, 1 << 20)
    assert await Shipper(spool, engine, Metrics()).ship()
    assert await rows(engine, predictions) == PREDICTIONS
    ((_, aside),) = find_all(tmp_path).records.values()
    assert aside.record == b"no record"
    assert not (spool.folder / "set-aside.frames").exists()
    spool.close()


@of_each_release
@pytest.mark.anyio
async def test_a_release_works_on_todays_schema(engine: AsyncEngine, on: Callable[..., Any], release: str) -> None:
    """Postgres takes every statement of it, its inserts arrive, and its reads give back what they wrote."""
    await on(release, Release.send_everything)
    await on(release, Release.insert_everything)
    assert await on(release, Release.ask, "find_prediction", FILLED) == PREDICTIONS[:1]
    assert await on(release, Release.ask, "find_prediction", BARE) == PREDICTIONS[1:]
    assert await on(release, Release.ask, "has_prediction", BARE) == [{"prediction_id": BARE}]
    assert await on(release, Release.ask, "find_feedback", FILLED, 1) == FEEDBACK[:1]
    assert await on(release, Release.ask, "latest_drift_run", "0123456789ab", 1) == [DRIFT_RUN]
    assert await on(release, Release.ask, "latest_run", NOVEMBER, DRIFT_RUN["window_end"], "0123456789ab", "bundle", 1)
    assert await rows(engine, drift_metrics) == [DRIFT_METRIC]


@pytest.mark.anyio
async def test_the_drift_job_of_0_1_reads_its_window(engine: AsyncEngine, on: Callable[..., Any]) -> None:
    """Its longest query gives each prediction with the feedback that came last."""
    await on("0.1.0", Release.send_everything)
    await on("0.1.0", Release.insert_everything)
    start, end = UUID(int=0), UUID(int=1 << 127)
    sources = ("api", "hf", "v2")
    found = await on(
        "0.1.0", Release.ask, "read_predictions", 1, start, end, start, end, dt.timedelta(hours=24), *sources, *sources
    )
    assert [(row["prediction_id"], row["rating"], row["given_label"]) for row in found] == [
        (FILLED, 2, None),
        (BARE, None, "positive"),
    ]


@pytest.mark.parametrize(
    "change",
    [
        "alter table predictions rename column score to confidence",
        "alter table feedback drop column label",
        "alter table drift_runs alter column n_current type uuid using null",
        "alter table predictions add column region text not null",
        "alter table feedback add check (rating is not null)",
    ],
)
@of_each_release
@pytest.mark.anyio
async def test_a_migration_that_breaks_a_release_is_found(
    engine: AsyncEngine, on: Callable[..., Any], release: str, change: str
) -> None:
    """A column renamed, dropped, retyped or demanded, or a rule that it does not keep, fails its statements."""
    async with engine.begin() as connection:
        await connection.execute(text(change))
    with pytest.raises(asyncpg.PostgresError):  # noqa: PT012 - which of the two fails depends on the change
        await on(release, Release.send_everything)
        await on(release, Release.insert_everything)


@pytest.mark.anyio
async def test_rows_stay_through_upgrade_and_downgrade(engine: AsyncEngine, on: Callable[..., Any]) -> None:
    """What release 0.1 stored, in several months, is there at head and again at its own revision."""
    await schema.downgrade(engine, "base")
    await schema.upgrade(engine, "0001")
    await on("0.1.0", Release.send_everything)
    await on("0.1.0", Release.insert_everything)
    for migrate, revision in ((schema.upgrade, "head"), (schema.downgrade, "0001"), (schema.upgrade, "head")):
        await migrate(engine, revision)
        assert await rows(engine, predictions) == PREDICTIONS
        assert await rows(engine, feedback) == FEEDBACK
        assert await rows(engine, drift_runs) == [DRIFT_RUN]
        assert await on("0.1.0", Release.ask, "find_prediction", BARE) == PREDICTIONS[1:]
    await schema.check(engine)


def newer(record: PredictionRecord, **changes: object) -> bytes:
    """Return a record as a later release might write it."""
    return msgspec.msgpack.encode({**msgspec.msgpack.decode(encode(record)), "format": 3, **changes})


@pytest.mark.parametrize("changes", [{}, {"region": "eu"}, {"tokens": "many"}, {"type": "summary"}])
def test_a_record_of_a_newer_format_is_known_for_one(new_record: NewRecord, changes: Row) -> None:
    """Its format says so, whether its kind and its fields are known, new or of another type."""
    with pytest.raises(RecordNewer, match="expected a record of format 2 or older, found 3"):
        decode(newer(new_record(), **changes))


def test_an_unknown_kind_of_a_known_format_is_no_record(new_record: NewRecord) -> None:
    """No release will ever be able to read it, so it does not wait for one."""
    with pytest.raises(msgspec.DecodeError):
        decode(newer(new_record(), type="summary", format=1))


@pytest.mark.anyio
async def test_newer_records_wait_and_the_others_are_shipped(
    engine: AsyncEngine,
    data_dir: Path,
    new_record: NewRecord,
    new_service: Callable[..., Any],
    waiting: Callable[..., None],
) -> None:
    """They are counted in health and metrics, nothing of them is stored, and the next process finds each of them."""
    known = [new_record(), new_record()]
    unknown = [newer(new_record(), region="eu"), newer(new_record(), type="summary")]
    mixed = (encode(known[0]), unknown[0], unknown[1], encode(known[1]))
    left_by_a_dead_process(data_dir / "spool", b"".join(map(frame, mixed)))
    service = new_service()

    def log() -> Row:
        found: Row = httpx.get(f"{service.url}/health/ready").json()["prediction_log"]
        return found

    waiting(lambda: log()["shipped"] == 2, "what is known is shipped")
    assert (log()["newer"], log()["set_aside"]) == (2, 0)
    waiting(lambda: "newer_records_waiting 2.0" in httpx.get(f"{service.url}/metrics").text, "the metric says so, too")
    assert [row["prediction_id"] for row in await rows(engine, predictions)] == [each.prediction_id for each in known]
    assert service.stop() == 0
    spool = Spool.claim(data_dir / "spool", 1 << 20)
    assert [payload for path in spool.segments() for payload in read_segment(path).payloads] == unknown
    spool.close()
