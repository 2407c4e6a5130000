"""An engine that fails on a text or ends, and a defect that nobody foresaw."""

from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from structlog.testing import capture_logs

from sentiment_api.model.bundle import Bundle
from sentiment_api.model.classifier import Classifier
from sentiment_api.model.long_texts import EncodedText
from tests.protocols import AssertProblem, Metric, NewClient, Slugs, Waiting

Client = TestClient[Litestar]

REVIEW = {"text": "The lid never closes properly."}
POISON = {"text": "Lightning struck."}


class BrokenClassifier(Classifier):
    """Has a defect that nobody foresaw."""

    def encode_windows(self, text: str, *, whole: bool = False) -> EncodedText:  # noqa: ARG002 - the base class has it
        """Fail with the text in the message."""
        raise KeyError(text)


@pytest.mark.parametrize("mood", ["raises", "logits", "pooled"])
def test_the_model_fails_on_one_text_alone(
    new_client: NewClient, engine: Any, assert_problem: AssertProblem, metric: Metric, slugs: Slugs, mood: str
) -> None:
    """A text on which the engine raises, or computes what is no number, gets 500, and its batch-mates their answers.

    The log says in which request.
    """
    engine.mood = mood
    client = new_client()
    with capture_logs() as logged:
        alone = client.post("/predict", json=POISON)
        reply = client.post("/predict/batch", json={"items": [REVIEW, POISON, REVIEW, REVIEW]})
    body = assert_problem(alone, 500, "inference-failed")
    failures = [each["request_id"] for each in logged if each["event"] == "inference failed"]
    assert failures == [each.headers["X-Request-ID"] for each in (alone, reply)]
    assert slugs(reply) == ["negative", "inference-failed", "negative", "negative"]
    assert reply.json()["results"][1]["error"]["detail"] == body["detail"]
    assert client.get("/health/ready").status_code == 200
    assert metric(client, 'sentiment_spooled_records_total{kind="prediction"}') == 3


@pytest.mark.filterwarnings("ignore:Exception in thread engine:pytest.PytestUnhandledThreadExceptionWarning")
def test_a_service_without_its_engine_thread_is_to_be_restarted(
    new_client: NewClient, engine: Any, waiting: Waiting, assert_problem: AssertProblem, metric: Metric
) -> None:
    """Once the thread has ended nothing is predicted any more: neither ready for proxies, nor alive; metrics say so."""
    client = new_client(request_timeout_s=0.2)
    assert [client.get(path).status_code for path in ("/health/live", "/health/ready")] == [200, 200]
    engine.mood = "ends its thread"
    assert_problem(client.post("/predict", json=POISON), 504, "deadline")
    waiting(lambda: metric(client, "sentiment_engine_threads_alive") == 0, "the thread has ended")
    for path in ("/health/live", "/health/ready"):
        health = client.get(path)
        assert (health.status_code, health.json()["status"]) == (503, "engine stopped")


def test_an_unforeseen_error_is_told_to_the_log_and_not_to_the_client(
    new_client: NewClient, bundle: Bundle, engine: Any, secret: str, assert_problem: AssertProblem
) -> None:
    """A defect of ours gets 500 without its message, and a log line with its kind, its place and the request's id."""
    client = new_client(BrokenClassifier(bundle, engine))
    with capture_logs() as lines:
        reply = client.post("/predict", json={"text": secret}, headers={"X-Request-ID": "order-9"})
    assert_problem(reply, 500)
    line = next(line for line in lines if line["event"] == "unexpected error")
    assert (line["error"], line["request_id"], line["route"]) == ("KeyError", "order-9", "/predict")
    assert line["place"].startswith("sentiment_api/use_cases/predict.py:")
    assert secret not in str(lines)
