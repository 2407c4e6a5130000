"""Tracing: one span for each request and what is below it, nothing of what a client wrote, and no harm when off."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sentiment_api.errors import SettingsInvalid
from sentiment_api.settings import TracingSettings, read_settings
from sentiment_api.telemetry.tracing import FLUSH_S

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
PHASES = ["tokenize", "queue", "inference", "spool append"]
SECRET = "marzipan"
STOP_S = 20.0
"""Within which a service ends that waits for no receiver; it would wait 30 s and more for one that hangs."""


class Told(NamedTuple):
    """A span as a receiver has it."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    began: int
    ended: int
    attributes: dict[str, Any]
    status: int
    resource: dict[str, Any]


def told(receiver: Any) -> list[Told]:
    """Return all spans that the receiver has, the earliest first."""
    return sorted(_spans(receiver), key=lambda span: span.began)


def _spans(receiver: Any) -> Iterator[Told]:
    for body in receiver.bodies("/v1/traces"):
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in group.scope_spans:
                for span in scope.spans:
                    yield Told(
                        span.name,
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        span.kind,
                        span.start_time_unix_nano,
                        span.end_time_unix_nano,
                        _values(span.attributes),
                        span.status.code,
                        _values(group.resource.attributes),
                    )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


def servers(receiver: Any) -> list[Told]:
    """Return the spans of requests, less those by which the test knew that the service was ready."""
    server = 2
    spans = [span for span in told(receiver) if span.kind == server]
    return [span for span in spans if span.attributes.get("http.route") != "/health/ready"]


def lines(service: Any) -> list[dict[str, Any]]:
    """Return the service's log lines."""
    return [json.loads(line) for line in service.log().splitlines() if line.startswith("{")]


def stopped_after_s(service: Any) -> float:
    """Stop the service, which must end well, and return how long it took."""
    began = time.monotonic()
    assert service.stop() == 0
    return time.monotonic() - began


def test_a_request_is_a_span_of_its_callers_trace(new_service: Callable[..., Any], receiver: Any) -> None:
    """The span has the caller's trace, the route and the status; its children say where the time went, in order."""
    service = new_service(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, OTEL_RESOURCE_ATTRIBUTES="shop=de")
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-01", "X-Request-ID": "order-7"}
    reply = httpx.post(f"{service.url}/predict", json={"text": f"Tastes of {SECRET}, lovely."}, headers=headers)
    assert reply.status_code == 200
    service.stop()
    (span,) = servers(receiver)
    assert (span.name, span.trace_id, span.parent_id, span.status) == ("POST /predict", TRACE, CALLER, 0)
    assert span.attributes == {
        "http.request.method": "POST",
        "http.route": "/predict",
        "http.response.status_code": 200,
        "url.path": "/predict",
        "url.scheme": "http",
        "sentiment.request_id": "order-7",
    }
    assert (span.resource["service.name"], span.resource["shop"]) == ("sentiment-api", "de")
    children = [each for each in told(receiver) if each.parent_id == span.span_id]
    assert [child.name for child in children] == PHASES
    assert {(child.trace_id, child.attributes["sentiment.texts"]) for child in children} == {(TRACE, 1)}
    times = [at for child in children for at in (child.began, child.ended)]
    assert times == sorted(times)
    assert span.began <= times[0] < times[-1] <= span.ended
    assert span.ended - span.began < reply.elapsed.total_seconds() * 1e9
    assert SECRET.encode() not in receiver.everything()


def test_the_log_names_the_trace(new_service: Callable[..., Any], receiver: Any) -> None:
    """A line of a request has the ids of its request, trace and span, those that the receiver has; other lines none."""
    service = new_service(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    httpx.post(f"{service.url}/predict", json={"text": "Good."}, headers={"X-Request-ID": "order-7"})
    service.stop()
    (span,) = servers(receiver)
    (line,) = [line for line in lines(service) if line.get("route") == "/predict"]
    ids = {"request_id": "order-7", "trace_id": span.trace_id, "span_id": span.span_id}
    assert {**line, **ids} == line
    assert not [line for line in lines(service) if line["event"] == "ready" and "trace_id" in line]


def test_a_batch_is_traced_as_one(new_service: Callable[..., Any], receiver: Any) -> None:
    """Each phase is one span for all texts of the batch, within that of the request."""
    service = new_service(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    items = [{"text": "Good."}, {"text": "Bad, and it took three weeks to arrive here."}, {"text": ""}, {"text": "Ok."}]
    assert httpx.post(f"{service.url}/predict/batch", json={"items": items}).status_code == 200
    service.stop()
    (span,) = servers(receiver)
    children = {each.name: each for each in told(receiver) if each.parent_id == span.span_id}
    assert {name: child.attributes["sentiment.texts"] for name, child in children.items()} == dict.fromkeys(PHASES, 3)
    assert all(span.began <= child.began <= child.ended <= span.ended for child in children.values())


def test_a_deadline_that_passed_says_where_the_time_went(new_service: Callable[..., Any], receiver: Any) -> None:
    """A request that got 504 has the time that it waited in vain for the engine as a span of its queue."""
    service = new_service(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    text = {"text": "It broke after two days. " * 700, "long_text": "window"}
    reply = httpx.post(f"{service.url}/predict", json=text, headers={"X-Request-Deadline-Ms": "100"})
    assert reply.status_code == 504
    service.stop()
    (span,) = servers(receiver)
    children = {each.name: each for each in told(receiver) if each.parent_id == span.span_id}
    assert list(children) == ["tokenize", "queue"]
    assert children["queue"].ended - children["queue"].began > 0


def test_every_reply_is_a_span_without_what_was_asked(new_service: Callable[..., Any], receiver: Any) -> None:
    """Also what no route takes is traced, with its status; nothing that a client wrote is in what is sent."""
    service = new_service(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, SENTIMENT_KEYS="required")
    secrets = {
        "Authorization": f"Bearer sentiment_{SECRET}",
        "Idempotency-Key": SECRET,
        "User-Agent": SECRET,
        "Cookie": SECRET,
        "traceparent": f"00-{TRACE}-{CALLER}-01",
        "tracestate": f"shop={SECRET}",
        "baggage": f"text={SECRET}",
    }
    with httpx.Client(base_url=service.url, headers=secrets) as client:
        replies = [
            client.post(f"/predict?{SECRET}={SECRET}", json={"text": SECRET}),
            client.get(f"/predictions/{SECRET}"),
            client.get(f"/{SECRET}?{SECRET}"),
            client.put("/predict", content=SECRET),
            client.get("/model"),
            client.request(SECRET.upper(), "/model"),
        ]
    assert [reply.status_code for reply in replies] == [401, 401, 404, 405, 200, 405]
    service.stop()
    found = [
        (span.name, span.attributes["http.response.status_code"], span.attributes.get("url.path"), span.trace_id)
        for span in servers(receiver)
    ]
    assert found == [
        ("POST /predict", 401, "/predict", TRACE),
        ("GET /predictions/{prediction_id}", 401, "/predictions/{prediction_id}", TRACE),
        ("GET", 404, None, TRACE),
        ("PUT /predict", 405, "/predict", TRACE),
        ("GET /model", 200, "/model", TRACE),
        ("HTTP /model", 405, "/model", TRACE),
    ]
    assert SECRET.encode() not in receiver.everything().lower()


def test_a_caller_who_keeps_no_trace_is_not_traced(new_service: Callable[..., Any], receiver: Any) -> None:
    """With the caller's flag unset nothing is sent of the request, but its log line has the caller's trace."""
    service = new_service(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    httpx.post(f"{service.url}/predict", json={"text": "Good."}, headers={"traceparent": f"00-{TRACE}-{CALLER}-00"})
    service.stop()
    assert servers(receiver) == []
    assert told(receiver)  # of the probes that nobody called in a trace
    assert [line["trace_id"] for line in lines(service) if line.get("route") == "/predict"] == [TRACE]


ODDLY_LOGGED = """
import logging
from sentiment_api.settings import ServiceSettings
from sentiment_api.telemetry.tracing import Tracing
for message, arguments in [("100 % full", ()), ("%(what)s is full", ({"what": "it"},)), ("%d are left", ("none",))]:
    Tracing(ServiceSettings(database="embedded", database_url=None))
    logging.getLogger("opentelemetry.exporter.otlp").error(message, *arguments)
    print(logging.getLogger("opentelemetry.exporter").handlers[0].first)
"""


def test_an_exporter_may_log_what_it_likes() -> None:
    """A message that is no template, or one of names, or that does not fit, is kept and ends no export."""
    command = [sys.executable, "-c", ODDLY_LOGGED]
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ended.stderr, ended.stdout.splitlines()) == ("", ["100 % full", "it is full", "%d are left"])


def test_a_refusing_receiver_is_told_of_once(
    new_service: Callable[..., Any], receiver: Any, waiting: Callable[..., None]
) -> None:
    """However often it refuses there is one line, with the reason; and one when it takes traces again."""
    receiver.status = 401
    service = new_service(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, OTEL_BSP_SCHEDULE_DELAY="50")
    for _ in range(3):
        before = receiver.asked
        assert httpx.post(f"{service.url}/predict", json={"text": "Good."}).status_code == 200
        waiting(lambda before=before: receiver.asked > before, "it is asked again")
    receiver.status = 200
    assert httpx.post(f"{service.url}/predict", json={"text": "Good."}).status_code == 200
    waiting(lambda: bool(servers(receiver)), "it gets a trace")
    waiting(lambda: "traces are sent again" in service.log(), "the log says so")
    service.stop()
    (line,) = [line for line in lines(service) if line["event"].startswith("traces cannot be sent")]
    assert line["receiver"] == receiver.url.removeprefix("http://")
    assert line["reason"] == "Failed to export spans batch code: 401, reason: Unauthorized"
    assert service.log().count("traces are sent again") == 1
    assert service.log().count("Failed to export") == 1
    assert "Traceback" not in service.log()


def test_a_receiver_that_is_away_harms_nothing(
    new_service: Callable[..., Any], closed_port: int, waiting: Callable[..., None]
) -> None:
    """The service starts, answers, says once that its traces are dropped, and ends in time."""
    service = new_service(
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{closed_port}",
        OTEL_BSP_SCHEDULE_DELAY="50",
        OTEL_EXPORTER_OTLP_TIMEOUT="4",
    )
    assert httpx.post(f"{service.url}/predict", json={"text": "Good."}).status_code == 200
    waiting(lambda: "traces cannot be sent" in service.log(), "the log says so")
    assert httpx.post(f"{service.url}/predict", json={"text": "Good."}).status_code == 200
    assert stopped_after_s(service) < STOP_S
    assert service.log().count("traces cannot be sent") == 1
    assert "ConnectionError" in service.log()
    assert "Traceback" not in service.log()


@pytest.mark.parametrize("proxy", ["socks://user:hush@127.0.0.1:1080/", "http://user:hush@[::1"])
def test_proxies_of_the_environment_harm_nothing(new_service: Callable[..., Any], receiver: Any, proxy: str) -> None:
    """A receiver on this machine is asked directly; Apitally, which is elsewhere, is not reached, and stops nothing."""
    service = new_service(
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        APITALLY_WRITE_TOKEN="apt_" + "a" * 24,
        APITALLY_OTLP_ENDPOINT="http://apitally.example",
        ALL_PROXY=proxy,
        HTTP_PROXY=proxy,
    )
    assert httpx.post(f"{service.url}/predict", json={"text": "Good."}).status_code == 200
    assert stopped_after_s(service) < STOP_S
    assert [span.name for span in servers(receiver)] == ["POST /predict"]
    assert "hush" not in service.log()
    assert "Traceback" not in service.log()


def test_a_receiver_that_hangs_delays_no_end(
    new_service: Callable[..., Any], receiver: Any, waiting: Callable[..., None]
) -> None:
    """With a receiver that accepts and says nothing, requests are answered, and SIGTERM ends the service in time."""
    receiver.answers.clear()
    service = new_service(
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, OTEL_BSP_SCHEDULE_DELAY="50", OTEL_EXPORTER_OTLP_TIMEOUT="60"
    )
    waiting(lambda: receiver.asked > 0, "the exporter waits for an answer")
    reply = httpx.post(f"{service.url}/predict", json={"text": "Good."}, timeout=10)
    assert reply.status_code == 200
    assert FLUSH_S < stopped_after_s(service) < STOP_S


def test_off_it_is_not_even_imported(new_service: Callable[..., Any], receiver: Any) -> None:
    """Without a variable of OpenTelemetry nothing is sent, no line has a trace, and its SDK is not loaded."""
    program = (
        "import sys, sentiment_api.server; from sentiment_api.app import _telemetry_plugins;"
        "from sentiment_api.settings import ServiceSettings;"
        "assert _telemetry_plugins(ServiceSettings(database='embedded', database_url=None)) == [];"
        "sys.exit(' '.join(name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'apitally'))))"
    )
    ended = subprocess.run([sys.executable, "-c", program], env={}, capture_output=True, text=True, check=False)
    assert ended.stderr.strip() == ""
    service = new_service(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, OTEL_SDK_DISABLED="true")
    httpx.post(f"{service.url}/predict", json={"text": "Good."}, headers={"traceparent": f"00-{TRACE}-{CALLER}-01"})
    service.stop()
    assert receiver.asked == 0
    assert "trace_id" not in service.log()


@pytest.mark.parametrize(
    ("environment", "exporters"),
    [
        ({}, set()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, {"otlp"}),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, {"otlp"}),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, {"otlp"}),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, {"console", "otlp"}),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, set()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, set()),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, set()),
        ({"OTEL_TRACES_EXPORTER": "console", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, {"console"}),
    ],
)
def test_the_standard_variables_turn_it_on(
    environment: dict[str, str], exporters: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exporter or an endpoint turns it on; without either it is off."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert read_settings(TracingSettings).trace_exporters() == exporters


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "expected OTEL_TRACES_EXPORTER to be otlp, console or none"),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "expected http/protobuf, found OTEL_EXPORTER_OTLP_PROTOCOL=grpc",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "127.0.0.1:4318"}, "expected OTEL_EXPORTER_OTLP_ENDPOINT to be a URL"),
        ({"OTEL_SDK_DISABLED": "perhaps"}, "^OTEL_SDK_DISABLED: Input should be a valid boolean"),
    ],
)
def test_what_cannot_work_is_refused_at_the_start(
    environment: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting that would send nothing stops the start, and the message names it and the remedy."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsInvalid, match=message):
        read_settings(TracingSettings)
