"""Clients that send too much, too slowly or from too many connections, against a real server."""

import contextlib
import http.client
import json
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psutil
import pytest

from sentiment_api.schemas.limits import MAX_BATCH_BYTES
from sentiment_api.server import end_stalled_replies
from tests.protocols import Metric, Waiting

pytestmark = pytest.mark.slow

PATIENCE_S = 60.0
CONNECTIONS = 96
SENDERS = 60
BODY_TIMEOUT_S = 3
MOST_GROWTH = 50e6
REVIEW = {"text": "The lid never closes properly."}


@pytest.fixture(scope="module")
def server(new_shared_service: Callable[..., Any]) -> Any:
    """A service that all tests here share: of few connections, and little patience."""
    settings = {"BODY_TIMEOUT_S": str(BODY_TIMEOUT_S), "MAX_CONNECTIONS": str(CONNECTIONS), "THREADS": "1"}
    service = new_shared_service(**{f"SENTIMENT_{name}": value for name, value in settings.items()})
    for _ in range(20):  # until all is loaded
        assert httpx.post(f"{service.url}/predict", json=REVIEW).status_code == 200
    return service


@pytest.fixture(scope="module")
def worker(server: Any) -> psutil.Process:
    """The process that serves."""
    address = httpx.URL(server.url)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            for each in process.net_connections("tcp"):
                if each.status == psutil.CONN_LISTEN and each.laddr.port == address.port:
                    return process
    raise AssertionError("nobody listens")


def connected(service: Any) -> socket.socket:
    """Return a new connection to a service."""
    address = httpx.URL(service.url)
    return socket.create_connection((address.host, address.port or 0), timeout=PATIENCE_S)


def head(method: str, path: str, length: int, **headers: str) -> bytes:
    """Return the head of a request with JSON of this length."""
    named = {"Host": "127.0.0.1", "Content-Type": "application/json", "Content-Length": str(length), **headers}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def reply_of(connection: socket.socket) -> http.client.HTTPResponse:
    """Return the reply that comes next, read to its end."""
    with http.client.HTTPResponse(connection) as reply:
        reply.begin()
        reply.read()
        return reply


def post_whole(service: Any, path: str, body: bytes) -> tuple[int, str | None]:
    """Send the whole body before reading anything; return the reply's status and its Retry-After."""
    with connected(service) as connection:
        connection.sendall(head("POST", path, len(body)) + body)
        reply = reply_of(connection)
        return reply.status, reply.getheader("Retry-After")


@contextlib.contextmanager
def growing_little(worker: psutil.Process) -> Iterator[None]:
    """Insist that the worker's memory grows by less than 50 MB within the block."""
    before = worker.memory_info().rss
    most = [before]
    with ThreadPoolExecutor(1) as pool:
        ended = False

        def sample() -> None:
            while not ended:
                most[0] = max(most[0], worker.memory_info().rss)
                time.sleep(0.01)

        sampling = pool.submit(sample)
        try:
            yield
        finally:
            ended = True
            sampling.result()
    assert most[0] - before < MOST_GROWTH


def test_sixty_bodies_that_are_too_large_take_no_memory(server: Any, worker: psutil.Process) -> None:
    """60 x 8 MiB to /feedback: all get 413, although they send all before they read, and memory stays."""
    body = bytes(MAX_BATCH_BYTES)
    with growing_little(worker), ThreadPoolExecutor(SENDERS) as pool:
        replies = list(pool.map(lambda _: post_whole(server, "/feedback", body), range(SENDERS)))
    assert Counter(replies) == {(413, None): SENDERS}


def test_sixty_full_batches_at_once_are_bounded(server: Any, worker: psutil.Process) -> None:
    """60 x 8 MiB to /predict/batch: some are answered, the others told when to come back, and memory is bounded."""
    body = json.dumps({"items": [REVIEW]}).encode().ljust(MAX_BATCH_BYTES)
    with growing_little(worker), ThreadPoolExecutor(SENDERS) as pool:
        replies = Counter(pool.map(lambda _: post_whole(server, "/predict/batch", body), range(SENDERS)))
    answered = replies.pop((200, None))
    assert answered >= 1
    assert {status for status, _ in replies} == {503}
    assert all(1 <= int(after or 0) <= 120 for _, after in replies)
    assert httpx.post(f"{server.url}/predict", json=REVIEW).status_code == 200


def test_slow_senders_are_cut_off_and_harm_nobody(
    server: Any, worker: psutil.Process, waiting: Waiting, metric: Metric
) -> None:
    """While 80 clients announce 8 MiB and send a few bytes others are served; then the slow ones get 408."""
    with contextlib.ExitStack() as open_ones, growing_little(worker), httpx.Client(base_url=server.url) as operator:
        slow = [open_ones.enter_context(connected(server)) for _ in range(80)]
        started = time.monotonic()
        for connection in slow:
            connection.sendall(head("POST", "/predict/batch", MAX_BATCH_BYTES) + b'{"items": ')
        waiting(lambda: metric(operator, "sentiment_body_bytes") == 800, "all have begun")
        assert operator.post("/predict/batch", json={"items": [REVIEW] * 3}).status_code == 200
        replies = [reply_of(connection) for connection in slow]
        assert {reply.status for reply in replies} == {408}
        assert BODY_TIMEOUT_S <= time.monotonic() - started < 4 * BODY_TIMEOUT_S
        assert metric(operator, "sentiment_body_bytes") == 0


def test_connections_beyond_the_limit_wait(server: Any) -> None:
    """One more is served as soon as one of the others ends, and not before."""
    with contextlib.ExitStack() as open_ones:
        others = [open_ones.enter_context(connected(server)) for _ in range(CONNECTIONS)]
        for connection in others:
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert {reply_of(connection).status for connection in others} == {200}
        one_more = open_ones.enter_context(connected(server))
        one_more.sendall(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        one_more.settimeout(0.3)
        with pytest.raises(TimeoutError):
            one_more.recv(1)
        one_more.settimeout(PATIENCE_S)
        others[0].close()
        assert reply_of(one_more).status == 200


def test_a_connection_survives_the_refusal_of_a_short_body(server: Any) -> None:
    """Its next request is answered on it; after a long body the server says that it closes."""
    with connected(server) as connection:
        connection.sendall(head("POST", "/nothing", 5) + b"hello")
        refusal = reply_of(connection)
        assert (refusal.status, refusal.getheader("Connection")) == (404, None)
        connection.sendall(head("GET", "/health/live", 0))
        assert reply_of(connection).status == 200
    with connected(server) as connection:
        connection.sendall(head("POST", "/nothing", MAX_BATCH_BYTES))
        assert reply_of(connection).getheader("Connection") == "close"


@pytest.mark.parametrize(("path", "lines"), [("/feedback", [b"413"]), ("/predict", [b"100", b"200"])])
def test_a_client_that_asks_first_is_told_to_go_on_or_not(server: Any, path: str, lines: list[bytes]) -> None:
    """With `Expect: 100-continue` a refusal comes at once, and a body that is taken is asked for."""
    body = json.dumps(REVIEW).encode().ljust(100_000)
    found = []
    with connected(server) as connection, connection.makefile("rb") as reader:
        connection.sendall(head("POST", path, len(body), Expect="100-continue"))
        found.append(reader.readline().split()[1])
        if found == [b"100"]:
            assert reader.readline() == b"\r\n"
            connection.sendall(body)
            found.append(reader.readline().split()[1])
    assert found == lines


def test_idle_http_2_is_not_spoken(server: Any) -> None:
    """A connection holds one request at a time, so that bounding connections bounds requests."""
    with connected(server) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert not connection.recv(100).startswith(b"\x00\x00")


def test_connections_of_clients_that_take_nothing_end(waiting: Waiting) -> None:
    """The system is told how long what was sent may stay untaken, for every connection of the listening socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        end_stalled_replies(listener.getsockname()[1], 7000)
        option = (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        waiting(lambda: listener.getsockopt(*option) == 7000, "the option is set")
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            assert accepted.getsockopt(*option) == 7000
