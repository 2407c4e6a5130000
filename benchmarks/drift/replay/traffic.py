"""A shop's past as traffic of the running service: sent over HTTP, given the time that it really had, and read again.

The service stamps what it logs with the moment it runs. Only that clock is moved afterwards: `created_at` becomes the
time that the request named (`timestamp`), the 48 bits of the id that are its milliseconds likewise, and feedback is
received a day after its review. All else stays what the service wrote.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import polars as pl
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.postgres import Database
from benchmarks.processes import wait_until
from benchmarks.service_process import Service
from sentiment_api.database.connection import connected
from sentiment_api.database.partitions import make_months, month_of

KEEP = "20000d"
"""SENTIMENT_KEEP of all that touches these rows: they are older than a shop keeps them."""
_PATIENCE_S = 600
"""For one batch: the machine may be busy with other things."""
_BATCH = 64
_CONNECTIONS = 8
_MOVED_ID = """(lpad(to_hex((extract(epoch from predictions.event_timestamp) * 1000)::bigint), 12, '0')
    || right(replace(predictions.prediction_id::text, '-', ''), 20))::uuid"""
_MOVE_FEEDBACK = f"""update feedback
    set prediction_id = {_MOVED_ID}, received_at = predictions.event_timestamp + interval '1 day'
    from predictions where predictions.prediction_id = feedback.prediction_id"""  # noqa: S608 - no value from outside
_MOVE_PREDICTIONS = f"update predictions set prediction_id = {_MOVED_ID}, created_at = event_timestamp"  # noqa: S608
_READ = """select created_at, rating, predictions.label, (descriptors ->> 'words')::double precision as words
    from predictions join feedback using (prediction_id) order by predictions.prediction_id"""


class ReviewsRefused(Exception):
    """The service did not take what was sent; the message has numbers, never a text."""


def send(reviews: pl.DataFrame, bundle: Path, database: Database, folder: Path) -> None:
    """Send reviews and then their stars through a service of `bundle`, and return when Postgres has all of them.

    Raises:
        ReviewsRefused: the service did not take all of them.
    """
    settings = {"SENTIMENT_MODEL": str(bundle), "SENTIMENT_KEEP": KEEP, "SENTIMENT_BATCH_TIMEOUT_S": str(_PATIENCE_S)}
    service = Service(folder / "service.log", folder, database.url, **settings)
    service.start()
    try:
        with httpx.Client(base_url=service.url, timeout=_PATIENCE_S, trust_env=False) as client:
            ids = list(_predicted(client, reviews))
            _rate(client, ids, reviews["rating"])
        for table in ("predictions", "feedback"):
            _wait_for(database, table, len(reviews))
        service.terminate()
        service.end()
    finally:
        service.kill()


async def move_clock(database: Database) -> None:
    """Give each row the time that its request named, and feedback that of a day later; the service must have ended."""
    async with connected(database.settings, command_timeout_s=None) as engine, engine.begin() as connection:
        await make_months(connection, sorted(set(map(month_of, await _times(connection)))))
        for statement in (_MOVE_FEEDBACK, _MOVE_PREDICTIONS):
            await connection.execute(text(statement))


async def read_log(database: Database) -> pl.DataFrame:
    """Return of each row `created_at`, `rating`, `label` (the model's) and `words`, in the order of time."""
    async with connected(database.settings) as engine, engine.connect() as connection:
        rows = await connection.execute(text(_READ))
        return pl.DataFrame([dict(row) for row in rows.mappings()])


def _predicted(client: httpx.Client, reviews: pl.DataFrame) -> Iterator[str]:
    """Yield the id of each review's prediction."""
    for batch in reviews.iter_slices(_BATCH):
        rows = batch.select("text", "product_id", pl.col("timestamp").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
        reply = client.post("/predict/batch", json={"items": rows.to_dicts()})
        found = [each["prediction_id"] for each in _results(reply) if "prediction_id" in each]
        if len(found) < len(batch):
            raise ReviewsRefused(f"expected {len(batch)} predictions, found {len(found)} and {reply.status_code}")
        yield from found


def _results(reply: httpx.Response) -> list[dict[str, str]]:
    found: list[dict[str, str]] = reply.json()["results"] if reply.is_success else []
    return found


def _rate(client: httpx.Client, ids: Iterable[str], ratings: Iterable[int]) -> None:
    def rate(prediction_id: str, stars: int) -> bool:
        return client.post("/feedback", json={"prediction_id": prediction_id, "rating": stars}).is_success

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        refused = list(pool.map(rate, ids, ratings)).count(False)
    if refused:
        raise ReviewsRefused(f"expected that all feedback is taken, found {refused} refused")


def _wait_for(database: Database, table: str, rows: int) -> None:
    query = f"select count(*) from {table}"  # noqa: S608 - no value from outside
    wait_until(lambda: database.column(query)[0] == rows, f"Postgres has {rows} rows of {table}")


async def _times(connection: AsyncConnection) -> list[dt.datetime]:
    return list(await connection.scalars(text("select event_timestamp from predictions")))
