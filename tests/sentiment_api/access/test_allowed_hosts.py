"""By which names a service that asks for no keys is asked: none that a web page could have been loaded under."""

import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from sentiment_api.app import create_app
from sentiment_api.model.classifier import Classifier
from tests.protocols import SettingsWithoutPostgres

OWN = "http://127.0.0.1"
REBOUND = "rebound.example"
FOREIGN = [
    *(REBOUND, f"{REBOUND}:8000", "127.0.0.1.rebound.example", "localhost.rebound.example", "mylocalhost"),
    *("192.0.2.7", "0.0.0.0", "[2001:db8::7]:8000", "127.0.0.1@rebound.example", "127.0.0.1, rebound.example"),  # noqa: S104
    *("127.0.0.1:8000:80", "[::1", "no host", "re_bound.example"),
]


@pytest.fixture
def open_client(without_postgres: SettingsWithoutPostgres, cpu: Classifier) -> Iterator[TestClient[Litestar]]:
    """A client of a service in this process that asks for no keys."""
    with TestClient(create_app(without_postgres(), cpu), base_url=OWN) as client:
        yield client


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8000",
        "127.8.8.8",
        "localhost",
        "LOCALHOST:8000",
        "a.localhost:1",
        "[::1]",
        "[::1]:8000",
    ],
)
def test_this_machine_is_answered(client: TestClient[Litestar], host: str) -> None:
    """Any name of the loopback interface will do, and any port: it may be forwarded."""
    assert client.get("/model", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", FOREIGN)
def test_another_host_is_refused(client: TestClient[Litestar], host: str) -> None:
    """The reply is a problem that says what to do, and repeats nothing of the header."""
    reply = client.get("/predictions", headers={"Host": host})
    assert (reply.status_code, reply.headers["content-type"]) == (421, "application/problem+json")
    problem = reply.json()
    assert (problem["type"], problem["instance"]) == ("/problems/host-foreign", "/predictions")
    assert problem["detail"].startswith("Expected a Host header with a loopback address or localhost")
    assert "SENTIMENT_BEHIND_PROXY=true" in problem["detail"]
    assert "SENTIMENT_KEYS=required" in problem["detail"]
    assert "rebound" not in reply.text + str(reply.headers)
    assert (reply.headers["cache-control"], "x-request-id" in reply.headers) == ("no-store", True)


@pytest.mark.parametrize("path", ["/", "/docs", "/nothing", "/health/live", "/drift/reports/latest.html"])
def test_it_is_refused_everywhere(client: TestClient[Litestar], path: str) -> None:
    """Also where there is no route, or nothing secret: there is no exception to learn."""
    assert client.get(path, headers={"Host": REBOUND}).status_code == 421


def test_one_host_of_two_is_not_enough(client: TestClient[Litestar]) -> None:
    """A request with several Host headers is for this machine only if all of them say so."""
    assert client.get("/model", headers=[("Host", "127.0.0.1"), ("Host", REBOUND)]).status_code == 421


def test_refusals_are_counted(open_client: TestClient[Litestar]) -> None:
    """They are in the metrics like every reply and every problem."""
    assert open_client.post("/predict", json={"text": "Good."}, headers={"Host": REBOUND}).status_code == 421
    assert open_client.head("/model", headers={"Host": REBOUND}).status_code == 421
    shown = open_client.get("/metrics").text
    assert 'sentiment_http_requests_total{method="POST",route="(none)",status="421"} 1.0' in shown
    assert 'sentiment_http_requests_total{method="HEAD",route="(none)",status="421"} 1.0' in shown
    assert 'sentiment_refused_requests_total{reason="host-foreign"} 2.0' in shown


@pytest.mark.parametrize("settings", [{"keys": "required"}, {"behind_proxy": True}], ids=["keys", "proxy"])
def test_where_others_are_let_in_any_host_is_answered(
    without_postgres: SettingsWithoutPostgres, cpu: Classifier, settings: dict[str, Any]
) -> None:
    """With keys, which no web page has, or a proxy that authenticates, the service may have any name."""
    with TestClient(create_app(without_postgres(**settings), cpu), base_url=f"http://{REBOUND}") as client:
        assert client.get("/model").status_code == 200


def test_a_client_too_old_to_name_a_host_is_answered(service: Any) -> None:
    """A probe of HTTP/1.0 sends no Host, a browser always does; and the real server hands on what that says."""
    address = httpx.URL(service.url)
    with socket.create_connection((address.host, address.port or 0), timeout=30) as connection:
        connection.sendall(b"GET /health/live HTTP/1.0\r\n\r\n")
        assert connection.recv(4096).split()[1] == b"200"
    replies = [httpx.get(f"{service.url}/predictions", headers={"Host": host}) for host in FOREIGN]
    assert {host: reply.status_code for host, reply in zip(FOREIGN, replies, strict=True)} == dict.fromkeys(
        FOREIGN, 421
    )
