"""The shipper: what is spooled reaches a real Postgres once, whatever stands in the way."""

import asyncio
import contextlib
import datetime as dt
import math
import re
import uuid
from collections.abc import Callable

import msgspec
import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from sentiment_api.database import schema
from sentiment_api.database.connection import connected
from sentiment_api.database.partitions import first_id
from sentiment_api.database.tables import feedback, predictions
from sentiment_api.prediction_log.records import FeedbackRecord, Record, decode, encode
from sentiment_api.prediction_log.set_aside import find_all
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.settings import DatabaseSettings
from sentiment_api.telemetry.metrics import Metrics
from tests.protocols import NewRecord, Waiting

pytestmark = pytest.mark.anyio

DEFECT = {"metadata": {"shop": msgspec.msgpack.Ext(7, b"of a type that no column takes")}}
"""A record whose row cannot be made: a defect of whoever wrote it, on which Postgres has no say."""
POISON = {"text": "a text with the character \0, which the checks keep out"}


async def ids(engine: AsyncEngine) -> list[uuid.UUID]:
    """Return the ids of all stored predictions, in order."""
    async with engine.connect() as connection:
        column = predictions.c.prediction_id
        return [uuid.UUID(str(each)) for each in await connection.scalars(select(column).order_by(column))]


def value(metrics: Metrics, name: str, **labels: str) -> float:
    """Return what a metric shows now."""
    return metrics.registry.get_sample_value(f"sentiment_{name}", labels) or 0.0


def set_aside(spool: Spool) -> list[Record | bytes]:
    """Return what could not be stored, by its id."""
    return [each.record for _, each in find_all(spool.folder.parent).records.values()]


def closed_engine() -> AsyncEngine:
    """Return an engine on a port where nothing listens."""
    return create_async_engine("postgresql+asyncpg://postgres@127.0.0.1:1/postgres")


async def test_records_arrive_and_the_spool_is_empty(engine: AsyncEngine, spool: Spool, new_record: NewRecord) -> None:
    """Predictions and feedback are rows, the metrics say how many, and nothing is left."""
    record = new_record()
    rating = FeedbackRecord(
        feedback_id=uuid7(), prediction_id=record.prediction_id, rating=2, label=None, request_id="r-1"
    )
    for each in (record, rating):
        spool.append(encode(each))
    metrics = Metrics()
    assert await Shipper(spool, engine, metrics).ship()
    assert await ids(engine) == [record.prediction_id]
    async with engine.connect() as connection:
        row = (await connection.execute(select(feedback))).mappings().one()
    assert (row["feedback_id"], row["prediction_id"], row["rating"]) == (rating.feedback_id, record.prediction_id, 2)
    assert (spool.size_bytes, spool.segments()) == (0, [])
    assert value(metrics, "shipped_records_total", kind="prediction") == 1
    assert value(metrics, "shipped_records_total", kind="feedback") == 1
    assert (value(metrics, "spool_bytes"), value(metrics, "spool_lag_seconds")) == (0, 0)


async def test_a_shipper_that_hangs_does_not_hold_its_metrics(
    engine: AsyncEngine, spool: Spool, new_record: NewRecord
) -> None:
    """What the spool holds, and for how long, is asked for when it is read, and not when something was shipped."""
    metrics = Metrics()
    shipper = Shipper(spool, engine, metrics)
    spool.append(encode(new_record()))
    assert value(metrics, "spool_bytes") == spool.size_bytes > 0
    assert 0 < value(metrics, "spool_lag_seconds") <= shipper.lag_s()


async def test_a_spool_that_cannot_be_read_is_no_empty_one(
    engine: AsyncEngine, spool: Spool, new_record: NewRecord
) -> None:
    """Shipping fails, the lag is not known, and all goes on once the files are there again."""
    metrics = Metrics()
    shipper = Shipper(spool, engine, metrics)
    spool.append(encode(new_record()))
    elsewhere = spool.folder.with_name("elsewhere")
    spool.folder.rename(elsewhere)
    assert not await shipper.ship()
    assert value(metrics, "ship_failures_total", kind="FilesFailed") == 1
    assert math.isnan(value(metrics, "spool_lag_seconds"))
    assert (shipper.database, shipper.defect) == ("unknown", None)
    elsewhere.rename(spool.folder)
    assert await shipper.ship()
    assert len(await ids(engine)) == 1
    assert value(metrics, "spool_lag_seconds") == 0


async def test_shipped_twice_is_stored_once(engine: AsyncEngine, spool: Spool, new_record: NewRecord) -> None:
    """A segment that comes again, as after a crash between commit and unlink, changes nothing."""
    records = [new_record() for _ in range(3)]
    shipper = Shipper(spool, engine, Metrics())
    for _ in range(2):
        for record in records:
            spool.append(encode(record))
        assert await shipper.ship()
    assert await ids(engine) == [record.prediction_id for record in records]
    assert set_aside(spool) == []


async def test_many_records_go_in_several_groups(engine: AsyncEngine, spool: Spool, new_record: NewRecord) -> None:
    """More segments than one group takes are all shipped by one call."""
    for _ in range(3):
        for _ in range(2_100):
            spool.append(encode(new_record()))
        spool.seal()
    assert await Shipper(spool, engine, Metrics()).ship()
    async with engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(predictions)) == 6_300


async def test_a_missing_month_is_made(engine: AsyncEngine, spool: Spool, new_record: NewRecord) -> None:
    """Records of months without a partition get one, beside records of this month."""
    old = [new_record(prediction_id=first_id(dt.datetime(2031, month, 15, tzinfo=dt.UTC))) for month in (2, 7)]
    new = new_record()
    for record in (*old, new):
        spool.append(encode(record))
    assert await Shipper(spool, engine, Metrics()).ship()
    assert await ids(engine) == [new.prediction_id, old[0].prediction_id, old[1].prediction_id]
    async with engine.connect() as connection:
        made = await connection.scalars(text("select relname from pg_class where relname ~ '^predictions_2031_..$'"))
        assert sorted(made) == ["predictions_2031_02", "predictions_2031_07"]


async def test_a_poisonous_record_is_set_aside_and_the_others_arrive(
    engine: AsyncEngine, spool: Spool, new_record: NewRecord
) -> None:
    """What Postgres refuses as data is kept in a file, counted by SQLSTATE, and holds up nobody."""
    poisons = [new_record(**POISON), new_record(metadata={"a": "\0"})]
    good = [new_record() for _ in range(5)]
    for record in (good[0], poisons[0], *good[1:4], poisons[1], good[4]):
        spool.append(encode(record))
    metrics = Metrics()
    assert await Shipper(spool, engine, metrics).ship()
    assert await ids(engine) == sorted(record.prediction_id for record in good)
    assert set_aside(spool) == poisons
    assert value(metrics, "set_aside_records_total", sqlstate="22021") == 1, "a character that is none"
    assert value(metrics, "set_aside_records_total", sqlstate="22P05") == 1, "an escape in JSON that is none"
    assert value(metrics, "shipped_records_total", kind="prediction") == 5
    assert spool.size_bytes == 0


async def test_a_missing_month_beside_poison_is_made_all_the_same(
    engine: AsyncEngine, spool: Spool, new_record: NewRecord
) -> None:
    """A good record is never set aside for want of a partition, not even when poison is what failed first."""
    old = new_record(prediction_id=first_id(dt.datetime(2031, 2, 15, tzinfo=dt.UTC)))
    poison = new_record(**POISON)
    for record in (poison, old):
        spool.append(encode(record))
    assert await Shipper(spool, engine, Metrics()).ship()
    assert await ids(engine) == [old.prediction_id]
    assert set_aside(spool) == [poison]


async def test_an_undecodable_record_is_set_aside_once(
    engine: AsyncEngine, spool: Spool, new_record: NewRecord
) -> None:
    """Bytes that are no record are kept as they are, once, however often Postgres was away before."""
    good = new_record()
    spool.append(b"no record at all")
    spool.append(encode(good))
    metrics = Metrics()
    away = Shipper(spool, closed_engine(), metrics)
    for _ in range(3):
        assert not await away.ship()
    assert set_aside(spool) == []
    assert await Shipper(spool, engine, metrics).ship()
    assert set_aside(spool) == [b"no record at all"]
    assert value(metrics, "set_aside_records_total", sqlstate="undecodable") == 1
    assert await ids(engine) == [good.prediction_id]


async def test_damage_is_counted_once_and_the_rest_arrives(
    engine: AsyncEngine, spool: Spool, new_record: NewRecord
) -> None:
    """A torn segment gives what can be read of it, and its lost bytes are a metric."""
    records = [new_record() for _ in range(3)]
    for record in records:
        spool.append(encode(record))
    spool.seal()
    segment = spool.segments()[0]
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-7] + b"garbage")
    metrics = Metrics()
    assert not await Shipper(spool, closed_engine(), metrics).ship()
    assert await Shipper(spool, engine, metrics).ship()
    assert await ids(engine) == [record.prediction_id for record in records[:2]]
    assert value(metrics, "damaged_spool_bytes_total") == len(whole) - 2 * len(whole) // 3


async def test_a_segment_that_cannot_be_read_holds_up_no_other(
    engine: AsyncEngine, spool: Spool, new_record: NewRecord
) -> None:
    """The records behind it arrive, it stays where it is, and the log says so once."""
    (spool.folder / "000000000000001.seg").mkdir()
    record = new_record()
    spool.append(encode(record))
    shipper = Shipper(spool, engine, Metrics())
    with capture_logs() as logged:
        assert await shipper.ship()
        assert await shipper.ship()
    assert await ids(engine) == [record.prediction_id]
    assert [each["event"] for each in logged] == ["a segment cannot be read; its records are not shipped"]
    assert (spool.folder / "000000000000001.seg").exists()


async def test_while_postgres_is_away_everything_is_kept(
    engine: AsyncEngine, spool: Spool, new_record: NewRecord
) -> None:
    """Shipping fails without an exception, says so, keeps every byte, and a later attempt succeeds."""
    records = [new_record() for _ in range(3)]
    for record in records:
        spool.append(encode(record))
    held, metrics = spool.size_bytes, Metrics()
    away = Shipper(spool, closed_engine(), metrics)
    assert not await away.ship()
    assert not await away.drain(timeout_s=0.0)
    assert (spool.size_bytes, away.database) == (held, "away")
    assert value(metrics, "spool_bytes") == held
    assert sum(sample.value for metric in metrics.ship_failures.collect() for sample in metric.samples) > 0
    back = Shipper(spool, engine, metrics)
    assert await back.ship()
    assert await ids(engine) == [record.prediction_id for record in records]
    assert back.database == "up"


async def test_a_defect_of_ours_is_not_blamed_on_postgres(
    engine: AsyncEngine, spool: Spool, new_record: NewRecord
) -> None:
    """It is told once as an error with its place, shown as a state of its own, tried again, and loses nothing."""
    good, metrics = new_record(), Metrics()
    for record in (good, new_record(**DEFECT)):
        spool.append(encode(record))
    held, shipper = spool.size_bytes, Shipper(spool, engine, metrics)
    with capture_logs() as logged:
        for _ in range(3):
            assert not await shipper.ship()
    assert (spool.size_bytes, set_aside(spool), await ids(engine)) == (held, [], [])
    assert (shipper.database, shipper.totals.last_error, shipper.totals.retries) == ("unknown", "TypeError", 3)
    assert re.fullmatch(r"TypeError at sentiment_api/prediction_log/records\.py:\d+", shipper.defect or "")
    assert value(metrics, "shipper_defect") == 1
    assert value(metrics, "ship_failures_total", kind="TypeError") == 3
    (line,) = logged
    assert (line["log_level"], line["error"]) == ("error", "TypeError")
    assert line["place"] == (shipper.defect or "").removeprefix("TypeError at ")
    assert "Postgres" not in str(line)

    spool.rewrite(spool.segments()[0], [encode(good)])  # as a release does that can make the row
    assert await shipper.ship()
    assert (await ids(engine), shipper.database) == ([good.prediction_id], "up")
    assert (shipper.defect, value(metrics, "shipper_defect")) == (None, 0)


async def test_a_defect_does_not_hide_that_postgres_is_away(spool: Spool, new_record: NewRecord) -> None:
    """The state is that of the last attempt: where Postgres does not answer nobody knows of a defect."""
    spool.append(encode(new_record(**DEFECT)))
    shipper = Shipper(spool, closed_engine(), Metrics())
    assert not await shipper.ship()
    assert (shipper.database, shipper.defect) == ("away", None)


async def test_an_unmigrated_database_is_waited_for(engine: AsyncEngine, spool: Spool, new_record: NewRecord) -> None:
    """A table that is missing sets nothing aside: the records wait for the migrations."""
    record = new_record()
    spool.append(encode(record))
    shipper = Shipper(spool, engine, Metrics())
    await schema.downgrade(engine, "base")
    assert not await shipper.ship()
    assert set_aside(spool) == []
    await schema.upgrade(engine)
    assert await shipper.ship()
    assert await ids(engine) == [record.prediction_id]


async def test_a_connection_that_cannot_be_made_is_nobodys_poison(spool: Spool, new_record: NewRecord) -> None:
    """Errors of connecting are retried even where Python has them as ValueError, as it has bad host names."""
    spool.append(encode(new_record()))
    held = spool.size_bytes
    url = SecretStr(f"postgresql://postgres@{'x' * 64}.example:1/postgres")
    async with connected(DatabaseSettings(database=None, database_url=url)) as engine:
        shipper = Shipper(spool, engine, Metrics())
        assert not await shipper.ship()
    assert (spool.size_bytes, set_aside(spool)) == (held, [])
    assert (shipper.database, shipper.defect) == ("away", None), "a setting is at fault, and not our code"


async def test_a_read_only_database_is_waited_for(
    engine: AsyncEngine, database_settings: DatabaseSettings, spool: Spool, new_record: NewRecord
) -> None:
    """A server that takes no writes, as in a failover, costs nothing but time."""
    record = new_record()
    spool.append(encode(record))
    async with engine.begin() as connection:
        name = await connection.scalar(text("select current_database()"))
        await connection.execute(text(f"alter database {name} set default_transaction_read_only = on"))
    async with connected(database_settings) as read_only:
        assert not await Shipper(spool, read_only, Metrics()).ship()
    assert set_aside(spool) == []
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("set default_transaction_read_only = off"))
        await connection.execute(text(f"alter database {name} reset default_transaction_read_only"))
    async with connected(database_settings) as writable:
        assert await Shipper(spool, writable, Metrics()).ship()
    assert await ids(engine) == [record.prediction_id]


async def test_a_wake_up_ships_what_was_appended(
    engine: AsyncEngine, spool: Spool, new_record: NewRecord, waiting: Callable[..., None]
) -> None:
    """The running shipper sends what was appended when it is woken."""
    shipper = Shipper(spool, engine, Metrics())
    running = asyncio.create_task(shipper.run())
    spool.append(encode(new_record()))
    await shipper.wake()
    await asyncio.to_thread(waiting, lambda: spool.size_bytes == 0, "everything is shipped")
    assert len(await ids(engine)) == 1
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_an_embedded_server_that_is_away_is_revived(spool: Spool, new_record: NewRecord) -> None:
    """Each failure to ship asks for the server to be started again."""
    asked = 0

    async def revive() -> None:
        nonlocal asked
        asked += 1

    spool.append(encode(new_record()))
    shipper = Shipper(spool, closed_engine(), Metrics(), revive=revive)
    assert not await shipper.ship()
    assert asked == 1


def test_a_record_survives_the_spool_unchanged(new_record: NewRecord) -> None:
    """Encoding and decoding gives the same record, offsets and characters included."""
    offset = dt.timezone(dt.timedelta(hours=5, minutes=45))
    record = new_record(
        text="Grüße 😀", event_timestamp=dt.datetime(2026, 11, 1, 8, 30, tzinfo=offset), metadata={"a": None, "b": 0.1}
    )
    assert decode(encode(record)) == record


@pytest.mark.parametrize("payload", [b"", b"\x00", b"\xc1", msgspec.msgpack.encode({"type": "unknown"})])
def test_other_bytes_are_no_record(payload: bytes) -> None:
    """What `encode` did not write raises and never becomes half a record."""
    with pytest.raises(msgspec.DecodeError):
        decode(payload)


async def test_the_task_that_ships_outlives_its_own_defects(
    spool: Spool, new_record: NewRecord, waiting: Waiting
) -> None:
    """A failure outside of the shipping itself shows as a defect with its place, and does not end the task."""
    spool.append(encode(new_record()))

    async def revive() -> None:
        raise KeyError("a defect")

    metrics = Metrics()
    shipper = Shipper(spool, closed_engine(), metrics, revive=revive)
    task = asyncio.create_task(shipper.run())
    await asyncio.to_thread(waiting, lambda: shipper.defect is not None, "a defect shows")
    assert (shipper.defect or "").startswith("KeyError at sentiment_api/prediction_log/shipper.py:")
    assert value(metrics, "shipper_defect") == 1
    assert not task.done()
    task.cancel()
