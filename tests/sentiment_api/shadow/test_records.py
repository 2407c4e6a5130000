"""The shadow's answers in the prediction log: shipped once, and gone when their predictions are."""

import datetime as dt
import uuid
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.erasures import ErasureTarget, erase
from sentiment_api.database.partitions import drop_old_months, first_id
from sentiment_api.database.tables import predictions, shadow_predictions
from sentiment_api.prediction_log.records import encode
from sentiment_api.prediction_log.segments import frame
from sentiment_api.prediction_log.set_aside import SetAsideRecord, find
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.prediction_log.takeover import claim_spool
from sentiment_api.telemetry.metrics import Metrics
from tests.protocols import NewRecord, ShadowOf, ShipShadow


async def scored(engine: AsyncEngine) -> set[uuid.UUID]:
    """Return the predictions that Postgres holds a shadow's answer for."""
    async with engine.connect() as connection:
        return {uuid.UUID(str(each)) for each in await connection.scalars(select(shadow_predictions.c.prediction_id))}


@pytest.mark.anyio
async def test_a_shadow_record_that_0_1_set_aside_is_shipped(
    engine: AsyncEngine, tmp_path: Path, new_record: NewRecord, shadow_of: ShadowOf
) -> None:
    """That release knows no such kind and wrote what it could not read to one file of frames."""
    record = new_record()
    folder = tmp_path / "0"
    folder.mkdir()
    (folder / "set-aside.frames").write_bytes(frame(encode(record)) + frame(encode(shadow_of(record))))
    spool = claim_spool(tmp_path, 1 << 20)
    assert await Shipper(spool, engine, Metrics()).ship()
    assert await scored(engine) == {record.prediction_id}
    assert not (folder / "set-aside.frames").exists()
    spool.close()


@pytest.mark.anyio
async def test_a_shadow_record_becomes_a_row_once(
    engine: AsyncEngine, spool: Spool, new_record: NewRecord, shadow_of: ShadowOf, ship: ShipShadow
) -> None:
    """It has the time of its prediction, and shipping it again changes nothing."""
    record = new_record()
    metrics = await ship(engine, spool, record, shadow_of(record), shadow_of(record))
    async with engine.connect() as connection:
        row = (await connection.execute(select(shadow_predictions))).mappings().one()
        live = (await connection.execute(select(predictions))).mappings().one()
    assert (row["prediction_id"], row["created_at"]) == (live["prediction_id"], live["created_at"])
    assert (row["label"], row["score"], row["logits"]) == ("positive", 0.75, [-0.5, 0.5])
    assert row["probabilities"] == {"negative": 0.25, "positive": 0.75}
    assert (row["model_name"], row["model_version"], row["processor_ms"]) == ("other", "fedcba987654", 5.0)
    assert metrics.registry.get_sample_value("sentiment_shipped_records_total", {"kind": "shadow"}) == 2


@pytest.mark.anyio
async def test_erasure_takes_shadow_answers_too(
    engine: AsyncEngine, spool: Spool, new_record: NewRecord, shadow_of: ShadowOf, ship: ShipShadow
) -> None:
    """By id and by product, stored or still spooled, before or after the erasure; those of others stay."""
    by_id, of_product, kept = new_record(product_id=None), new_record(product_id="mug-7"), new_record(product_id="x")
    records = [by_id, of_product, kept]
    await ship(engine, spool, *records, *map(shadow_of, records))
    await erase(engine, ErasureTarget(prediction_id=by_id.prediction_id))
    await erase(engine, ErasureTarget.product("mug-7"))
    assert await scored(engine) == {kept.prediction_id}
    metrics = await ship(engine, spool, *map(shadow_of, records))
    assert await scored(engine) == {kept.prediction_id}
    assert metrics.registry.get_sample_value("sentiment_left_out_records_total", {"reason": "erased"}) == 2


@pytest.mark.anyio
async def test_a_shadow_answer_goes_when_its_prediction_is_left_out(
    engine: AsyncEngine, spool: Spool, new_record: NewRecord, shadow_of: ShadowOf, ship: ShipShadow
) -> None:
    """It was stored while its prediction, of an erased product, was still spooled."""
    record = new_record(product_id="mug-7")
    await ship(engine, spool, shadow_of(record))
    await erase(engine, ErasureTarget.product("mug-7"))
    assert await scored(engine) == {record.prediction_id}
    await ship(engine, spool, record)
    assert await scored(engine) == set()


@pytest.mark.anyio
async def test_old_months_take_their_shadow_answers(
    engine: AsyncEngine, spool: Spool, new_record: NewRecord, shadow_of: ShadowOf, ship: ShipShadow
) -> None:
    """They go with the predictions, and a late spool does not bring them back."""
    now = dt.datetime.now(dt.UTC)
    old, new = (new_record(prediction_id=first_id(now - dt.timedelta(days=days))) for days in (500, 1))
    await ship(engine, spool, old, new, shadow_of(old), shadow_of(new))
    await drop_old_months(engine, dt.timedelta(days=400))
    await ship(engine, spool, shadow_of(old))
    assert await scored(engine) == {new.prediction_id}


def test_a_refused_shadow_record_is_set_aside_beside_its_prediction(
    spool: Spool, new_record: NewRecord, shadow_of: ShadowOf
) -> None:
    """Its name is not the prediction's, so that neither file replaces the other."""
    record = new_record()
    for each in (record, shadow_of(record)):
        SetAsideRecord("22021", each).save(spool.folder)
    names = [str(record.prediction_id), f"shadow-{record.prediction_id}"]
    found = find(spool.folder.parent, names)
    assert [aside.kind for _, aside in found] == ["prediction", "shadow"]
