"""`sentiment-api shadow report`: which model was right, and how sure that is."""

import asyncio
import datetime as dt
import subprocess

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from sentiment_api.commands.shadow import paired, wilson
from sentiment_api.database.partitions import first_id
from sentiment_api.prediction_log.records import FeedbackRecord
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.settings import DatabaseSettings
from tests.preloaded import program
from tests.protocols import NewRecord, ShadowOf, ShipShadow


def report(database: DatabaseSettings, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `sentiment-api shadow report`."""
    assert database.database_url is not None
    return program("sentiment_api").run(
        "shadow",
        "report",
        *arguments,
        environment={"SENTIMENT_DATABASE_URL": database.database_url.get_secret_value()},
    )


def test_intervals_are_those_of_the_books() -> None:
    """Wilson's for 15 of 148, as in Newcombe 1998, and the paired one as worked out by hand."""
    assert wilson(15, 148) == pytest.approx((0.1014, 0.0624, 0.1605), abs=5e-5)
    assert paired(132, 107, 1144) == pytest.approx((-0.02185, -0.04828, 0.00465), abs=1e-5)


@pytest.mark.anyio
async def test_the_report_compares_with_feedback(
    engine: AsyncEngine,
    spool: Spool,
    new_record: NewRecord,
    database_settings: DatabaseSettings,
    shadow_of: ShadowOf,
    ship: ShipShadow,
) -> None:
    """One text is out of the time, one is a repeat, one has no feedback; of the rest each model has its share right."""
    now = dt.datetime.now(dt.UTC)
    old = new_record(prediction_id=first_id(now - dt.timedelta(days=3)))
    records = [new_record(prediction_id=first_id(now + dt.timedelta(milliseconds=each))) for each in range(5)]
    records[1], records[4] = (msgspec.structs.replace(each, idempotency_key="order-66") for each in records[1::3])
    ratings = [1, 5, 5]  # the live model says negative, its shadow positive
    feedback = [
        FeedbackRecord(
            feedback_id=uuid7(), prediction_id=record.prediction_id, rating=rating, label=None, request_id="r-1"
        )
        for record, rating in zip(records, ratings, strict=False)
    ]
    await ship(engine, spool, old, shadow_of(old), *records, *map(shadow_of, records), *feedback)
    since = (now - dt.timedelta(days=1)).isoformat()
    done = await asyncio.to_thread(report, database_settings, "--from", since)
    assert done.stdout.splitlines() == [
        "live 0123456789ab, shadow fedcba987654",
        "  texts                 4",
        f"  same label      {wilson(0, 4)}",
        "  with feedback         3",
        f"  live right      {wilson(1, 3)}",
        f"  shadow right    {wilson(2, 3)}",
        f"  shadow - live   {paired(1, 2, 3)}",
    ], done.stderr
    none = await asyncio.to_thread(report, database_settings, "--to", "2020-01-01T00:00:00Z")
    assert (none.returncode, none.stdout) == (0, "no shadow answers in that time\n")
