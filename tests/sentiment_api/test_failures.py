"""What a client and an operator see when the engine, the log, the database or another client fails."""

import contextlib
import http.client
import json
import select
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr
from structlog.testing import capture_logs

from sentiment_api.app import create_app
from sentiment_api.bundle import Bundle
from sentiment_api.classifier import Classifier
from sentiment_api.engines import BatchLimits, Output
from sentiment_api.settings import ServiceSettings
from sentiment_api.windows import Reading

Client = TestClient[Litestar]
Waiting = Callable[[Callable[[], bool], str], None]

PATIENCE_S = 30.0
REVIEW = {"text": "The lid never closes properly."}
POISON = {"text": "Lightning struck."}
SECRET = "words of the client"
JSON = {"Content-Type": "application/json"}
JSON_HEADER = "Content-Type: application/json"
POSTS = ["/predict", "/predict/batch", "/feedback"]
SPOOL_BYTES = 1 << 20


class FakeEngine:
    """Finds every text negative, unless it is marked: then it does as `mood` says. `gate` holds it up."""

    name = "fake"
    threads = 1
    limits = BatchLimits(texts=8, tokens=1024, padding=0.9)

    def __init__(self, bundle: Bundle) -> None:
        """The gate is open at first, and no text is marked."""
        assert bundle.projection is not None
        self._dimensions = len(bundle.projection.mean)
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.marked = -1
        self.mood = "raises"

    def run(self, batch: list[list[int]], *, alone: bool = False) -> Output:  # noqa: ARG002 - the protocol has it
        """Return logits of 2 and -2, or break over the marked token."""
        self.entered.release()
        assert self.gate.wait(PATIENCE_S)
        poisoned = [self.marked in ids for ids in batch]
        if any(poisoned) and self.mood == "raises":
            raise RuntimeError(SECRET)
        if any(poisoned) and self.mood == "ends its thread":
            raise SystemExit
        output = Output(np.array([[2.0, -2.0]] * len(batch), np.float32), np.ones((len(batch), self._dimensions), "f4"))
        if self.mood in Output._fields:
            getattr(output, self.mood)[poisoned] = np.nan
        return output


class BrokenClassifier(Classifier):
    """Has a defect that nobody foresaw."""

    def read(self, text: str, *, whole: bool = False) -> Reading:  # noqa: ARG002 - the base class has it
        """Fail with the text in the message."""
        raise KeyError(text)


@pytest.fixture
def engine(bundle: Bundle) -> FakeEngine:
    """An engine that answers at once."""
    return FakeEngine(bundle)


@pytest.fixture
def classifier(bundle: Bundle, engine: FakeEngine) -> Classifier:
    """The starter's tokenizer and labels on that engine, for which the poison is marked."""
    classifier = Classifier(bundle, engine)
    engine.marked = classifier.encode(POISON["text"]).ids[1]
    return classifier


NewClient = Callable[..., Client]


@pytest.fixture
def new_client(
    classifier: Classifier, engine: FakeEngine, without_postgres: Callable[..., ServiceSettings]
) -> Iterator[NewClient]:
    """A function that serves that classifier here, with no Postgres; keyword arguments replace settings."""
    with contextlib.ExitStack() as running:

        def start(served: Classifier = classifier, **changes: object) -> Client:
            app = create_app(without_postgres(**changes), served)
            engine.entered.acquire(blocking=False)  # the service tried how fast the engine is
            client = running.enter_context(TestClient(app))
            running.callback(engine.gate.set)
            return client

        yield start


def assert_problem(reply: httpx.Response, status: int, slug: str | None = None) -> dict[str, Any]:
    """Assert that the reply is a problem of this kind that quotes nobody, and return its body."""
    assert (reply.status_code, reply.headers["Content-Type"]) == (status, "application/problem+json"), reply.text
    assert SECRET not in reply.text
    body: dict[str, Any] = reply.json()
    assert (body["status"], body["type"]) == (status, f"/problems/{slug}" if slug else "about:blank")
    return body


def metric(client: Client | httpx.Client, sample: str) -> float:
    """Return the value of one sample of `/metrics`, 0 when there is none."""
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith(f"{sample} ")]
    return float(lines[0].rsplit(" ", 1)[1]) if lines else 0.0


def slugs(reply: httpx.Response) -> list[str]:
    """Return for each item of a batch's reply its label, or the slug of its problem."""
    assert reply.status_code == 200, reply.text
    return [
        each["error"]["type"].removeprefix("/problems/") if "error" in each else each["label"]
        for each in reply.json()["results"]
    ]


@contextlib.contextmanager
def occupied(client: Client, engine: FakeEngine) -> Iterator[None]:
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
    new_client: NewClient, engine: FakeEngine, path: str, body: dict[str, Any]
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
def test_operators_are_answered_when_all_places_are_taken(new_client: NewClient, engine: FakeEngine, path: str) -> None:
    """Probes, metrics, the model's description and the documentation need no place."""
    client = new_client(max_concurrent_requests=1)
    with occupied(client, engine):
        assert client.get(path).status_code == 200


def test_feedback_is_taken_when_all_places_are_taken(new_client: NewClient, engine: FakeEngine) -> None:
    """What needs no model waits for none: feedback, and the look-up of a prediction."""
    client = new_client(max_concurrent_requests=1)
    prediction_id = client.post("/predict", json=REVIEW).json()["prediction_id"]
    assert engine.entered.acquire(timeout=PATIENCE_S)
    with occupied(client, engine):
        assert client.post("/feedback", json={"prediction_id": prediction_id, "rating": 2}).status_code == 202
        assert client.get(f"/predictions/{prediction_id}").json()["feedback"]["rating"] == 2


def test_a_request_that_failed_gives_its_place_back(new_client: NewClient, engine: FakeEngine) -> None:
    """However a request ends, the one place is free again."""
    client = new_client(max_concurrent_requests=1)
    bodies = [{"text": ""}, {}, POISON, POISON, REVIEW]
    found = [client.post(path, json=body).status_code for body in bodies for path in ("/predict", "/predict/batch")]
    assert found == [422, 422, 422, 422, 500, 422, 500, 422, 200, 422]


@pytest.fixture
def slow_service(new_service: Callable[..., Any]) -> Any:
    """A service with one place that waits two seconds for a body."""
    return new_service(SENTIMENT_BODY_TIMEOUT_S="2", SENTIMENT_MAX_CONCURRENT_REQUESTS="1")


@contextlib.contextmanager
def half_sent(service: Any, waiting: Waiting) -> Iterator[socket.socket]:
    """Send half a request, wait until the service has begun to read it, and keep the connection open."""
    address = httpx.URL(service.url)
    with (
        httpx.Client(base_url=service.url) as operator,
        socket.create_connection((address.host, address.port or 0), timeout=PATIENCE_S) as connection,
    ):
        head = (
            "POST /predict HTTP/1.1\r\nHost: sentiment\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
        )
        connection.sendall(head.encode() + b'{"text": "The lid')
        # The reading of the metrics is in progress itself.
        waiting(lambda: metric(operator, "sentiment_http_requests_in_progress") == 2, "the half is read")
        yield connection


def test_half_a_body_takes_no_place_and_times_out(slow_service: Any, waiting: Waiting) -> None:
    """While half a request is there others are answered, and after the time its sender gets 408."""
    started = time.monotonic()
    with half_sent(slow_service, waiting) as connection:
        assert httpx.post(f"{slow_service.url}/predict", json=REVIEW).status_code == 200
        assert select.select([connection], [], [], 0)[0] == []
        reply = http.client.HTTPResponse(connection)
        reply.begin()
        assert (reply.status, json.loads(reply.read())["type"]) == (408, "/problems/body-too-slow")
        assert 2 <= time.monotonic() - started < 6


def test_half_a_body_does_not_hold_up_the_stop(slow_service: Any, waiting: Waiting) -> None:
    """SIGTERM ends a service that waits for the rest of a request, with exit code 0 and within seconds."""
    with half_sent(slow_service, waiting):
        started = time.monotonic()
        assert slow_service.stop() == 0
        assert time.monotonic() - started < 8


def test_the_deadline_passes_with_504(new_client: NewClient, engine: FakeEngine) -> None:
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


@pytest.mark.filterwarnings("ignore:Exception in thread engine:pytest.PytestUnhandledThreadExceptionWarning")
def test_a_service_without_its_engine_thread_is_to_be_restarted(
    new_client: NewClient, engine: FakeEngine, waiting: Waiting
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


def test_a_client_sets_its_own_deadline(new_client: NewClient, engine: FakeEngine) -> None:
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
def test_a_deadline_that_is_none_is_refused(new_client: NewClient, deadline: str) -> None:
    """Nonsense in the header gets 422 that names the header and says what was expected."""
    headers = {"X-Request-Deadline-Ms": deadline.encode()}
    body = assert_problem(new_client().post("/predict", json=REVIEW, headers=headers), 422, "invalid")
    message = "expected whole milliseconds from 1 to 600000, such as 2500"
    assert body["errors"] == [{"path": "X-Request-Deadline-Ms", "message": message}]


def test_a_text_seen_before_costs_the_engine_nothing(new_client: NewClient, engine: FakeEngine) -> None:
    """With a cache a repeated review gets the same answer under a new id, is logged, and skips the engine."""
    client = new_client(cache_bytes=1 << 20)
    first, again = (client.post("/predict", json=REVIEW).json() for _ in range(2))
    assert engine.entered.acquire(timeout=PATIENCE_S)
    assert not engine.entered.acquire(blocking=False)
    assert first.pop("prediction_id") != again.pop("prediction_id")
    assert first == again
    batch = client.post("/predict/batch", json={"items": [REVIEW, {"text": "Another."}, REVIEW]})
    assert slugs(batch) == ["negative"] * 3
    assert metric(client, 'sentiment_cache_lookups_total{result="hit"}') == 3
    assert metric(client, 'sentiment_cache_lookups_total{result="miss"}') == 2
    assert metric(client, 'sentiment_spooled_records_total{kind="prediction"}') == 5


def test_a_kept_answer_hides_no_broken_engine_from_golden_texts(
    new_client: NewClient, classifier: Classifier, engine: FakeEngine
) -> None:
    """A golden text is scored anew, one by one and in a batch; customers go on with the answer that was kept."""
    client, golden = new_client(cache_bytes=1 << 20), {"X-Sentiment-Source": "golden"}
    assert client.post("/predict", json=REVIEW, headers=golden).status_code == 200
    engine.marked = classifier.encode(REVIEW["text"]).ids[1]
    assert client.post("/predict", json=REVIEW).status_code == 200
    assert_problem(client.post("/predict", json=REVIEW, headers=golden), 500, "inference-failed")
    batch = client.post("/predict/batch", json={"items": [REVIEW]}, headers=golden)
    assert slugs(batch) == ["inference-failed"]
    assert metric(client, 'sentiment_cache_lookups_total{result="hit"}') == 1
    assert metric(client, 'sentiment_cache_lookups_total{result="miss"}') == 0


def test_a_text_is_cached_apart_for_each_way_to_read_it(new_client: NewClient) -> None:
    """The answer for a text's beginning is not given to one who asks for all of it."""
    client = new_client(cache_bytes=1 << 20)
    for way in ("truncate", "window", "truncate"):
        assert client.post("/predict", json={**REVIEW, "long_text": way}).status_code == 200
    assert metric(client, 'sentiment_cache_lookups_total{result="hit"}') == 1


def test_a_client_that_hangs_up_costs_nothing_more(service: Any, waiting: Waiting) -> None:
    """The texts of a batch whose client has gone leave the queue at once, and the request is counted as 499."""
    address = httpx.URL(service.url)
    body = json.dumps({"items": [{"text": "The lid never closes properly. " * 100}] * 256}).encode()
    head = f"POST /predict/batch HTTP/1.1\r\nHost: a\r\n{JSON_HEADER}\r\nContent-Length: {len(body)}\r\n\r\n"
    with httpx.Client(base_url=service.url) as operator:
        with socket.create_connection((address.host, address.port or 0), timeout=PATIENCE_S) as connection:
            connection.sendall(head.encode() + body)
            waiting(lambda: metric(operator, "sentiment_queued_tokens") > 50_000, "the batch waits")
        gone = 'sentiment_http_requests_total{method="POST",route="/predict/batch",status="499"}'
        waiting(lambda: metric(operator, gone) == 1, "the request has ended")
        assert metric(operator, 'sentiment_admitted_tokens{lane="batch"}') == 0
        assert operator.post("/predict", json=REVIEW).status_code == 200
        waiting(lambda: metric(operator, "sentiment_queued_tokens") == 0, "the queue is empty")
        assert metric(operator, 'sentiment_dropped_texts_total{reason="cancelled"}') > 200
        assert metric(operator, "sentiment_inference_duration_seconds_count") < 56


def test_the_deadline_passes_for_each_item_of_a_batch(new_client: NewClient, engine: FakeEngine) -> None:
    """The items of a batch that were not answered in time have a 504 each, and a bad item its own problem."""
    client = new_client(batch_timeout_s=0.1)
    engine.gate.clear()
    started = time.monotonic()
    reply = client.post("/predict/batch", json={"items": [REVIEW, {"text": ""}, REVIEW]})
    assert 0.1 <= time.monotonic() - started < 3
    assert slugs(reply) == ["deadline", "invalid", "deadline"]
    assert [each["error"]["status"] for each in reply.json()["results"]] == [504, 422, 504]


@pytest.mark.parametrize("mood", ["raises", "logits", "pooled"])
def test_the_model_fails_on_one_text_alone(new_client: NewClient, engine: FakeEngine, mood: str) -> None:
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


def test_nothing_is_predicted_that_cannot_be_recorded(new_client: NewClient, tmp_path: Path) -> None:
    """When the spool is at its bound a prediction gets 503 instead of an answer, alone and in a batch."""
    client = new_client(spool_max_bytes=SPOOL_BYTES)
    long = {"text": "good " * 3_900}
    answers = slugs(client.post("/predict/batch", json={"items": [long] * 60}))
    given = answers.count("negative")
    assert answers == ["negative"] * given + ["log-full"] * (60 - given)
    assert 40 < given < 60
    assert_problem(client.post("/predict", json=long), 503, "log-full")
    assert metric(client, 'sentiment_predictions_total{label="negative"}') == given
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.seg")) <= SPOOL_BYTES


def test_told_to_drop_the_oldest_it_answers_on_and_says_what_it_loses(new_client: NewClient) -> None:
    """When the spool is at its bound predictions are given all the same, and the health counts those that were lost."""
    with capture_logs() as logged:
        client = new_client(spool_max_bytes=SPOOL_BYTES, spool_full="drop_oldest")
    assert [each for each in logged if "will lose its oldest predictions" in each["event"]]
    long = {"text": "good " * 3_900}
    assert slugs(client.post("/predict/batch", json={"items": [long] * 120})) == ["negative"] * 120
    health = client.get("/health/ready").json()["prediction_log"]
    assert (health["spooled"], health["spool_bytes"] <= SPOOL_BYTES) == (120, True)
    assert 40 < health["dropped"] < 120


def test_a_database_that_is_away_shows_and_harms_no_prediction(new_client: NewClient, waiting: Waiting) -> None:
    """Without Postgres predictions and feedback are taken, the service stays ready, and its health says `away`."""
    client = new_client()
    waiting(lambda: database_of(client) == "away", "the health of the idle service says so")
    prediction_id = client.post("/predict", json=REVIEW).json()["prediction_id"]
    reply = client.post("/feedback", json={"prediction_id": prediction_id, "rating": 4})
    assert (reply.status_code, reply.json()["state"]) == (202, "pending")
    health = client.get("/health/ready")
    assert (health.status_code, health.json()["status"]) == (200, "ready")
    assert health.json()["prediction_log"]["spool_bytes"] > 0
    assert database_of(client) == "away"


def database_of(client: Client) -> str:
    """Return how the service says that its database is."""
    found: str = client.get("/health/ready").json()["prediction_log"]["database"]
    return found


def test_a_spooled_prediction_shows_its_latest_feedback(
    new_client: NewClient, waiting: Waiting, tmp_path: Path
) -> None:
    """Without Postgres a look-up reads text and last rating from the spool, also from different segments."""
    client = new_client()
    prediction_id = client.post("/predict", json=REVIEW).json()["prediction_id"]
    for rating in (4, 1):
        client.post("/feedback", json={"prediction_id": prediction_id, "rating": rating})
        before = len(list(tmp_path.rglob("*.seg")))
        waiting(
            lambda before=before: (
                client.post("/predict", json=REVIEW).status_code == 200 and len(list(tmp_path.rglob("*.seg"))) > before
            ),
            "another segment is begun",
        )
    found = client.get(f"/predictions/{prediction_id}").json()
    assert (found["state"], found["text"], found["label"]) == ("spooled", REVIEW["text"], "negative")
    assert found["feedback"]["rating"] == 1


def test_an_unknown_prediction_needs_the_database(new_client: NewClient) -> None:
    """Without Postgres nobody can say that an id is unknown, so its look-up gets 503."""
    assert_problem(new_client().get(f"/predictions/{uuid.uuid4()}"), 503, "database-away")


def test_an_idle_service_knows_that_its_database_is_up(
    new_client: NewClient, session_database: str, waiting: Waiting
) -> None:
    """With Postgres there the health comes to say `up` before anything was predicted."""
    client = new_client(database_url=SecretStr(session_database))
    waiting(lambda: database_of(client) == "up", "the health says so")


@pytest.mark.parametrize(("method", "path"), [("POST", "/predict"), ("GET", "/metrics"), ("GET", "/nothing")])
def test_every_reply_has_a_request_id_and_its_time(new_client: NewClient, method: str, path: str) -> None:
    """A sane X-Request-ID comes back, another is replaced by a UUID, and Server-Timing has the total, also of a 404."""
    client = new_client()
    body = {"json": REVIEW} if method == "POST" else {}
    for given, kept in (("order-9", True), ("a b", False), ("x" * 129, False)):
        reply = client.request(method, path, headers={"X-Request-ID": given}, **body)
        assert (reply.headers["X-Request-ID"] == given) is kept
        assert kept or uuid.UUID(reply.headers["X-Request-ID"])
        assert timing(reply)["total"] >= 0


def timing(reply: httpx.Response) -> dict[str, float]:
    """Return the Server-Timing header: milliseconds by name, in order."""
    parts = [part.split(";dur=") for part in reply.headers["Server-Timing"].split(", ")]
    return {name: float(ms) for name, ms in parts}


@pytest.mark.parametrize(("path", "body"), [("/predict", REVIEW), ("/predict/batch", {"items": [REVIEW]})])
def test_a_prediction_tells_where_its_time_went(new_client: NewClient, path: str, body: dict[str, Any]) -> None:
    """Server-Timing of a prediction has queue, tokenizing and inference, which fit into the total."""
    found = timing(new_client().post(path, json=body))
    assert list(found) == ["queue", "tokenize", "inference", "total"]
    assert found["queue"] + found["tokenize"] + found["inference"] <= found["total"] + 0.03  # each is rounded


@pytest.mark.parametrize("depth", [600, 100_000])
@pytest.mark.parametrize("field", ["metadata", "items", "stray"])
@pytest.mark.parametrize("path", POSTS)
def test_a_body_nested_without_reason_is_a_bad_request(client: Client, path: str, field: str, depth: int) -> None:
    """JSON as deep as no request is gets 400, in whatever field and whether it is well formed or not."""
    for nested in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth, "[" * depth):
        body = f'{{"text": "a", "{field}": {nested}}}'.encode()
        assert_problem(client.post(path, content=body, headers=JSON), 400, "not-json")


@pytest.mark.parametrize("depth", [2, 100, 190, 197, 198, 199, 200, 201, 230, 255, 256, 330, 490, 1000])
@pytest.mark.parametrize("leaf", ["1", r'"\ud800"'])
@pytest.mark.parametrize("path", POSTS)
def test_no_depth_breaks_the_service(client: Client, path: str, leaf: str, depth: int) -> None:
    """A nested body is refused as a whole or by its item, at every depth around the readers' limits."""
    body = f'{{"items": [{"[" * depth + leaf + "]" * depth}]}}'.encode()
    reply = client.post(path, content=body, headers=JSON)
    if reply.status_code == 200:
        assert slugs(reply) == ["invalid"]
    else:
        assert reply.status_code in (400, 422)


def test_feedback_for_an_id_of_no_year_is_not_found(client: Client) -> None:
    """An id whose time no calendar has gets 404 from feedback and look-up."""
    prediction_id = "ffffffff-ffff-7fff-bfff-ffffffffffff"
    reply = client.post("/feedback", json={"prediction_id": prediction_id, "rating": 3})
    assert_problem(reply, 404, "prediction-unknown")
    assert_problem(client.get(f"/predictions/{prediction_id}"), 404, "prediction-unknown")


@pytest.mark.parametrize("name", ["%00", "a" * 5000, "..%2f..%2fapp.py", "%2e%2e", "nothing.js"])
def test_no_other_file_is_a_page_asset(client: Client, name: str) -> None:
    """Whatever the name, only the page's own files are there."""
    assert_problem(client.get(f"/docs/assets/{name}"), 404)


def test_an_unforeseen_error_is_told_to_the_log_and_not_to_the_client(
    new_client: NewClient, bundle: Bundle, engine: FakeEngine
) -> None:
    """A defect of ours gets 500 without its message, and a log line with its kind, its place and the request's id."""
    client = new_client(BrokenClassifier(bundle, engine))
    with capture_logs() as lines:
        reply = client.post("/predict", json={"text": SECRET}, headers={"X-Request-ID": "order-9"})
    assert_problem(reply, 500)
    line = next(line for line in lines if line["event"] == "unexpected error")
    assert (line["error"], line["request_id"], line["route"]) == ("KeyError", "order-9", "/predict")
    assert line["place"].startswith("use_cases/predict.py:")
    assert SECRET not in str(lines)
