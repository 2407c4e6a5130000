"""A service with a shadow: what its clients and operators see, and that nothing waits for it."""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from sentiment_api.app import create_app
from sentiment_api.database.tables import shadow_predictions
from sentiment_api.model.bundle import open_bundle
from sentiment_api.model.classifier import Classifier
from sentiment_api.settings import ServiceSettings
from sentiment_api.shadow.comparison import MAX_WAITING
from tests.protocols import Metric, NewShadowClient, Waiting

Client = TestClient[Litestar]

PATIENCE_S = 30.0
REVIEW = {"text": "The lid never closes properly."}
PRAISE = {"text": "Great value, works perfectly."}


@pytest.fixture
def new_client(
    cpu: Classifier, scorer: Any, without_postgres: Callable[..., ServiceSettings]
) -> Iterator[NewShadowClient]:
    """A function that serves the starter here with that shadow of all predictions; no Postgres."""
    with contextlib.ExitStack() as running:

        def start(**changes: object) -> Client:
            app = create_app(without_postgres(**{"shadow_share": 1.0, **changes}), cpu, scorer)
            return running.enter_context(TestClient(app, base_url="http://127.0.0.1"))

        yield start


def test_live_answers_do_not_wait_for_a_shadow_that_hangs(
    new_client: NewShadowClient, scorer: Any, waiting: Waiting, metric: Metric
) -> None:
    """With the shadow stuck in a text every request is answered, readiness stays, and the texts wait."""
    client = new_client()
    scorer.gate.clear()
    for _ in range(5):
        assert client.post("/predict", json=REVIEW).json()["label"] == "negative"
        assert client.get("/health/ready").status_code == 200
    assert scorer.entered.acquire(timeout=PATIENCE_S)
    waiting(lambda: metric(client, "sentiment_shadow_waiting_texts") == 4, "the others wait")
    assert scorer.texts == [REVIEW["text"]]


def test_what_does_not_fit_into_the_queue_is_dropped_and_counted(
    new_client: NewShadowClient, scorer: Any, waiting: Waiting, metric: Metric
) -> None:
    """Beside the text that the shadow has, so many wait as the bound says; the live answers are all there."""
    client = new_client()
    scorer.gate.clear()
    client.post("/predict", json=REVIEW)
    assert scorer.entered.acquire(timeout=PATIENCE_S)
    reply = client.post("/predict/batch", json={"items": [{"text": "Good."}] * (MAX_WAITING + 7)})
    assert len([each["label"] for each in reply.json()["results"]]) == MAX_WAITING + 7
    waiting(lambda: metric(client, 'sentiment_shadow_dropped_total{reason="full"}') == 7, "the rest is dropped")
    assert metric(client, "sentiment_shadow_waiting_texts") == MAX_WAITING


def test_agreement_and_distance_are_counted(new_client: NewShadowClient, waiting: Waiting, metric: Metric) -> None:
    """Each text that the shadow scored counts as the same label or another, with the distance of the scores."""
    client = new_client()
    live = [client.post("/predict", json=body).json() for body in (REVIEW, PRAISE, PRAISE)]
    waiting(lambda: metric(client, 'sentiment_shadow_compared_total{agreement="same"}') == 2, "two agree")
    waiting(lambda: metric(client, "sentiment_shadow_score_distance_count") == 3, "all are compared")
    assert metric(client, 'sentiment_shadow_compared_total{agreement="other"}') == 1
    expected = sum(abs(each["score"] - {"negative": 0.25, "positive": 0.75}[each["label"]]) for each in live)
    assert metric(client, "sentiment_shadow_score_distance_sum") == pytest.approx(expected)
    info = 'sentiment_shadow_model{engine="fake",name="fake",version="fedcba987654"}'
    assert metric(client, info) == 1


def test_the_shadow_shows_in_health_and_model(new_client: NewShadowClient, waiting: Waiting) -> None:
    """Both say which model it is and how it does."""
    client = new_client(shadow_share=0.25)
    waiting(lambda: client.get("/health/ready").json()["shadow"]["state"] == "ready", "it is loaded")
    expected = {
        "state": "ready",
        "name": "fake",
        "version": "fedcba987654",
        "share": 0.25,
        "waiting": 0,
        "reason": None,
    }
    assert client.get("/health/ready").json()["shadow"] == client.get("/model").json()["shadow"] == expected


def test_without_a_shadow_nothing_is_said_of_one(client: Client) -> None:
    """Health and model have null there."""
    assert client.get("/health/ready").json()["shadow"] is client.get("/model").json()["shadow"] is None


def test_a_share_beyond_one_is_refused() -> None:
    """The settings take 0 to 1."""
    with pytest.raises(ValueError, match="less than or equal to 1"):
        ServiceSettings(database="embedded", shadow_share=1.5)


@pytest.mark.parametrize("where", ["load", "score"])
def test_a_shadow_that_fails_is_given_up_and_harms_nothing(
    new_client: NewShadowClient, scorer: Any, waiting: Waiting, metric: Metric, where: str
) -> None:
    """It is disabled with a reason, a metric and a log line; requests are answered and readiness stays."""
    scorer.fails_on = {where}
    with capture_logs() as lines:
        client = new_client()
        assert client.post("/predict", json=REVIEW).status_code == 200
        waiting(lambda: metric(client, "sentiment_shadow_disabled") == 1, "it is given up")
    (line,) = [line for line in lines if line["event"] == "shadow model disabled"]
    assert line["reason"] == {"load": "no such folder", "score": "its process ended"}[where]
    assert (line["log_level"], scorer.heard[-1]) == ("error", "stop")
    health = client.get("/health/ready")
    assert (health.status_code, health.json()["shadow"]["state"]) == (200, "disabled")
    assert client.post("/predict", json=REVIEW).status_code == 200
    waiting(lambda: metric(client, 'sentiment_shadow_dropped_total{reason="disabled"}') >= 1, "the next is dropped")


@pytest.mark.anyio
async def test_the_service_keeps_what_its_shadow_answers(
    new_service: Callable[..., Any], engine: AsyncEngine, other_model: Path, waiting: Waiting, metric: Metric
) -> None:
    """With real processes the live row has the live model's answer and the shadow's row its own."""
    service = new_service(SENTIMENT_SHADOW_MODEL=str(other_model), SENTIMENT_SHADOW_SHARE="1")
    waiting(lambda: httpx.get(f"{service.url}/model").json()["shadow"]["state"] == "ready", "the shadow is loaded")
    texts = [REVIEW["text"], PRAISE["text"], "Not sure what to think of it."]
    live = {
        uuid.UUID(each["prediction_id"]): (text, each)
        for text in texts
        for each in [httpx.post(f"{service.url}/predict", json={"text": text}).json()]
    }
    with httpx.Client(base_url=service.url) as operator:
        shipped = 'sentiment_shipped_records_total{kind="shadow"}'
        waiting(lambda: metric(operator, shipped) == len(texts), "its answers are stored")
    assert service.stop() == 0
    other = Classifier.load(open_bundle(other_model), "cpu", 1)
    async with engine.connect() as connection:
        rows = (await connection.execute(select(shadow_predictions))).mappings().all()
    assert {row["prediction_id"] for row in rows} == set(live)
    for row in rows:
        text, answer = live[row["prediction_id"]]
        expected = other.classify(text)
        assert row["model_version"] == other.bundle.manifest.version != answer["model"]["version"]
        assert list(row["probabilities"].values()) == pytest.approx(expected.tolist(), abs=1e-3)
        assert (row["label"], row["score"]) == (
            other.labels[int(np.argmax(expected))],
            pytest.approx(float(expected.max()), abs=1e-3),
        )
        assert row["score"] < answer["score"], "the other model is less sure of everything"


def test_a_service_whose_shadow_is_no_bundle_serves(
    new_service: Callable[..., Any], tmp_path: Path, waiting: Waiting
) -> None:
    """It is ready and answers, and its health says what was expected of the folder."""
    service = new_service(SENTIMENT_SHADOW_MODEL=str(tmp_path / "nothing"), SENTIMENT_SHADOW_SHARE="1")
    waiting(lambda: httpx.get(f"{service.url}/health").json()["shadow"]["state"] == "disabled", "it is given up")
    assert "expected a model bundle" in httpx.get(f"{service.url}/health").json()["shadow"]["reason"]
    assert httpx.post(f"{service.url}/predict", json=REVIEW).status_code == 200
