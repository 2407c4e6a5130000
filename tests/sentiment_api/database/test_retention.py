"""Old months are dropped, and nothing brings them back."""

import asyncio
import datetime as dt
import subprocess
import uuid

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from sentiment_api.database.partitions import drop_old_months, first_id, old_months
from sentiment_api.database.tables import feedback, predictions
from sentiment_api.errors import DatabaseNotReady
from sentiment_api.prediction_log.records import FeedbackRecord, PredictionRecord, encode
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.settings import DatabaseSettings
from sentiment_api.telemetry.metrics import Metrics
from tests.preloaded import program
from tests.protocols import NewRecord

pytestmark = pytest.mark.anyio
KEEP = dt.timedelta(days=400)


def days_ago(days: int) -> uuid.UUID:
    """Return an id of that age."""
    return first_id(dt.datetime.now(dt.UTC) - dt.timedelta(days=days))


async def stored(engine: AsyncEngine) -> list[uuid.UUID]:
    """Return the predictions that Postgres holds, oldest first."""
    async with engine.connect() as connection:
        column = predictions.c.prediction_id
        return [uuid.UUID(str(each)) for each in await connection.scalars(select(column).order_by(column))]


async def ship(engine: AsyncEngine, spool: Spool, *records: PredictionRecord | FeedbackRecord) -> Metrics:
    """Ship the records and return the metrics of it."""
    metrics = Metrics()
    for record in records:
        spool.append(encode(record))
    assert await Shipper(spool, engine, metrics).ship()
    return metrics


def rating_of(record: PredictionRecord) -> FeedbackRecord:
    """Return feedback for the record."""
    return FeedbackRecord(
        feedback_id=uuid7(), prediction_id=record.prediction_id, rating=1, label=None, request_id="r-1"
    )


async def test_old_months_go_with_their_feedback(engine: AsyncEngine, spool: Spool, new_record: NewRecord) -> None:
    """Whole months older than what is kept are dropped; a month that is partly younger stays whole."""
    old, edge, new = (new_record(prediction_id=days_ago(days)) for days in (500, 400, 1))
    await ship(engine, spool, old, edge, new, rating_of(old), rating_of(new))
    months = await old_months(engine, KEEP)
    assert len(months) == 1
    assert await drop_old_months(engine, KEEP) == months
    assert await stored(engine) == [edge.prediction_id, new.prediction_id]
    async with engine.connect() as connection:
        rated = await connection.scalars(select(feedback.c.prediction_id))
        assert [uuid.UUID(str(each)) for each in rated] == [new.prediction_id]
    assert await drop_old_months(engine, KEEP) == []


async def test_a_spool_older_than_what_is_kept_is_counted_and_discarded(
    engine: AsyncEngine, spool: Spool, new_record: NewRecord
) -> None:
    """It does not bring a dropped month back, and what is young enough beside it arrives."""
    old, new = new_record(prediction_id=days_ago(500)), new_record()
    await drop_old_months(engine, KEEP)
    metrics = await ship(engine, spool, old, new, rating_of(old))
    assert await stored(engine) == [new.prediction_id]
    assert await old_months(engine, KEEP) == []
    assert metrics.registry.get_sample_value("sentiment_left_out_records_total", {"reason": "expired"}) == 2


async def test_keeping_longer_later_does_not_take_the_bound_back(
    engine: AsyncEngine, spool: Spool, new_record: NewRecord
) -> None:
    """What was dropped would come back in part only."""
    await drop_old_months(engine, KEEP)
    await drop_old_months(engine, dt.timedelta(days=4000))
    await ship(engine, spool, new_record(prediction_id=days_ago(500)))
    assert await stored(engine) == []


async def test_a_drop_that_was_cut_off_is_finished_by_the_next(
    engine: AsyncEngine, spool: Spool, new_record: NewRecord
) -> None:
    """A partition that is half detached, as after a crash, is detached and dropped."""
    await ship(engine, spool, new_record(prediction_id=days_ago(500)))
    (month,) = await old_months(engine, KEEP)
    async with engine.connect() as reader:
        await reader.execute(text("select 1 from predictions limit 1"))
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text("set statement_timeout = '200ms'"))
            with pytest.raises(Exception, match="statement timeout"):
                await connection.execute(text(f"alter table predictions detach partition {month} concurrently"))
            await connection.execute(text("reset statement_timeout"))
    assert await drop_old_months(engine, KEEP) == [month]
    assert await old_months(engine, KEEP) == []


async def test_a_month_that_was_detached_and_not_dropped_is_dropped_by_the_next(
    engine: AsyncEngine, spool: Spool, new_record: NewRecord
) -> None:
    """A process that was killed between the two leaves a table that is no partition any more."""
    await ship(engine, spool, new_record(prediction_id=days_ago(500)))
    (month,) = await old_months(engine, KEEP)
    async with engine.begin() as connection:
        await connection.execute(text(f"alter table predictions detach partition {month}"))
    assert await drop_old_months(engine, KEEP) == [month]
    async with engine.connect() as connection:
        assert await connection.scalar(text(f"select to_regclass('{month}')")) is None


async def test_of_two_that_drop_at_once_one_does(engine: AsyncEngine, spool: Spool, new_record: NewRecord) -> None:
    """The nightly job and an operator's command do not fall over each other."""
    await ship(engine, spool, *(new_record(prediction_id=days_ago(days)) for days in (460, 500, 540)))
    months = await old_months(engine, KEEP)
    dropped = await asyncio.gather(drop_old_months(engine, KEEP), drop_old_months(engine, KEEP))
    assert months in dropped
    assert await old_months(engine, KEEP) == []


async def test_the_command_makes_months_and_drops_old_ones(
    engine: AsyncEngine, database_settings: DatabaseSettings, spool: Spool, new_record: NewRecord
) -> None:
    """A dry run names what would go; an age that is none is refused."""
    await ship(engine, spool, new_record(prediction_id=days_ago(500)))
    (month,) = await old_months(engine, KEEP)
    dry = await asyncio.to_thread(run, database_settings, "maintain", "--keep", "400d", "--dry-run")
    assert dry.stdout == f"would drop {month}\n1 months older than 400 days\n"
    assert await old_months(engine, KEEP) == [month]
    done = await asyncio.to_thread(run, database_settings, "maintain")
    assert done.stdout == f"dropped {month}\n1 months older than 400 days\n"
    wrong = await asyncio.to_thread(run, database_settings, "maintain", "--keep", "a year")
    assert wrong.returncode == 1
    assert "expected a number of days such as 400d" in wrong.stderr


def run(database: DatabaseSettings, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `sentiment-api db`."""
    assert database.database_url is not None
    return program("sentiment_api").run(
        "db",
        *arguments,
        environment={"SENTIMENT_DATABASE_URL": database.database_url.get_secret_value()},
    )


async def test_a_drop_that_fails_keeps_no_lock(engine: AsyncEngine, spool: Spool, new_record: NewRecord) -> None:
    """After a reader held a month for too long the next drop is free to go, and finds no other timeout set."""
    await ship(engine, spool, new_record(prediction_id=days_ago(500)))
    (month,) = await old_months(engine, KEEP)
    async with engine.connect() as reader:
        await reader.execute(text(f"lock table {month} in access exclusive mode"))
        with pytest.raises(DatabaseNotReady, match=f"{month} is in use"):
            await drop_old_months(engine, KEEP)
        query = text("select count(*) from pg_locks where locktype = 'advisory' and database is not null")
        assert await reader.scalar(query) == 0
    assert await drop_old_months(engine, KEEP) == [month]
    async with engine.connect() as connection:
        assert await connection.scalar(text("show lock_timeout")) == "0"
