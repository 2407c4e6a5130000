"""Requests that the engine does not answer in time."""

import threading
import time
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from sentiment_api.model.bundle import Bundle
from sentiment_api.model.classifier import Classifier
from sentiment_api.model.long_texts import EncodedText
from tests.protocols import AssertProblem, Metric, NewClient, Slugs

Client = TestClient[Litestar]

PATIENCE_S = 30.0
REVIEW = {"text": "The lid never closes properly."}


def test_the_deadline_passes_with_504(
    new_client: NewClient, engine: Any, assert_problem: AssertProblem, metric: Metric
) -> None:
    """A request that the engine does not answer in time gets 504, whether it was being computed or waited."""
    client = new_client(request_timeout_s=0.1, max_concurrent_requests=1)
    engine.gate.clear()
    started = time.monotonic()
    assert_problem(client.post("/predict", json=REVIEW), 504, "deadline")
    assert_problem(client.post("/predict", json=REVIEW), 504, "deadline")
    assert 0.2 <= time.monotonic() - started < 3
    engine.gate.set()
    assert metric(client, 'sentiment_refused_requests_total{reason="deadline"}') == 2
    assert metric(client, 'sentiment_spooled_records_total{kind="prediction"}') == 0


def test_a_client_sets_its_own_deadline(
    new_client: NewClient, engine: Any, assert_problem: AssertProblem, slugs: Slugs
) -> None:
    """`X-Request-Deadline-Ms` shortens the wait, for single requests and for batches, and never lengthens it."""
    client = new_client(request_timeout_s=0.2)
    engine.gate.clear()
    for sent, least_s in (("50", 0.05), ("600000", 0.2)):
        started = time.monotonic()
        reply = client.post("/predict", json=REVIEW, headers={"X-Request-Deadline-Ms": sent})
        assert_problem(reply, 504, "deadline")
        assert least_s <= time.monotonic() - started < least_s + 3
    reply = client.post("/predict/batch", json={"items": [REVIEW] * 2}, headers={"X-Request-Deadline-Ms": "50"})
    assert slugs(reply) == ["deadline"] * 2
    engine.gate.set()


@pytest.mark.parametrize("deadline", ["0", "-5", "1.5", "soon", "600001", "9" * 40, "", "1e3", "٣", "0x10"])
def test_a_deadline_that_is_none_is_refused(
    new_client: NewClient, assert_problem: AssertProblem, deadline: str
) -> None:
    """Nonsense in the header gets 422 that names the header and says what was expected."""
    headers = {b"X-Request-Deadline-Ms": deadline.encode()}
    body = assert_problem(new_client().post("/predict", json=REVIEW, headers=headers), 422, "invalid")
    message = "expected whole milliseconds from 1 to 600000, such as 2500"
    assert body["errors"] == [{"path": "X-Request-Deadline-Ms", "message": message}]


def test_the_deadline_passes_for_each_item_of_a_batch(new_client: NewClient, engine: Any, slugs: Slugs) -> None:
    """The items of a batch that were not answered in time have a 504 each, and a bad item its own problem."""
    client = new_client(batch_timeout_s=0.1)
    engine.gate.clear()
    started = time.monotonic()
    reply = client.post("/predict/batch", json={"items": [REVIEW, {"text": ""}, REVIEW]})
    assert 0.1 <= time.monotonic() - started < 3
    assert slugs(reply) == ["deadline", "invalid", "deadline"]
    assert [each["error"]["status"] for each in reply.json()["results"]] == [504, 422, 504]


class HeldTokenizer(Classifier):
    """Comes back from the texts that say so only once its gate is open."""

    def __init__(self, bundle: Bundle, engine: Any) -> None:
        """The gate is closed."""
        super().__init__(bundle, engine)
        self.gate = threading.Event()
        self.entered = threading.Event()

    def encode_windows(self, text: str, *, whole: bool = False) -> EncodedText:
        """Return what the classifier says, in the end."""
        if text == "Hold.":
            self.entered.set()
            assert self.gate.wait(PATIENCE_S)
        return super().encode_windows(text, whole=whole)


def test_a_tokenizer_that_hangs_holds_nobody_beyond_the_deadline(
    new_client: NewClient, bundle: Bundle, engine: Any, assert_problem: AssertProblem, slugs: Slugs
) -> None:
    """While all turns to tokenize are taken others get 504 in time, and once it goes on everybody is answered."""
    tokenizer = HeldTokenizer(bundle, engine)
    client = new_client(tokenizer)
    held: list[httpx.Response] = []
    holding = threading.Thread(target=lambda: held.append(client.post("/predict", json={"text": "Hold."})))
    holding.start()
    assert tokenizer.entered.wait(PATIENCE_S)
    started, hurried = time.monotonic(), {"X-Request-Deadline-Ms": "100"}
    assert_problem(client.post("/predict", json=REVIEW, headers=hurried), 504, "deadline")
    batch = client.post("/predict/batch", json={"items": [REVIEW, {"text": ""}, REVIEW]}, headers=hurried)
    assert slugs(batch) == ["deadline", "invalid", "deadline"]
    assert 0.2 <= time.monotonic() - started < 5
    tokenizer.gate.set()
    holding.join(PATIENCE_S)
    assert [reply.status_code for reply in held] == [200]
    assert client.post("/predict", json=REVIEW).status_code == 200
