"""A service whose places are all taken: whom it refuses, whom it answers, and when a place is free again."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from tests.protocols import AssertProblem, Metric, NewClient

Client = TestClient[Litestar]

PATIENCE_S = 30.0
REVIEW = {"text": "The lid never closes properly."}
POISON = {"text": "Lightning struck."}


@contextlib.contextmanager
def occupied(client: Client, engine: Any) -> Iterator[None]:
    """Hold one request at the engine meanwhile; it is answered at the end."""
    engine.gate.clear()
    with ThreadPoolExecutor(1) as other_client:
        held = other_client.submit(client.post, "/predict", json=REVIEW)
        try:
            assert engine.entered.acquire(timeout=PATIENCE_S)
            yield
        finally:
            engine.gate.set()
        assert held.result(PATIENCE_S).status_code == 200


@pytest.mark.parametrize(("path", "body"), [("/predict", REVIEW), ("/predict/batch", {"items": [REVIEW]})])
def test_one_request_too_many_is_refused(
    new_client: NewClient, engine: Any, assert_problem: AssertProblem, metric: Metric, path: str, body: dict[str, Any]
) -> None:
    """With its one place taken the service answers 503 with Retry-After, counts it, and then takes the next one."""
    client = new_client(max_concurrent_requests=1)
    with occupied(client, engine):
        reply = client.post(path, json=body)
        assert_problem(reply, 503, "overloaded")
        assert int(reply.headers["Retry-After"]) >= 1
    assert metric(client, 'sentiment_refused_requests_total{reason="overloaded"}') == 1
    assert client.post(path, json=body).status_code == 200


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/health", "/metrics", "/model", "/docs"])
def test_operators_are_answered_when_all_places_are_taken(new_client: NewClient, engine: Any, path: str) -> None:
    """Probes, metrics, the model's description and the documentation need no place."""
    client = new_client(max_concurrent_requests=1)
    with occupied(client, engine):
        assert client.get(path).status_code == 200


def test_feedback_is_taken_when_all_places_are_taken(new_client: NewClient, engine: Any) -> None:
    """What needs no model waits for none: feedback, and the look-up of a prediction."""
    client = new_client(max_concurrent_requests=1)
    prediction_id = client.post("/predict", json=REVIEW).json()["prediction_id"]
    assert engine.entered.acquire(timeout=PATIENCE_S)
    with occupied(client, engine):
        assert client.post("/feedback", json={"prediction_id": prediction_id, "rating": 2}).status_code == 202
        assert client.get(f"/predictions/{prediction_id}").json()["feedback"]["rating"] == 2


def test_a_request_that_failed_gives_its_place_back(new_client: NewClient, engine: Any) -> None:
    """However a request ends, the one place is free again."""
    client = new_client(max_concurrent_requests=1)
    bodies = [{"text": ""}, {}, POISON, POISON, REVIEW]
    found = [client.post(path, json=body).status_code for body in bodies for path in ("/predict", "/predict/batch")]
    assert found == [422, 422, 422, 422, 500, 422, 500, 422, 200, 422]
