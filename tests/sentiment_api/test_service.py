"""The service as a client meets it: a real Granian process, the real starter, a real Postgres."""

import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.connection import connected
from sentiment_api.database.embedded import EmbeddedServer
from sentiment_api.database.schema import upgrade
from sentiment_api.database.tables import feedback, predictions
from sentiment_api.settings import DatabaseSettings

pytestmark = pytest.mark.anyio

REVIEW = "The lid never closes properly and the coffee is cold in ten minutes. I want my money back."


async def count(engine: AsyncEngine, table: Any) -> int:
    """Return how many rows the table has."""
    async with engine.connect() as connection:
        return int(await connection.scalar(select(func.count()).select_from(table)) or 0)


@pytest.mark.end_to_end
async def test_a_prediction_reaches_postgres_with_all_that_was_said(
    service: Any, engine: AsyncEngine, waiting: Callable[..., None]
) -> None:
    """The row holds the reply, the request and what drift needs: embedding, tokens, descriptors, logits."""
    reply = httpx.post(
        f"{service.url}/predict",
        json={
            "text": REVIEW,
            "product_id": "mug-7",
            "timestamp": "2026-11-01T09:30:00+01:00",
            "metadata": {"shop": "de", "verified": True},
        },
        headers={"X-Request-ID": "check-1", "Idempotency-Key": "order-9"},
    ).json()
    path = f"{service.url}/predictions/{reply['prediction_id']}"
    waiting(lambda: httpx.get(path).json()["state"] == "stored", "the prediction is stored")
    async with engine.connect() as connection:
        row = (await connection.execute(select(predictions))).mappings().one()
    assert str(row["prediction_id"]) == reply["prediction_id"]
    assert (row["label"], row["score"]) == (reply["label"], pytest.approx(reply["score"], abs=1e-6))
    assert row["probabilities"] == reply["probabilities"]
    assert (row["text"], row["product_id"], row["metadata"]) == (REVIEW, "mug-7", {"shop": "de", "verified": True})
    assert (row["request_id"], row["idempotency_key"], row["source"]) == ("check-1", "order-9", "api")
    assert row["event_timestamp"].isoformat() == "2026-11-01T08:30:00+00:00"
    assert (row["tokens"], row["truncated"]) == (reply["tokens"], False)
    assert (len(row["embedding"]), len(row["logits"])) == (32, 2)
    assert row["descriptors"]["words"] == 18
    assert row["model_version"] == reply["model"]["version"]


async def test_feedback_is_kept_and_the_last_one_wins(
    service: Any, engine: AsyncEngine, waiting: Callable[..., None]
) -> None:
    """Two ratings for one prediction are both stored, and a look-up shows the later one."""
    prediction_id = httpx.post(f"{service.url}/predict", json={"text": REVIEW}).json()["prediction_id"]
    path = f"{service.url}/predictions/{prediction_id}"
    waiting(lambda: httpx.get(path).json()["state"] == "stored", "the prediction is stored")
    for rating in (4, 1):
        reply = httpx.post(f"{service.url}/feedback", json={"prediction_id": prediction_id, "rating": rating})
        assert (reply.status_code, reply.json()["state"]) == (200, "stored")
    waiting(lambda: (httpx.get(path).json()["feedback"] or {}).get("rating") == 1, "the last rating shows")
    service.stop()
    assert await count(engine, feedback) == 2


async def test_kill_minus_nine_loses_no_answered_prediction(
    new_service: Callable[..., Any], engine: AsyncEngine, waiting: Callable[..., None]
) -> None:
    """What was answered before a kill is in Postgres after the next start, each id once."""
    service = new_service()
    answered = {
        httpx.post(f"{service.url}/predict", json={"text": f"{REVIEW} {number}"}).json()["prediction_id"]
        for number in range(40)
    }
    service.stop(signal.SIGKILL)
    again = new_service()
    waiting(
        lambda: httpx.get(f"{again.url}/health/ready").json()["prediction_log"]["spool_bytes"] == 0, "all is shipped"
    )
    async with engine.connect() as connection:
        stored = [str(row) for row in await connection.scalars(select(predictions.c.prediction_id))]
    assert sorted(stored) == sorted(answered)


async def test_sigterm_ends_with_everything_shipped(service: Any, engine: AsyncEngine) -> None:
    """After SIGTERM the process ends with exit code 0 and the last prediction is in Postgres."""
    httpx.post(f"{service.url}/predict", json={"text": REVIEW})
    assert service.stop() == 0
    assert await count(engine, predictions) == 1


async def test_the_log_never_holds_a_text(service: Any) -> None:
    """Neither a good request nor a refused one leaves its text in what the service prints."""
    httpx.post(f"{service.url}/predict", json={"text": REVIEW})
    httpx.post(f"{service.url}/predict", json={"text": REVIEW, "stray": REVIEW})
    httpx.get(f"{service.url}/{REVIEW[:20]}")
    service.stop()
    assert "coffee" not in service.log()
    assert "The lid" not in service.log()
    assert '"status": 422' in service.log()


EMBEDDED = {"SENTIMENT_DATABASE": "embedded", "SENTIMENT_DATABASE_URL": ""}


@pytest.fixture
def embedded_settings(data_dir: Path) -> DatabaseSettings:
    """Settings that name an embedded server in the service's own folder."""
    data_dir.chmod(0o755)  # as root the server runs as another user, who has to be able to enter
    return DatabaseSettings(database="embedded", database_url=None, data_dir=data_dir)


@pytest.fixture
async def embedded(embedded_settings: DatabaseSettings) -> AsyncIterator[EmbeddedServer]:
    """A migrated embedded server of our own, running."""
    async with connected(embedded_settings) as engine:
        await upgrade(engine)
    server = EmbeddedServer(embedded_settings.data_dir)
    yield server
    server.stop()


def processes_of(server: EmbeddedServer) -> list[psutil.Process]:
    """Return the server's main process and its children."""
    postmaster = psutil.Process(int((server.folder / "postmaster.pid").read_text().split()[0]))
    return [postmaster, *postmaster.children(recursive=True)]


async def test_kill_minus_nine_of_everything_loses_no_answered_prediction(
    embedded: EmbeddedServer,
    embedded_settings: DatabaseSettings,
    new_service: Callable[..., Any],
    waiting: Callable[..., None],
) -> None:
    """When service and embedded Postgres die at once, the next start has every answered prediction, once."""
    service = new_service(**EMBEDDED)
    answered = [
        httpx.post(f"{service.url}/predict", json={"text": f"{REVIEW} {number}"}).json()["prediction_id"]
        for number in range(40)
    ]
    for process in processes_of(embedded):
        process.kill()
    service.stop(signal.SIGKILL)
    again = new_service(**EMBEDDED)
    waiting(
        lambda: httpx.get(f"{again.url}/health/ready").json()["prediction_log"]["spool_bytes"] == 0, "all is shipped"
    )
    async with connected(embedded_settings) as engine, engine.connect() as connection:
        stored = [str(row) for row in await connection.scalars(select(predictions.c.prediction_id))]
    assert sorted(stored) == sorted(answered)


async def test_the_service_revives_its_embedded_postgres(
    embedded: EmbeddedServer, new_service: Callable[..., Any], waiting: Callable[..., None]
) -> None:
    """After kill -9 of Postgres alone a prediction is answered at once and stored by a server that was started anew."""
    service = new_service(**EMBEDDED)
    postmaster = processes_of(embedded)[0]
    postmaster.kill()
    reply = httpx.post(f"{service.url}/predict", json={"text": REVIEW})
    assert reply.status_code == 200
    path = f"{service.url}/predictions/{reply.json()['prediction_id']}"
    waiting(lambda: httpx.get(path).json().get("state") == "stored", "the prediction is stored")
    assert processes_of(embedded)[0].pid != postmaster.pid
    assert httpx.get(f"{service.url}/health/ready").json()["prediction_log"]["database"] == "up"
