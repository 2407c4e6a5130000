"""Which rows of the prediction log a window holds, and what is made of them."""

import datetime as dt

import pandas as pd
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from drift_jobs.judging.frames import label_set
from drift_jobs.storage.predictions import labels_fit, prediction_frame, read_predictions
from drift_jobs.windows import Window
from sentiment_api.model.bundle import Bundle
from tests.protocols import Log, MakeRecords, Rate

NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
HOUR = Window(NOON, NOON + dt.timedelta(hours=1))
MILLISECOND = dt.timedelta(milliseconds=1)

pytestmark = pytest.mark.anyio


async def _read(engine: AsyncEngine, window: Window = HOUR) -> pd.DataFrame:
    async with engine.connect() as connection:
        return (await read_predictions(connection, window)).table


async def test_a_window_is_half_open_to_the_millisecond(
    engine: AsyncEngine, log: Log, make_records: MakeRecords
) -> None:
    """The first millisecond of a window belongs to it and its end does not."""
    moments = (HOUR.start - MILLISECOND, HOUR.start, HOUR.end - MILLISECOND, HOUR.end)
    ids = [(await log(make_records(1, seed=1), moment))[0] for moment in moments]
    rows = await _read(engine)
    assert rows["prediction_id"].to_list() == ids[1:3]


async def test_only_customers_count(engine: AsyncEngine, log: Log, make_records: MakeRecords) -> None:
    """Console, golden and benchmark traffic is left out."""
    for source in ("api", "hf", "v2", "console", "golden", "bench"):
        await log(make_records(1, seed=1), NOON, source=source)
    assert len(await _read(engine)) == 3


async def test_repeats_of_an_idempotency_key_count_once(
    engine: AsyncEngine, log: Log, make_records: MakeRecords
) -> None:
    """The first row of a key within 24 hours counts, even when it lies before the window; other keys are untouched."""
    one = make_records(1, seed=1)
    await log(one, NOON - dt.timedelta(hours=3), idempotency_key="before")
    await log(one, NOON - dt.timedelta(hours=25), idempotency_key="long before")
    kept = [
        *await log(one, NOON, idempotency_key="long before"),
        *await log(one, NOON + dt.timedelta(minutes=1), idempotency_key="twice"),
        *await log(one, NOON + dt.timedelta(minutes=2), idempotency_key="twice", api_key_name="another client"),
    ]
    await log(one, NOON + dt.timedelta(minutes=3), idempotency_key="twice")
    await log(one, NOON + dt.timedelta(minutes=4), idempotency_key="before")
    assert (await _read(engine))["prediction_id"].to_list() == kept


async def test_the_feedback_received_last_wins(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, bundle: Bundle, rate: Rate
) -> None:
    """Of several feedbacks the last decides; a given label wins over the rating, and a rating of 3 is no label."""
    last_wins, label_wins, neutral, silent = await log(make_records(4, seed=1), NOON)
    earlier, later = NOON + dt.timedelta(minutes=5), NOON + dt.timedelta(minutes=9)
    await rate([last_wins], [1], later)
    await rate([last_wins], [5], earlier)
    await rate([label_wins], [5], earlier, label="negative")
    await rate([neutral], [3], earlier)
    frame = prediction_frame(await _read(engine), bundle.manifest)
    known = frame.dropna(subset="target")
    assert dict(zip(known["prediction_id"], known["target"], strict=True)) == dict.fromkeys(
        (last_wins, label_wins), "negative"
    )
    assert set(frame["prediction_id"]) == {last_wins, label_wins, neutral, silent}


async def test_a_frame_holds_what_was_logged(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, bundle: Bundle
) -> None:
    """Logits, probabilities, embedding and descriptors come back; the text does not."""
    records = make_records(3, seed=1)
    await log(records, NOON)
    frame = prediction_frame(await _read(engine), bundle.manifest)
    assert frame["logit"].to_list() == pytest.approx([row["logits"][1] - row["logits"][0] for row in records], rel=1e-5)
    assert frame["probability_positive"].to_list() == [row["probabilities"][1] for row in records]
    assert frame["embedding"][0] == pytest.approx(records[0]["embedding"], rel=1e-5)
    assert frame["words"].to_list() == [row["descriptors"]["words"] for row in records]
    assert "text" not in frame.columns


async def test_rows_without_a_product_are_clusters_by_themselves(
    engine: AsyncEngine, log: Log, bundle: Bundle, make_records: MakeRecords
) -> None:
    """Rows of one product share a cluster; those that name none share it with no other row."""
    for product in ("mug", None, "mug", None):
        await log(make_records(1, seed=1), NOON, product_id=product)
    clusters = prediction_frame(await _read(engine), bundle.manifest)["cluster"]
    assert sorted(clusters.value_counts()) == [1, 1, 2]


async def test_descriptors_of_another_version_are_missing(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, bundle: Bundle
) -> None:
    """Numbers under another definition are not compared with ours."""
    await log(make_records(1, seed=1), NOON, descriptors_version=99)
    assert prediction_frame(await _read(engine), bundle.manifest)["words"].isna().all()


async def test_labels_in_another_order_do_not_fit(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, bundle: Bundle
) -> None:
    """A version whose largest logit is not where its label should be is recognized; ours is accepted."""
    await log(make_records(5, seed=1), NOON)
    swapped = [record | {"logits": record["logits"][::-1]} for record in make_records(5, seed=2)]
    await log(swapped, NOON + dt.timedelta(minutes=1), model_version="other")
    versions = (await _read(engine)).groupby("model_version")
    labels = label_set(bundle.manifest)
    assert {name: labels_fit(rows, labels) for name, rows in versions} == {
        bundle.manifest.version: True,
        "other": False,
    }


async def test_an_empty_window_has_an_empty_frame(engine: AsyncEngine, bundle: Bundle) -> None:
    """Without predictions there is a frame with all columns and no rows."""
    frame = prediction_frame(await _read(engine), bundle.manifest)
    assert frame.empty
    assert {"logit", "score", "words", "target"} <= set(frame.columns)
