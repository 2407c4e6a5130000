"""What released versions spooled and set aside is shipped, and what they ask of Postgres works on today's schema."""

import base64
import datetime as dt
import json
import re
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from itertools import product
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
from sentiment_api.database.tables import feedback, metadata, predictions, shadow_predictions, tombstones
from sentiment_api.errors import RecordNewer
from sentiment_api.prediction_log.records import PredictionRecord, decode, encode
from sentiment_api.prediction_log.segments import frame, read_segment
from sentiment_api.prediction_log.set_aside import find_all, replay
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.spool_folders import set_aside_files
from sentiment_api.prediction_log.takeover import claim_spool
from sentiment_api.telemetry.metrics import Metrics
from tests.protocols import NewRecord

Row = dict[str, Any]

RELEASED = Path(__file__).parent / "released"
RELEASES = sorted(path.stem for path in RELEASED.glob("*.sql"))
LATER_RELEASES = [release for release in RELEASES if release != "0.1.0"]
"""Those that know shadow answers, erasures, API keys and what the drift job learns."""
of_each_release = pytest.mark.parametrize("release", RELEASES)
of_each_later_release = pytest.mark.parametrize("release", LATER_RELEASES)

FILLED = UUID("019a3cb6-bbff-7000-8000-000000000001")
BARE = UUID("019a3cb6-bc00-7000-8000-000000000002")
RUN = UUID("019a3cb7-4132-7000-8000-000000000005")
CALIBRATED = UUID("019a3cb7-4132-7000-8000-000000000006")
VERSION = "0123456789ab"
SOURCES = ("api", "hf", "v2")
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
        "model_version": VERSION,
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
        "model_version": VERSION,
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
SHADOW_ANSWERS: list[Row] = [
    {
        "prediction_id": FILLED,
        "model_version": "ba9876543210",
        "created_at": PREDICTIONS[0]["created_at"],
        "model_name": "candidate",
        "engine": "cpu",
        "logits": [-0.5, 0.5],
        "label": "positive",
        "score": 0.6875,
        "probabilities": {"negative": 0.3125, "positive": 0.6875},
        "latency_ms": 12.5,
        "processor_ms": 8.25,
    }
]
DRIFT_RUN: Row = {
    "run_id": RUN,
    "revision": 1,
    "window_start": NOVEMBER,
    "window_end": NOVEMBER + dt.timedelta(days=1),
    "reference": "bundle",
    "model_name": "starter",
    "model_version": VERSION,
    "started_at": NOVEMBER,
    "finished_at": NOVEMBER,
    "n_current": 1,
    "n_reference": 1,
    "verdict": "none",
    "reason": "nothing",
    "details": {"alarming": False},
    "input_state": "1 rows",
    "notice_due": True,
    "report_html": b"<p>",
    "report_json": None,
}
DRIFT_METRIC: Row = {
    "run_id": RUN,
    "metric": "words",
    "family": "inputs",
    "segment": "product:mug-7 / é",
    **dict.fromkeys(("value", "lower", "upper", "reference_value", "effect"), 0.25),
    **dict.fromkeys(("p_value", "adjusted_p", "floor", "threshold", "detectable"), 0.5),
    "direction": "none",
    "verdict": "none",
    "n": 1,
    "note": "few rows",
}
BASELINE: Row = {
    "baseline_id": UUID("019a3cb7-4132-7000-8000-000000000007"),
    "model_version": VERSION,
    "window_start": NOVEMBER,
    "window_end": NOVEMBER + dt.timedelta(days=14),
    "rows": 2_000,
    "origin": "auto",
    "accepted_at": NOVEMBER + dt.timedelta(days=15),
}
CALIBRATION: Row = {
    "calibration_id": CALIBRATED,
    "model_version": VERSION,
    "reference": "bundle",
    "reference_state": "state",
    "size": 100,
    "windows": 400,
    "products": 12.5,
    "smallest_p": [0.0625, 0.5],
    "back_test": {"size": 100, "watch_rate": 0.25},
    "created_at": NOVEMBER,
}
FLOOR: Row = {
    "calibration_id": CALIBRATED,
    "metric": "words",
    "segment": "",
    "model_version": VERSION,
    "reference": "bundle",
    "size": 100,
    "floor": 0.25,
    "quantile": 0.125,
    "errors": 3.5,
}
KEY: Row = {
    "key_id": "0123456789ab",
    "name": "shop",
    "secret_hash": bytes(range(32)),
    "scopes": ["predict", "read"],
    "tokens_per_minute": 6_000,
    "expires_at": NOVEMBER + dt.timedelta(days=365),
}
ROWS: dict[str, list[Row]] = {
    "predictions": PREDICTIONS,
    "feedback": FEEDBACK,
    "shadow_predictions": SHADOW_ANSWERS,
    "drift_runs": [DRIFT_RUN],
    "drift_metrics": [DRIFT_METRIC],
    "drift_baselines": [BASELINE],
    "drift_calibrations": [CALIBRATION],
    "drift_floors": [FLOOR],
    "api_keys": [KEY],
}
"""What is inserted with a release's statements, of which earlier ones fill some columns only."""

_INSERT = re.compile(r"INSERT INTO (\w+) \(([^)]*)\)")
_DROPS_A_MONTH = re.compile(r"alter table \w+ detach |drop table ")


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


def columns_filled(release: str) -> dict[str, list[str]]:
    """Return the columns that the release inserts, by table."""
    found = (_INSERT.match(each.sql) for each in statements(release))
    return {match[1]: match[2].split(", ") for match in found if match and match[1] in ROWS}


def shadow_answers(release: str) -> list[Row]:
    """Return the rows of the shadow answers that the release left."""
    return SHADOW_ANSWERS if release in LATER_RELEASES else []


def left_by_a_dead_process(root: Path, content: bytes, name: str = "000001761955200000.seg") -> None:
    """Lay a file where a process that is gone had its spool."""
    folder = root / "0"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(content)


async def rows(engine: AsyncEngine, table: Table, names: Iterable[str] | None = None) -> list[Row]:
    """Return all rows by their first column, with the columns of these names, by default those in ROWS."""
    columns = [table.c[name] for name in names or ROWS[table.name][0]]
    async with engine.connect() as connection:
        found = (await connection.execute(select(*columns).order_by(table.c[0]))).mappings()
        return [dict(row) for row in found]


async def rows_of(engine: AsyncEngine, release: str) -> dict[str, list[Row]]:
    """Return what the tables hold of the columns that the release fills."""
    filled = columns_filled(release).items()
    return {table: await rows(engine, metadata.tables[table], names) for table, names in filled}


def rows_meant(release: str) -> dict[str, list[Row]]:
    """Return what they hold when every row that the release inserts has arrived."""
    return {
        table: [{name: row[name] for name in names} for row in ROWS[table]]
        for table, names in columns_filled(release).items()
    }


class Release:
    """A released version, as Postgres sees it: its statements on a connection of asyncpg's."""

    def __init__(self, release: str, driver: asyncpg.Connection) -> None:
        self._statements = statements(release)
        self._driver = driver

    async def send_everything(self) -> None:
        """Make its months, and have Postgres parse all else that it sends. No month is dropped."""
        for each in self._statements:
            if each.sql.lower().startswith(("select", "insert", "update", "delete", "with")):
                await self._driver.prepare(each.sql)
            elif not _DROPS_A_MONTH.match(each.sql):
                await self._driver.execute(each.sql)

    async def insert_everything(self) -> None:
        """Insert all rows with its own statements."""
        for each in self._statements:
            if (match := _INSERT.match(each.sql)) and match[1] in ROWS:
                table, columns = match[1], match[2].split(", ")
                values = [[_encoded(row[column]) for column in columns] for row in ROWS[table]]
                await self._driver.executemany(each.sql, values)

    async def drop_months(self) -> None:
        """Drop the months that it dropped when its statements were written down. No transaction may be open."""
        for each in self._statements:
            if _DROPS_A_MONTH.match(each.sql):
                await self._driver.execute(each.sql)

    async def ask(self, function: str, *arguments: object, containing: str = "") -> list[Row]:
        """Return the rows that the first statement of a function gives, of those that contain these words."""
        sql = next(
            each.sql for each in self._statements if each.origin.endswith(f".{function}") and containing in each.sql
        )
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
    """A function that does something with a release, in one transaction of its own: `on(release, Release.ask, ...)`.

    With `autocommit=True` each statement is a transaction.
    """

    async def run(
        release: str, work: Callable[..., Any], *arguments: object, autocommit: bool = False, **named: object
    ) -> Any:
        async with engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            async with nullcontext() if autocommit else driver.transaction():
                return await work(Release(release, driver), *arguments, **named)

    return run


@of_each_release
@pytest.mark.anyio
async def test_the_spool_of_a_release_is_shipped(engine: AsyncEngine, tmp_path: Path, release: str) -> None:
    """Every record that its own code wrote is a row with exactly the values that were meant."""
    left_by_a_dead_process(tmp_path, segment(release))
    spool, metrics = claim_spool(tmp_path, 1 << 20), Metrics()
    shipper = Shipper(spool, engine, metrics)
    assert await shipper.ship()
    assert await rows(engine, predictions) == PREDICTIONS
    assert await rows(engine, feedback) == FEEDBACK
    assert await rows(engine, shadow_predictions) == shadow_answers(release)
    assert (spool.size_bytes, spool.newer_records, set_aside_files(spool.folder)) == (0, 0, [])
    assert shipper.totals.shipped == 4 + len(shadow_answers(release))
    assert metrics.registry.get_sample_value("sentiment_damaged_spool_bytes_total") == 0
    spool.close()


@of_each_later_release
@pytest.mark.anyio
async def test_what_a_release_set_aside_is_replayed(engine: AsyncEngine, tmp_path: Path, release: str) -> None:
    """Every file that its own code wrote is read, and its record stored, once it is sent again."""
    folder = tmp_path / "0" / "set-aside"
    folder.mkdir(parents=True)
    for number, line in enumerate((RELEASED / f"{release}.set-aside").read_bytes().splitlines()):
        (folder / f"{number}.json").write_bytes(line)
    found = find_all(tmp_path)
    assert ([each.reason for _, each in found.records.values()], found.unreadable) == (["22021"] * 5, {})
    spool = claim_spool(tmp_path, 1 << 20)
    assert len(replay(list(found.records.values()), spool)) == 5
    assert await Shipper(spool, engine, Metrics()).ship()
    assert await rows(engine, predictions) == PREDICTIONS
    assert await rows(engine, feedback) == FEEDBACK
    assert await rows(engine, shadow_predictions) == SHADOW_ANSWERS
    assert set_aside_files(spool.folder) == []
    spool.close()


@pytest.mark.anyio
async def test_what_0_1_set_aside_is_looked_at_again(engine: AsyncEngine, tmp_path: Path) -> None:
    """It had a file of frames that no command read: what Postgres takes now is stored, the rest set aside anew."""
    left_by_a_dead_process(tmp_path, segment("0.1.0") + frame(b"no record"), "set-aside.frames")
    spool = claim_spool(tmp_path, 1 << 20)
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
    window = (DRIFT_RUN["window_start"], DRIFT_RUN["window_end"])
    for found in (
        await on(release, Release.ask, "latest_drift_run", VERSION, 1),
        await on(release, Release.ask, "latest_run", *window, VERSION, "bundle", 1),
    ):
        (run,) = found
        assert run == {name: (DRIFT_RUN | {"has_page": True})[name] for name in run}
    assert await rows_of(engine, release) == rows_meant(release)


@pytest.mark.parametrize("release", ["0.1.0", "0.2.0"])
@pytest.mark.anyio
async def test_the_drift_job_of_a_release_reads_its_window(
    engine: AsyncEngine, on: Callable[..., Any], release: str
) -> None:
    """Its longest query gives each prediction with the feedback that came last."""
    await on(release, Release.send_everything)
    await on(release, Release.insert_everything)
    start, end = UUID(int=0), UUID(int=1 << 127)
    arguments = (1, start, end, start, end, dt.timedelta(hours=24), *SOURCES, *SOURCES)
    found = await on(release, Release.ask, "read_predictions", *arguments, containing="LEFT OUTER JOIN")
    assert [(row["prediction_id"], row["rating"], row["given_label"]) for row in found] == [
        (FILLED, 2, None),
        (BARE, None, "positive"),
    ]


@pytest.mark.anyio
async def test_0_2_lists_exports_and_compares(engine: AsyncEngine, on: Callable[..., Any]) -> None:
    """Lists give predictions with their feedback, the export those that have some, the shadow report its counts."""
    await on("0.2.0", Release.send_everything)
    await on("0.2.0", Release.insert_everything)
    newest_first = await on("0.2.0", Release.ask, "select_predictions", 10, 1)
    latest = [(row["prediction_id"], row["rating"], row["feedback_label"]) for row in newest_first]
    assert latest == [(BARE, None, "positive"), (FILLED, 2, None)]
    chosen = ("mug-7 / é", "negative", UUID(int=0), BARE, BARE, 10, 1)
    of_product = await on("0.2.0", Release.ask, "select_predictions", *chosen, containing="product_id = $1")
    assert [row["prediction_id"] for row in of_product] == [FILLED]
    assert await on("0.2.0", Release.ask, "stream_feedback", 1) == [
        {
            **{name: row[name] for name in ("prediction_id", "text", "product_id")},
            "moment": row["event_timestamp"] or row["created_at"],
            **{name: given[name] for name in ("rating", "label")},
        }
        for row, given in zip(PREDICTIONS, FEEDBACK, strict=True)
    ]
    meant = (2, "negative", 5, "positive", 1, dt.timedelta(hours=24), *SOURCES)
    (counts,) = await on("0.2.0", Release.ask, "count_shadow", *meant)
    assert (counts.pop("live_version"), counts.pop("shadow_version")) == (VERSION, SHADOW_ANSWERS[0]["model_version"])
    assert counts == {
        "texts": 1,
        "same_label": 0,
        "judged": 1,
        "live_right": 1,
        "shadow_right": 0,
        "only_live_right": 1,
        "only_shadow_right": 0,
    }


@pytest.mark.anyio
async def test_0_2_reads_what_its_drift_job_keeps(engine: AsyncEngine, on: Callable[..., Any]) -> None:
    """Baselines, calibrations with their floors, metrics, pages and notices that are due."""
    await on("0.2.0", Release.send_everything)
    await on("0.2.0", Release.insert_everything)
    assert rows_meant("0.2.0").keys() == ROWS.keys()
    by = BASELINE["window_end"]
    assert await on("0.2.0", Release.ask, "baseline_for", VERSION, by, "auto", containing="drift_baselines") == [
        BASELINE
    ]
    of_windows = ("store_calibration", VERSION, "bundle", "state", 100)
    assert await on("0.2.0", Release.ask, *of_windows, containing="FROM drift_calibrations") == [CALIBRATION]
    assert await on("0.2.0", Release.ask, of_windows[0], CALIBRATED, containing="FROM drift_floors") == [FLOOR]
    (metric,) = await on("0.2.0", Release.ask, "find_drift_metrics", RUN)
    assert metric | {"run_id": RUN} == DRIFT_METRIC
    assert await on("0.2.0", Release.ask, "read_html", RUN) == [{"report_html": b"<p>"}]
    assert await on("0.2.0", Release.ask, "list_due", NOVEMBER) == [{"run_id": RUN}]
    await on("0.2.0", Release.ask, "settle", False, RUN)
    assert await on("0.2.0", Release.ask, "list_due", NOVEMBER) == []


@pytest.mark.anyio
async def test_0_2_heeds_api_keys(engine: AsyncEngine, on: Callable[..., Any]) -> None:
    """A key lives with its limit, its bucket is taken from, and once it is revoked it lives no more."""
    await on("0.2.0", Release.send_everything)
    await on("0.2.0", Release.insert_everything)
    key_id = KEY["key_id"]
    assert await on("0.2.0", Release.ask, "living_keys") == [KEY]
    filled = ("lease_tokens", 0.0, "epoch", 0.0, 60.0, key_id)
    assert await on("0.2.0", Release.ask, *filled, containing="least") == [{"least_1": 6_000.0}]
    await on("0.2.0", Release.ask, "lease_tokens", 10.0, key_id, containing="UPDATE api_keys")
    ((left,),) = [row.values() for row in await on("0.2.0", Release.ask, *filled, containing="least")]
    assert 10.0 <= left < 6_000.0
    (revoked,) = await on("0.2.0", Release.ask, "revoke_key", "shop", containing="UPDATE")
    assert (revoked["key_id"], revoked["scopes"]) == (key_id, KEY["scopes"])
    assert await on("0.2.0", Release.ask, "living_keys") == []


@pytest.mark.anyio
async def test_0_2_erases(engine: AsyncEngine, on: Callable[..., Any]) -> None:
    """A product and a prediction go with their feedback and shadow answers, and leave tombstones, which it reads."""
    await on("0.2.0", Release.send_everything)
    await on("0.2.0", Release.insert_everything)
    erased = ("mug-7 / é", BARE)
    one_each = [{"anon_1": 1, "anon_2": 1}]
    await on("0.2.0", Release.ask, "erase", None, *erased, containing="INSERT INTO tombstones (prediction_id, ")
    by_product = "DELETE FROM predictions WHERE predictions.product_id"
    assert await on("0.2.0", Release.ask, "erase", *erased, containing=by_product) == one_each
    assert await rows(engine, predictions) == PREDICTIONS[1:]
    assert await rows(engine, shadow_predictions) == []
    by_id = "DELETE FROM predictions WHERE predictions.prediction_id"
    assert await on("0.2.0", Release.ask, "erase", BARE, BARE, BARE, containing=by_id) == one_each
    assert await rows(engine, predictions) == await rows(engine, feedback) == []
    segment = DRIFT_METRIC["segment"]
    named = await on("0.2.0", Release.ask, "erase", segment, containing="DELETE FROM drift_metrics")
    assert named == [{"run_id": RUN}]
    buried = await rows(engine, tombstones, ("prediction_id", "product_id", "until"))
    assert sorted(buried, key=str) == sorted(
        [
            {"prediction_id": None, "product_id": erased[0], "until": BARE},
            *({"prediction_id": each, "product_id": None, "until": None} for each in (FILLED, BARE)),
        ],
        key=str,
    )
    covering = await on("0.2.0", Release.ask, "store", [FILLED], [], containing="FROM tombstones")
    assert [row["prediction_id"] for row in covering] == [FILLED]


@pytest.mark.anyio
async def test_0_2_says_which_spools_live(engine: AsyncEngine, on: Callable[..., Any]) -> None:
    """A spool is listed with the tombstone that it was purged of, and is gone when it says so."""
    says = (RUN, "host", "folder", 1)
    await on("0.2.0", Release.ask, "say_alive", *says, *says)
    await on("0.2.0", Release.ask, "say_alive", *says, *says[:3], 2)
    (state,) = await on("0.2.0", Release.ask, "spool_states", dt.timedelta(seconds=60), 2)
    assert (state["host"], state["folder"], state["lives"], state["purged"]) == ("host", "folder", True, True)
    await on("0.2.0", Release.ask, "say_gone", [RUN], dt.timedelta())
    assert await on("0.2.0", Release.ask, "spool_states", dt.timedelta(seconds=60), 2) == []


@pytest.mark.anyio
async def test_0_2_drops_old_months(engine: AsyncEngine, on: Callable[..., Any]) -> None:
    """A month goes with its predictions, the others stay, and the bound below which nothing is stored only rises."""
    await on("0.2.0", Release.send_everything)
    await on("0.2.0", Release.insert_everything)
    for bound in (BARE, FILLED):
        await on("0.2.0", Release.ask, "drop_old_months", True, bound, bound, containing="INSERT INTO retention")
    assert await on("0.2.0", Release.ask, "store", containing="FROM retention") == [{"kept_from": BARE}]
    await on("0.2.0", Release.drop_months, autocommit=True)
    for statement in ("DELETE FROM feedback", "DELETE FROM shadow_predictions"):
        await on("0.2.0", Release.ask, "drop_old_months", BARE, containing=statement)
    assert await rows(engine, predictions) == PREDICTIONS[1:]
    assert await rows(engine, feedback) == FEEDBACK[1:]
    assert await rows(engine, shadow_predictions) == []


BREAKING_CHANGES = (
    "alter table predictions rename column score to confidence",
    "alter table feedback drop column label",
    "alter table drift_runs alter column n_current type uuid using null",
    "alter table predictions add column region text not null",
    "alter table feedback add check (rating is not null)",
)
LATER_BREAKING_CHANGES = (
    "alter table shadow_predictions rename column processor_ms to cpu_ms",
    "alter table drift_metrics drop column segment",
    "alter table drift_runs drop column notice_due",
    "alter table drift_calibrations rename to calibrations",
    "alter table drift_floors drop column errors",
    "alter table drift_baselines add column author text not null",
    "alter table api_keys add check (tokens_per_minute is null)",
    "alter table tombstones drop column until",
    "alter table spools drop column purged_to",
    "drop table retention",
)


@pytest.mark.parametrize(
    ("release", "change"),
    [*product(RELEASES, BREAKING_CHANGES), *product(LATER_RELEASES, LATER_BREAKING_CHANGES)],
)
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


@pytest.mark.parametrize(("release", "own_revision"), [("0.1.0", "0001"), ("0.2.0", "0006")])
@pytest.mark.anyio
async def test_rows_stay_through_upgrade_and_downgrade(
    engine: AsyncEngine, on: Callable[..., Any], release: str, own_revision: str
) -> None:
    """What a release stored, in several months, is there at head and again at its own revision."""
    await schema.downgrade(engine, "base")
    await schema.upgrade(engine, own_revision)
    await on(release, Release.send_everything)
    await on(release, Release.insert_everything)
    for migrate, revision in ((schema.upgrade, "head"), (schema.downgrade, own_revision), (schema.upgrade, "head")):
        await migrate(engine, revision)
        assert await rows_of(engine, release) == rows_meant(release)
        assert await on(release, Release.ask, "find_prediction", BARE) == PREDICTIONS[1:]
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
    spool = claim_spool(data_dir / "spool", 1 << 20)
    assert [payload for path in spool.segments() for payload in read_segment(path).payloads] == unknown
    spool.close()
