"""Clients that send half a request, or hang up before they are answered."""

import contextlib
import http.client
import json
import select
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.protocols import Metric, Waiting

PATIENCE_S = 30.0
REVIEW = {"text": "The lid never closes properly."}
JSON_HEADER = "Content-Type: application/json"


@pytest.fixture
def slow_service(new_service: Callable[..., Any]) -> Any:
    """A service with one place that waits two seconds for a body."""
    return new_service(SENTIMENT_BODY_TIMEOUT_S="2", SENTIMENT_MAX_CONCURRENT_REQUESTS="1")


@contextlib.contextmanager
def half_sent(service: Any, waiting: Waiting, metric: Metric) -> Iterator[socket.socket]:
    """Send half a request, wait until the service has begun to read it, and keep the connection open."""
    address = httpx.URL(service.url)
    with (
        httpx.Client(base_url=service.url) as operator,
        socket.create_connection((address.host, address.port or 0), timeout=PATIENCE_S) as connection,
    ):
        head = f"POST /predict HTTP/1.1\r\nHost: {address.host}\r\n{JSON_HEADER}\r\nContent-Length: 100\r\n\r\n"
        connection.sendall(head.encode() + b'{"text": "The lid')
        # The reading of the metrics is in progress itself.
        waiting(lambda: metric(operator, "sentiment_http_requests_in_progress") == 2, "the half is read")
        yield connection


def test_half_a_body_takes_no_place_and_times_out(slow_service: Any, waiting: Waiting, metric: Metric) -> None:
    """While half a request is there others are answered, and after the time its sender gets 408."""
    started = time.monotonic()
    with half_sent(slow_service, waiting, metric) as connection:
        assert httpx.post(f"{slow_service.url}/predict", json=REVIEW).status_code == 200
        assert select.select([connection], [], [], 0)[0] == []
        reply = http.client.HTTPResponse(connection)
        reply.begin()
        assert (reply.status, json.loads(reply.read())["type"]) == (408, "/problems/body-too-slow")
        assert 2 <= time.monotonic() - started < 6


def test_half_a_body_does_not_hold_up_the_stop(slow_service: Any, waiting: Waiting, metric: Metric) -> None:
    """SIGTERM ends a service that waits for the rest of a request, with exit code 0 and within seconds."""
    with half_sent(slow_service, waiting, metric):
        started = time.monotonic()
        assert slow_service.stop() == 0
        assert time.monotonic() - started < 8


def test_a_client_that_hangs_up_costs_nothing_more(service: Any, waiting: Waiting, metric: Metric) -> None:
    """The texts of a batch whose client has gone leave the queue at once, and the request is counted as 499."""
    address = httpx.URL(service.url)
    body = json.dumps({"items": [{"text": "The lid never closes properly. " * 100}] * 256}).encode()
    head = f"POST /predict/batch HTTP/1.1\r\nHost: {address.host}\r\n{JSON_HEADER}\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
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
