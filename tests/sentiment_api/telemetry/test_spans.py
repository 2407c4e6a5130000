"""Spans as they are made: whose trace they belong to, when they begin and end, what they say of a failure."""

import asyncio
import time
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client.openmetrics.exposition import generate_latest

from sentiment_api.http.edge import Edge
from sentiment_api.telemetry.metrics import Metrics
from sentiment_api.telemetry.phases import Phases, current_phases, set_current_phases
from sentiment_api.telemetry.spans import TracingMiddleware
from tests.protocols import Asked

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Note one phase and reply with the status that the request names, as an application behind the edge does."""
    scope["state"]["request_id"] = "order-7"
    scope["path_template"] = "/predict"
    if (phases := current_phases()) is not None:
        phases.note("queue", time.monotonic(), time.monotonic())
    await send({"type": "http.response.start", "status": scope["wanted"], "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def fail(scope: Any, receive: Any, send: Any) -> None:
    """Break before there is a reply."""
    scope["state"]["request_id"] = "order-7"
    raise KeyError("marzipan")


@pytest.fixture
def ask() -> Asked:
    """A function that has an application asked once, and returns the spans that came of it."""

    def ask(app: Any = answer, wanted: int = 200, **headers: str) -> tuple[ReadableSpan, ...]:
        exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        given = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        scope = {
            "type": "http",
            "method": "POST",
            "scheme": "http",
            "path": "/predict",
            "query_string": b"",
            "headers": given,
        }
        traced = TracingMiddleware(app, provider.get_tracer("test"), frozenset())

        async def send(message: Any) -> None:
            """Drop it."""

        asyncio.run(traced({**scope, "state": {}, "wanted": wanted}, None, send))  # type: ignore[arg-type]
        return exporter.get_finished_spans()

    return ask


@pytest.mark.parametrize("traceparent", ["", "nonsense", f"00-{TRACE}-{CALLER}", f"00-{'0' * 32}-{CALLER}-01", "ü"])
def test_a_caller_who_names_no_span_gets_a_trace_of_its_own(ask: Asked, traceparent: str) -> None:
    """A traceparent that is none is as good as no traceparent."""
    child, server = ask(traceparent=traceparent)
    assert server.parent is None
    assert server.context is not None
    assert child.parent == server.context
    assert f"{server.context.trace_id:032x}" != TRACE


def test_a_callers_span_is_the_parent(ask: Asked) -> None:
    """The trace goes on, and what the caller's tracestate says is left out."""
    _, server = ask(traceparent=f"00-{TRACE}-{CALLER}-01", tracestate="shop=marzipan")
    assert server.parent is not None
    assert f"{server.parent.trace_id:032x}" == TRACE
    assert f"{server.parent.span_id:016x}" == CALLER
    assert server.context is not None
    assert not server.context.trace_state


def test_nothing_is_noted_of_what_is_not_sampled(ask: Asked) -> None:
    """A caller's flag says that nobody wants the trace; then no phases are kept, not even those of another request."""
    set_current_phases(Phases())
    assert ask(traceparent=f"00-{TRACE}-{CALLER}-00") == ()


@pytest.mark.parametrize(("status", "failed"), [(200, False), (404, False), (499, False), (500, True), (503, True)])
def test_a_failure_of_ours_is_an_error(ask: Asked, status: int, failed: bool) -> None:
    """As OpenTelemetry has it for servers: what a client did wrong is none."""
    _, server = ask(wanted=status)
    assert (server.status.status_code is StatusCode.ERROR) == failed
    assert (server.attributes or {}).get("error.type") == (str(status) if failed else None)


def test_a_broken_application_is_a_500_without_its_exception() -> None:
    """The span ends, and tells nothing of the exception, which may quote a text."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    scope: Any = {"type": "http", "method": "POST", "scheme": "http", "path": "/", "headers": [], "state": {}}
    with pytest.raises(KeyError):
        asyncio.run(TracingMiddleware(fail, provider.get_tracer("test"), frozenset())(scope, None, None))  # type: ignore[arg-type]
    (server,) = exporter.get_finished_spans()
    assert (server.attributes or {})["http.response.status_code"] == 500
    assert "marzipan" not in server.to_json()


def test_phases_of_a_batch_reach_from_the_first_to_the_last() -> None:
    """What is noted again makes the phase longer, never shorter, and counts its texts."""
    phases = Phases()
    for began, ended in ((2.0, 3.0), (1.0, 1.5), (2.5, 2.75)):
        phases.note("inference", began, ended)
    phase = phases.noted["inference"]
    assert (phase.began_s, phase.ended_s, phase.texts) == (1.0, 3.0, 3)


def test_a_traced_request_leaves_its_trace_with_its_duration(ask: Asked) -> None:
    """One looks a slow reply up by its exemplar, which OpenMetrics has; a trace that is not kept leaves none."""
    metrics = Metrics()
    for flags, left in (("00", 0), ("01", 1)):
        ask(Edge(answer, metrics), traceparent=f"00-{TRACE}-{CALLER}-{flags}")
        shown: str = generate_latest(metrics.registry).decode()
        assert shown.count(f'# {{trace_id="{TRACE}"}}') == left
