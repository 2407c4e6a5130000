"""Apitally: on when its token is set, harmless when nobody listens, and never given a text."""

import gzip
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

TOKEN = "apt_" + "a" * 24
SECRET = "marzipan"


class Receiver(ThreadingHTTPServer):
    """An OTLP endpoint that keeps what it is sent."""

    def __init__(self) -> None:
        """Listen on a free port of the loopback interface."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[str, bytes]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.received.append((self.path, body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A running receiver."""
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_requests_are_told_without_their_texts(new_service: Callable[..., Any], receiver: Receiver) -> None:
    """A prediction reaches the endpoint as a span with its route, and the review is nowhere in what was sent."""
    port = receiver.server_address[1]
    service = new_service(APITALLY_WRITE_TOKEN=TOKEN, APITALLY_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")
    reply = httpx.post(f"{service.url}/predict", json={"text": f"Tastes of {SECRET}, lovely."})
    assert reply.status_code == 200
    service.stop()
    sent = b"".join(body for _, body in receiver.received)
    assert any(path == "/v1/traces" for path, _ in receiver.received)
    assert b"/predict" in sent
    assert SECRET.encode() not in sent


def test_refusals_are_told_without_what_was_refused(new_service: Callable[..., Any], receiver: Receiver) -> None:
    """Neither invalid bodies nor query strings nor metadata reach the endpoint, which hears of every request."""
    port = receiver.server_address[1]
    service = new_service(APITALLY_WRITE_TOKEN=TOKEN, APITALLY_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")
    with httpx.Client(base_url=service.url, headers={"Content-Type": "application/json"}) as client:
        replies = [
            client.post("/predict", json={"text": "", "product_id": SECRET}),
            client.post("/predict", json={"text": [SECRET]}),
            client.post("/predict", content=f'{{"text": "{SECRET}'),
            client.post("/predict", json={"text": SECRET, SECRET: SECRET}),
            client.post("/predict/batch", json={"items": [{"text": SECRET, "stray": SECRET}]}),
            client.post("/feedback", json={"prediction_id": SECRET, "label": SECRET}),
            client.post(f"/predict?text={SECRET}&{SECRET}=1", json={"text": SECRET, "metadata": {SECRET: SECRET}}),
            client.get(f"/model?{SECRET}"),
            client.get(f"/nothing?text={SECRET}"),
            client.get(f"/predictions?product_id={SECRET}"),
            client.get(f"/predictions?label={SECRET}&{SECRET}=1&{SECRET}"),
        ]
    assert [reply.status_code for reply in replies] == [422, 422, 400, 422, 200, 422, 200, 200, 404, 200, 422]
    service.stop()
    sent = b"".join(body for _, body in receiver.received)
    assert all(route in sent for route in (b"/predict/batch", b"/feedback", b"/model", b"/predictions"))
    assert SECRET.encode() not in sent


def test_nobody_listening_harms_nothing(new_service: Callable[..., Any], closed_port: int) -> None:
    """With an endpoint that refuses connections, predictions are answered and SIGTERM ends the service cleanly."""
    service = new_service(APITALLY_WRITE_TOKEN=TOKEN, APITALLY_OTLP_ENDPOINT=f"http://127.0.0.1:{closed_port}")
    assert httpx.post(f"{service.url}/predict", json={"text": "Good."}).status_code == 200
    assert service.stop() == 0
