"""A real server is asked in all the ways that fail, and its metrics say exactly what the client saw."""

import contextlib
import http.client
import json
import socket
import threading
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.access.key_table import insert_key
from sentiment_api.access.keys import Key, make_key
from sentiment_api.schemas.limits import MAX_SINGLE_BYTES
from tests.protocols import Drain, Waiting

pytestmark = pytest.mark.anyio

PATIENCE_S = 30.0
REVIEW = {"text": "The lid never closes properly, and the handle is too hot to hold."}
LONG = {"text": "The lid never closes properly. " * 100}
JSON = {"Content-Type": "application/json"}
STATUSES = {200, 204, 400, 401, 403, 404, 405, 408, 413, 415, 422, 429, 499, 503, 504}


class Client:
    """Asks a service, and keeps count of what it saw: method, route and status of each reply, and what was in it."""

    def __init__(self, http: httpx.Client, keys: dict[str, str]) -> None:
        """`keys` are sent by name; without a name that of the admin is."""
        self.seen: Counter[tuple[str, str, str]] = Counter()
        self.problems: Counter[str] = Counter()
        self.predictions: list[dict[str, Any]] = []
        self.refused_items: Counter[str] = Counter()
        self.characters = 0
        self._keys = keys
        self._http = http
        self._lock = threading.Lock()

    def ask(
        self, method: str, path: str, route: str | None = None, *, key: str | None = "admin", **request: Any
    ) -> httpx.Response:
        """Send a request to `path`, which `route` takes, and note what comes back."""
        headers = {**request.pop("headers", {}), **self._header(key)}
        reply = self._http.request(method, path, headers=headers, **request)
        with self._lock:
            self.seen[method, route or path, str(reply.status_code)] += 1
            self._note(reply, request)
        return reply

    def metrics(self) -> "Shown":
        """Read `/metrics`, which does not count itself before it is sent."""
        return Shown(self.ask("GET", "/metrics").text)

    def raw(self, sent: bytes) -> int:
        """Send bytes, and return the status of the reply. Nothing is noted."""
        with self._connection() as connection:
            connection.sendall(sent)
            return _status(connection)

    @contextlib.contextmanager
    def posting(self, path: str, body: bytes, missing: int = 0) -> Iterator[socket.socket]:
        """Post a body that announces more bytes than come, and hang up after the block. Nothing is noted."""
        headers = {"Host": "a", **JSON, "Content-Length": str(len(body) + missing), **self._header("admin")}
        head = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        with self._connection() as connection:
            connection.sendall("\r\n".join(head).encode() + body)
            yield connection

    def note(self, path: str, status: int, problem: str) -> None:
        """Note what came of a post that was not made with `ask`."""
        self.seen["POST", path, str(status)] += 1
        self.problems[problem] += 1

    def _header(self, key: str | None) -> dict[str, str]:
        return {} if key is None else {"Authorization": f"Bearer {self._keys[key]}"}

    def _connection(self) -> socket.socket:
        address = self._http.base_url
        return socket.create_connection((address.host, address.port or 0), timeout=PATIENCE_S)

    def _note(self, reply: httpx.Response, request: dict[str, Any]) -> None:
        if reply.headers.get("content-type") == "application/problem+json" and reply.text:
            slug = reply.json()["type"]
            self.problems.update([] if slug == "about:blank" else [slug.removeprefix("/problems/")])
        elif reply.status_code == 200 and str(reply.url.path).startswith("/predict") and "json" in request:
            sent = request["json"].get("items", [request["json"]])
            for item, result in zip(sent, reply.json().get("results", [reply.json()]), strict=True):
                self._note_item(item, result)

    def _note_item(self, item: dict[str, Any], result: dict[str, Any]) -> None:
        if "error" in result:
            self.refused_items[result["error"]["type"].removeprefix("/problems/")] += 1
        else:
            self.predictions.append(result)
            self.characters += len(item["text"].strip())


def _status(connection: socket.socket) -> int:
    """Return the status of the reply that comes next."""
    with http.client.HTTPResponse(connection) as reply:
        reply.begin()
        return reply.status


class Shown:
    """What `/metrics` showed at one moment."""

    def __init__(self, text: str) -> None:
        """Read Prometheus' text format."""
        self._samples = {
            (sample.name.removeprefix("sentiment_"), tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """Return one sample, 0 when there is none."""
        return self._samples.get((name, tuple(sorted(labels.items()))), 0.0)

    def gone(self, route: str) -> float:
        """Return how many clients hung up on this route."""
        return self.value("http_requests_total", method="POST", route=route, status="499")

    def since(self, before: "Shown", name: str, *labels: str) -> Counter[Any]:
        """Return how much each sample of a name has grown, by its labels' values; those that have not are left out."""
        grown: Counter[Any] = Counter()  # of floats: sums are not whole
        for key, value in self._samples.items():
            if key[0] == name and value != before._samples.get(key):
                values = tuple(dict(key[1])[label] for label in labels)
                grown[values[0] if len(labels) == 1 else values] = value - before._samples.get(key, 0.0)  # type: ignore[assignment]
        return grown


async def give_out(engine: AsyncEngine, name: str, *scopes: str, tokens_per_minute: int | None = None) -> str:
    """Store a key and return what its client has."""
    new = make_key()
    key = Key(
        key_id=new.key_id,
        name=name,
        secret_hash=new.secret_hash,
        scopes=scopes,
        tokens_per_minute=tokens_per_minute,
    )
    await insert_key(engine, key)
    return new.text


@pytest.fixture
async def client(engine: AsyncEngine, new_service: Callable[..., Any]) -> AsyncIterator[Client]:
    """A client of a service with one place for predictions that asks for keys, and waits a second for a body."""
    keys = {
        "admin": await give_out(engine, "admin", "admin"),
        "reader": await give_out(engine, "reader", "read"),
        "trial": await give_out(engine, "trial", "predict", tokens_per_minute=60),
    }
    settings = {"KEYS": "required", "MAX_CONCURRENT_REQUESTS": "1", "BODY_TIMEOUT_S": "1"}
    service = new_service(**{f"SENTIMENT_{name}": value for name, value in settings.items()})
    with httpx.Client(base_url=service.url, timeout=PATIENCE_S) as http:
        yield Client(http, keys)


def fail_in_every_way(client: Client) -> None:
    """Ask for what there is not, in wrong ways, without a key or with too small a one."""
    some_id = str(uuid.uuid4())
    client.ask("GET", "/nothing", "(none)", key=None)
    client.ask("POST", f"/nothing/{some_id}", "(none)")
    client.ask("GET", f"/predictions/{some_id}", "/predictions/{prediction_id}")
    client.ask("GET", f"/drift/reports/{some_id}.html", "/drift/reports/{run_id}.html")
    client.ask("GET", "/docs/nothing", "/docs/{path}")
    client.ask("PUT", "/predict")
    client.ask("DELETE", f"/predictions/{some_id}", "/predictions/{prediction_id}")
    client.ask("HEAD", "/model")
    client.ask("OPTIONS", "/model")
    client.ask("OPTIONS", "/model", key=None)
    client.ask("GET", "/model", "(none)", headers={"Host": "no host"})
    client.ask("POST", "/predict", content=b'{"text": ', headers=JSON)
    client.ask("POST", "/predict", json={"text": ""})
    client.ask("GET", "/predictions?limit=-1", "/predictions")
    client.ask("POST", "/predict", content=b"text=good", headers={"Content-Type": "text/plain"})
    client.ask("POST", "/predict", content=b"x" * (MAX_SINGLE_BYTES + 1), headers=JSON)
    client.ask("POST", "/predict", content=iter([b"x" * MAX_SINGLE_BYTES, b"x"]), headers=JSON)
    client.ask("POST", "/predict", json=REVIEW, key=None)
    client.ask("POST", "/predict", json=REVIEW, key="reader")
    client.ask("POST", "/predict", json=LONG, headers={"X-Request-Deadline-Ms": "1"})
    client.ask("POST", "/predict", json=LONG, key="trial")
    client.ask("POST", "/predict", json=LONG, key="trial")


def succeed(client: Client) -> None:
    """Ask for what there is."""
    for path in ("/model", "/health", "/health/live", "/health/ready", "/docs", "/predictions", "/drift/reports"):
        client.ask("GET", path)
    found = client.ask("POST", "/predict", json=REVIEW).json()
    client.ask("POST", "/predict", json=LONG)
    client.ask("POST", "/predict/batch", json={"items": [REVIEW, {"text": ""}, LONG]})
    client.ask("POST", "/feedback", json={"prediction_id": found["prediction_id"], "rating": 2})


def overload(client: Client, waiting: Waiting) -> None:
    """Have a batch take the one place, be refused beside it, and hang up on it."""
    with client.posting("/predict/batch", json.dumps({"items": [LONG] * 256}).encode()):
        waiting(lambda: client.metrics().value("admitted_requests", lane="batch") == 1, "the batch is admitted")
        waiting(lambda: client.metrics().value("queued_requests") == 1, "the batch waits")
        refused = client.ask("POST", "/predict", json=REVIEW)
        assert int(refused.headers["Retry-After"]) >= 1
    waiting(lambda: client.metrics().gone("/predict/batch") == 1, "the request has ended")
    client.note("/predict/batch", 499, "client-gone")


def be_slow(client: Client, waiting: Waiting) -> None:
    """Post half a body and wait for too long, and another half and hang up."""
    with client.posting("/predict", b'{"text": ', missing=100) as connection:
        client.note("/predict", _status(connection), "body-too-slow")
    with client.posting("/feedback", b'{"prediction_id": ', missing=100):
        pass
    waiting(lambda: client.metrics().gone("/feedback") == 1, "the request has ended")
    client.note("/feedback", 499, "client-gone")


def hammer(client: Client) -> None:
    """Ask from many threads at once, more than there is room for."""

    def ask(number: int) -> None:
        client.ask("POST", "/predict", json=REVIEW)
        client.ask("GET", f"/nothing/{number}", "(none)")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(40)))


def test_every_reply_is_counted_as_the_client_saw_it(
    client: Client, data_dir: Path, drain: Drain, waiting: Waiting
) -> None:
    """Method, route and status of each reply, the histograms' counts, the reasons of refusals, labels and tokens."""
    before = client.metrics()
    fail_in_every_way(client)
    succeed(client)
    hammer(client)
    drain(data_dir, "--grace", "0")
    succeed(client)
    assert_predictions_are_counted(client, before, client.metrics())
    overload(client, waiting)
    be_slow(client, waiting)
    # What is no HTTP the server answers by itself: no application hears of it, and so no metric.
    assert client.raw(b"NONSENSE\r\n\r\n") == 400
    assert client.raw(b"GET /" + 100_000 * b"a" + b" HTTP/1.1\r\nHost: a\r\n\r\n") == 431
    assert client.raw(b"GET /model HTTP/1.1\r\nHost: a\r\nX: " + 100_000 * b"a" + b"\r\n\r\n") == 431
    seen = client.seen.copy()
    shown = client.metrics()
    assert shown.since(before, "http_requests_total", "method", "route", "status") == seen
    assert {int(status) for _, _, status in seen} >= STATUSES
    by_route: Counter[str] = Counter()
    for (_, route, _), count in seen.items():
        by_route[route] += count
    assert shown.since(before, "http_request_duration_seconds_count", "route") == by_route
    assert shown.value("http_requests_in_progress") == 1
    assert shown.since(before, "refused_requests_total", "reason") == client.problems
    assert shown.since(before, "refused_items_total", "reason") == client.refused_items == {"invalid": 2}
    # Not those that the client has: what was recorded of the batch before it hung up is among them.
    recorded = shown.value("spooled_records_total", kind="prediction")
    assert shown.since(before, "predictions_total").total() == recorded >= len(client.predictions)


def assert_predictions_are_counted(client: Client, before: Shown, shown: Shown) -> None:
    """Assert that labels, tokens and characters are those of the predictions that the client was given."""
    given = client.predictions
    assert shown.since(before, "predictions_total", "label") == Counter(each["label"] for each in given)
    for histogram in ("prediction_score", "prediction_entropy_ratio", "input_tokens", "input_characters"):
        assert shown.since(before, f"{histogram}_count") == {(): len(given)}, histogram
    assert shown.since(before, "input_tokens_sum") == {(): sum(each["tokens"] for each in given)}
    assert shown.since(before, "input_characters_sum") == {(): client.characters}
    assert shown.value("truncated_texts_total") == sum(each["truncated"] for each in given) > 0
    scores = sum(each["score"] for each in given)
    assert shown.value("prediction_score_sum") == pytest.approx(scores)
