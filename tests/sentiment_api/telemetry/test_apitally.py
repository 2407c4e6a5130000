"""Apitally: on when its token is set, harmless when nobody listens, and never given a text."""

import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pydantic import SecretStr

from sentiment_api.errors import SettingsInvalid
from sentiment_api.settings import ServiceSettings
from sentiment_api.telemetry import apitally
from sentiment_api.telemetry.apitally import apitally_plugin
from sentiment_api.telemetry.tracing import FLUSH_S

TOKEN = "apt_" + "a" * 24
SECRET = "marzipan"
STOP_S = 20.0
"""Within which a service ends that waits for no receiver; Apitally by itself would wait 30 s for one that hangs."""
Count = tuple[str, str, int]


def values(attributes: Any) -> dict[str, Any]:
    """Return OTLP's attributes as a dictionary."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


def points(receiver: Any) -> Iterator[Any]:
    """Return what Apitally was told of the durations of requests: a histogram by method, route and status."""
    for body in receiver.bodies("/v1/metrics"):
        for group in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for metric in (metric for scope in group.scope_metrics for metric in scope.metrics):
                if metric.name == "http.server.request.duration":
                    yield from metric.exponential_histogram.data_points


def counts(receiver: Any) -> dict[Count, int]:
    """Return how many requests Apitally was told of, by method, route and status."""
    found: dict[Count, int] = {}
    for point in points(receiver):
        of = values(point.attributes)
        key = (of["http.request.method"], of["http.route"], of["http.response.status_code"])
        found[key] = found.get(key, 0) + point.count
    return {key: count for key, count in found.items() if key[1] != "/health/ready"}


def spans(receiver: Any) -> list[Any]:
    """Return the spans of requests that Apitally was told of, less those of their phases."""
    server = 2
    return [
        span
        for body in receiver.bodies("/v1/traces")
        for group in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in group.scope_spans
        for span in scope.spans
        if span.kind == server
    ]


def test_requests_are_told_without_their_texts(new_service: Callable[..., Any], receiver: Any) -> None:
    """Route, status and duration of a prediction arrive; of the review and the reply nothing is in what was sent."""
    service = new_service(APITALLY_WRITE_TOKEN=TOKEN, APITALLY_OTLP_ENDPOINT=receiver.url)
    replies = [httpx.post(f"{service.url}/predict", json={"text": f"Tastes of {SECRET}, lovely."}) for _ in range(3)]
    service.stop()
    assert counts(receiver) == {("POST", "/predict", 200): 3}
    (point,) = [each for each in points(receiver) if values(each.attributes)["http.route"] == "/predict"]
    assert 0 < point.sum < sum(reply.elapsed.total_seconds() for reply in replies)
    found = [(span.name, values(span.attributes)["http.response.status_code"]) for span in spans(receiver)]
    assert found == [("POST /predict", 200)] * 3
    sent = receiver.everything()
    assert f"Bearer {TOKEN}".encode() in sent
    assert SECRET.encode() not in sent
    for reply in replies:
        assert reply.json()["prediction_id"].encode() not in sent
        assert struct.pack("<d", reply.json()["score"]) not in sent
        assert str(reply.json()["score"]).encode() not in sent


def test_refusals_are_told_without_what_was_refused(new_service: Callable[..., Any], receiver: Any) -> None:
    """Neither invalid bodies nor queries, paths, metadata or keys reach the endpoint, which hears of every request."""
    service = new_service(APITALLY_WRITE_TOKEN=TOKEN, APITALLY_OTLP_ENDPOINT=receiver.url)
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer sentiment_{SECRET}",
        "X-API-Key": SECRET,
        "Idempotency-Key": SECRET,
        "User-Agent": SECRET,
        "Cookie": SECRET,
    }
    with httpx.Client(base_url=service.url, headers=headers) as client:
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
            client.get(f"/{SECRET}"),
            client.get(f"/predictions/{SECRET}"),
            client.get(f"/predictions?product_id={SECRET}"),
            client.get(f"/predictions?label={SECRET}&{SECRET}=1&{SECRET}"),
        ]
    statuses = [reply.status_code for reply in replies]
    assert statuses == [422, 422, 400, 422, 200, 422, 200, 200, 404, 404, 404, 200, 422]
    service.stop()
    assert counts(receiver) == {
        ("POST", "/predict", 422): 3,
        ("POST", "/predict", 400): 1,
        ("POST", "/predict", 200): 1,
        ("POST", "/predict/batch", 200): 1,
        ("POST", "/feedback", 422): 1,
        ("GET", "/model", 200): 1,
        ("GET", "/predictions/{prediction_id}", 404): 1,
        ("GET", "/predictions", 200): 1,
        ("GET", "/predictions", 422): 1,
    }
    assert [values(span.attributes)["http.response.status_code"] for span in spans(receiver)] == statuses
    assert SECRET.encode() not in receiver.everything()
    assert b"client.address" not in receiver.everything()


def test_both_receivers_have_the_same_trace(new_service: Callable[..., Any], new_receiver: Callable[..., Any]) -> None:
    """With OpenTelemetry on, too, a request is one span, told to both."""
    other, traces = new_receiver(), new_receiver()
    service = new_service(
        APITALLY_WRITE_TOKEN=TOKEN, APITALLY_OTLP_ENDPOINT=other.url, OTEL_EXPORTER_OTLP_ENDPOINT=traces.url
    )
    assert httpx.post(f"{service.url}/predict", json={"text": SECRET}).status_code == 200
    service.stop()
    assert counts(other) == {("POST", "/predict", 200): 1}
    (there,) = [span.span_id for span in spans(other) if span.name == "POST /predict"]
    assert there in {span.span_id for span in spans(traces) if span.name == "POST /predict"}
    assert SECRET.encode() not in other.everything() + traces.everything()


def test_nobody_listening_harms_nothing(new_service: Callable[..., Any], closed_port: int) -> None:
    """With an endpoint that refuses connections, predictions are answered and SIGTERM ends the service cleanly."""
    service = new_service(APITALLY_WRITE_TOKEN=TOKEN, APITALLY_OTLP_ENDPOINT=f"http://127.0.0.1:{closed_port}")
    assert httpx.post(f"{service.url}/predict", json={"text": "Good."}).status_code == 200
    assert service.stop() == 0
    assert "Traceback" not in service.log()


def test_a_receiver_that_hangs_delays_no_end(
    new_service: Callable[..., Any], receiver: Any, waiting: Callable[..., None]
) -> None:
    """While it keeps Apitally waiting, the service answers, and SIGTERM ends it in time."""
    receiver.answers.clear()
    service = new_service(APITALLY_WRITE_TOKEN=TOKEN, APITALLY_OTLP_ENDPOINT=receiver.url)
    waiting(lambda: receiver.asked > 0, "Apitally waits for an answer")
    assert httpx.post(f"{service.url}/predict", json={"text": "Good."}, timeout=10).status_code == 200
    began = time.monotonic()
    assert service.stop() == 0
    assert FLUSH_S < time.monotonic() - began < STOP_S


def test_a_token_that_is_none_is_refused(without_postgres: Callable[..., ServiceSettings]) -> None:
    """The service does not start with a token that Apitally would not take, and the message does not show it."""
    with pytest.raises(SettingsInvalid, match="APITALLY_WRITE_TOKEN to be apt_ and 24 letters") as refusal:
        apitally_plugin(without_postgres(APITALLY_WRITE_TOKEN=SecretStr(SECRET)))
    assert SECRET not in str(refusal.value)


@pytest.mark.anyio
async def test_apitally_is_given_no_more_of_a_request_than_its_method_and_route() -> None:
    """Whoever stands where Apitally does sees no query, path, client or header; the application sees all of them."""
    seen: list[dict[str, Any]] = []
    whole = {"type": "http", "method": "GET", "path": f"/{SECRET}", "query_string": SECRET.encode(), "headers": []}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope is whole
        scope["path_template"] = "/predictions/{prediction_id}"
        await send({"type": "http.response.start", "status": 200, "headers": []})

    behind = apitally._with_whole_scope(app)

    async def stand_in(scope: Any, receive: Any, send: Any) -> None:
        async def look(message: Any) -> None:
            seen.append(dict(scope))
            await send(message)

        seen.append(dict(scope))
        await behind(scope, receive, look)

    async def send(message: Any) -> None:
        return None

    await apitally._with_scrubbed_scope(stand_in)(whole, None, send)  # type: ignore[arg-type]
    known = {"type": "http", "method": "GET"}
    assert seen == [known, {**known, "path_template": "/predictions/{prediction_id}"}]
