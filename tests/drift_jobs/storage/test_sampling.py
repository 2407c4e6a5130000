"""What is read of a window: all of it, one version, or a sample that is the same each time."""

import datetime as dt
from typing import Any

import numpy as np
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from drift_jobs.storage.predictions import WindowRows, prediction_frame, read_predictions
from drift_jobs.windows import Window
from sentiment_api.model.bundle import Bundle
from tests.protocols import Log, MakeRecords

NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
HOUR = Window(NOON, NOON + dt.timedelta(hours=1))

pytestmark = pytest.mark.anyio


async def _read(engine: AsyncEngine, **options: Any) -> WindowRows:
    async with engine.connect() as connection:
        return await read_predictions(connection, HOUR, **options)


async def test_above_the_cap_a_sample_is_taken(engine: AsyncEngine, log: Log, make_records: MakeRecords) -> None:
    """About as many rows as the cap, the same ones each time, in the order of their ids; all of them are counted."""
    logged = await log(make_records(1_000, seed=1), NOON)
    first, second = [await _read(engine, cap=200) for _ in range(2)]
    ids = first.table["prediction_id"].to_list()
    assert (first.in_window, first.sampled) == (1_000, True)
    assert 140 < len(ids) < 260  # five standard errors
    assert ids == second.table["prediction_id"].to_list() == [one for one in logged if one in set(ids)]


async def test_a_smaller_sample_is_part_of_a_larger_one(
    engine: AsyncEngine, log: Log, make_records: MakeRecords
) -> None:
    """The rows with the smallest hashes are taken, whatever the cap."""
    await log(make_records(1_000, seed=1), NOON)
    small, large = [set((await _read(engine, cap=cap)).table["prediction_id"]) for cap in (100, 300)]
    assert small < large


async def test_up_to_the_cap_all_rows_are_read(engine: AsyncEngine, log: Log, make_records: MakeRecords) -> None:
    """A window with exactly as many rows as the cap is whole."""
    await log(make_records(100, seed=1), NOON)
    rows = await _read(engine, cap=100)
    assert (len(rows.table), rows.in_window, rows.sampled) == (100, 100, False)


async def test_one_version_is_counted_and_read_alone(engine: AsyncEngine, log: Log, make_records: MakeRecords) -> None:
    """Another version's rows neither come nor lower the share that is taken."""
    mine = await log(make_records(50, seed=1), NOON, model_version="mine")
    await log(make_records(200, seed=2), NOON, model_version="other")
    rows = await _read(engine, cap=60, version="mine")
    assert rows.in_window == 50
    assert rows.table["prediction_id"].to_list() == mine


async def test_segments_come_from_the_product_and_named_keys(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, bundle: Bundle
) -> None:
    """A key's value is text whatever it was; rows without it, or without any metadata, have no such segment."""
    one = make_records(1, seed=1)
    for metadata in ({"shop": "de", "note": "kettle"}, {"shop": 7}, {"note": "kettle"}, None):
        await log(one, NOON, metadata=metadata, product_id=None if metadata is None else "mug")
    frame = prediction_frame((await _read(engine, segment_keys=["shop"])).table, bundle.manifest)
    found = frame[["segment_product", "segment_shop"]].to_numpy().tolist()
    assert sorted(found, key=repr) == [["mug", "7"], ["mug", "de"], ["mug", None], [None, None]]
    assert not any("note" in name for name in frame.columns)


async def test_embeddings_of_any_width_come_back(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, bundle: Bundle
) -> None:
    """Where widths differ each row keeps its own, and a row without an embedding has None."""
    one = make_records(1, seed=1)
    for second, embedding in enumerate([[0.5, 0.25], [], [1.0, 2.0, 3.0]]):
        await log(one, NOON + dt.timedelta(seconds=second), embedding=embedding)
    frame = prediction_frame((await _read(engine)).table, bundle.manifest)
    assert [None if row is None else row.tolist() for row in frame["embedding"]] == [[0.5, 0.25], None, [1.0, 2.0, 3.0]]
    assert frame["embedding"][0].dtype == np.float32


async def test_windows_larger_than_a_chunk_come_whole(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, bundle: Bundle
) -> None:
    """More rows than are fetched at a time keep their order and their values."""
    records = make_records(3_000, seed=1)
    logged = [
        *await log(records, NOON),
        *await log(records, NOON + dt.timedelta(milliseconds=500), model_version="other"),
    ]
    frame = prediction_frame((await _read(engine)).table, bundle.manifest)
    assert frame["prediction_id"].to_list() == sorted(logged)
    assert frame["words"].sum() == 2 * sum(record["descriptors"]["words"] for record in records)
