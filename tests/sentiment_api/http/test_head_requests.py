"""HEAD, which monitors and proxies ask with: what GET says, without its body."""

import http.client
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from sentiment_api.access.keys import make_key
from sentiment_api.http.head_requests import HeadRequests
from tests.protocols import Metric

VARYING = {"x-request-id", "server-timing"}
PATHS = [
    *("/", "/console/console.js", "/docs", "/docs/openapi.json", "/docs/assets/swagger-ui.css"),
    *("/model", "/health", "/health/live", "/predictions", "/drift/reports"),
]
REFUSED = [
    *("/nothing", "/predict", "/predictions/none", "/predictions?limit=-1", "/console/none.js"),
    *("/drift/reports/none", "/drift/reports/none.html", "/docs/nothing"),
]


def replied(reply: Any) -> tuple[int, dict[str, str]]:
    """Return the status and the headers that do not differ from request to request."""
    return reply.status_code, {name: value for name, value in reply.headers.items() if name not in VARYING}


@pytest.mark.parametrize("path", PATHS + REFUSED)
def test_head_is_get_without_a_body(client: TestClient[Litestar], path: str) -> None:
    """Of what there is, what there is not and what takes another method: same status, same headers, no byte."""
    head = client.head(path)
    assert (head.content, replied(head)) == (b"", replied(client.get(path)))
    assert int(head.headers["content-length"]) > 0
    assert (head.status_code < 400) == (path in PATHS)


@pytest.mark.anyio
async def test_the_server_is_given_one_empty_end() -> None:
    """However many parts the reply to GET has: not every server drops them by itself."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["method"] == "GET"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b"})

    async def send(message: Any) -> None:
        sent.append((message["type"], message.get("body"), scope["method"]))

    scope: Any = {"type": "http", "method": "HEAD"}
    await HeadRequests(app)(scope, None, send)  # type: ignore[arg-type] # nothing is received
    assert sent == [("http.response.start", None, "HEAD"), ("http.response.body", b"", "HEAD")]


def test_head_of_the_metrics_is_counted_as_head(client: TestClient[Litestar], metric: Metric) -> None:
    """Not as GET, or a monitor's probes would hide among the requests of Prometheus."""
    sample = 'sentiment_http_requests_total{method="HEAD",route="/metrics",status="200"}'
    before = metric(client, sample)
    reply = client.head("/metrics")
    assert (reply.status_code, reply.content) == (200, b"")
    assert metric(client, sample) == before + 1


def test_a_foreign_host_gets_no_body_either(client: TestClient[Litestar]) -> None:
    """421 comes from outside of the routes."""
    foreign = {"Host": "elsewhere.example"}
    head = client.head("/", headers=foreign)
    assert (head.status_code, head.content) == (421, b"")
    assert replied(head) == replied(client.get("/", headers=foreign))


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/model", "GET, HEAD, OPTIONS"), ("/drift/reports/a.html", "GET, HEAD, OPTIONS"), ("/predict", "OPTIONS, POST")],
)
def test_options_lists_head_beside_get(client: TestClient[Litestar], path: str, allowed: str) -> None:
    """And nothing else changes: no body, no other origin is let in."""
    reply = client.options(path)
    assert (reply.status_code, reply.content) == (204, b"")
    for allowing in (reply, client.put(path)):
        assert ", ".join(sorted(allowing.headers["allow"].split(", "))) == allowed


def test_head_over_the_network(new_service: Callable[..., Any]) -> None:
    """On one connection HEAD leaves nothing behind that the next reply would begin with, with and without a key."""
    service = new_service(SENTIMENT_KEYS="required")
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=30)
    for path, status in (("/health/ready", 200), ("/predictions", 401), ("/docs/assets/swagger-ui-bundle.js", 200)):
        seen = []
        for method in ("HEAD", "GET"):
            connection.request(method, path, headers={"X-API-Key": make_key().text} if status == 401 else {})
            reply = connection.getresponse()
            body = reply.read()
            length = int(reply.headers["Content-Length"])
            assert len(body) == (length if method == "GET" else 0)
            seen.append((reply.status, length, reply.headers["Content-Type"], reply.headers["WWW-Authenticate"]))
        assert seen[0] == seen[1]
        assert seen[0][0] == status
    connection.close()
