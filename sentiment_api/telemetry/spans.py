"""A span for each request, with a child span for each of its phases.

A span has what the access log has: method, route template, status and request id. It never has what a client wrote: no
body, query or header, and no path that has parameters or no route.
"""

import time
from collections.abc import Iterable, Mapping

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from sentiment_api.request_state import EXEMPLAR, REQUEST_ID, SPAN_ID, TRACE_ID
from sentiment_api.telemetry.metrics import METHODS
from sentiment_api.telemetry.phases import Phases, set_current_phases

_TRACEPARENT = b"traceparent"
_W3C = TraceContextTextMapPropagator()


class TracingMiddleware:
    """An ASGI application around another: one span for each request that passes."""

    def __init__(self, app: ASGIApp, tracer: Tracer, fixed_paths: frozenset[str]) -> None:
        """`fixed_paths` are the paths of routes without parameters."""
        self._app = app
        self._tracer = tracer
        self._fixed_paths = fixed_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other kinds of ASGI scope pass through."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        clock = _Clock()
        span = self._begin(scope, clock)
        phases = Phases() if span.is_recording() else None
        set_current_phases(phases)
        response = _SentResponse(send, clock)
        try:
            await self._app(scope, receive, response.send)
        finally:
            if phases is not None:
                self._add_phases(span, phases, clock)
                _describe(span, scope, response.status)
            span.end(response.ended_ns or clock.now_ns())

    def _begin(self, scope: HTTPScope, clock: "_Clock") -> Span:
        asked = {"http.request.method": _method(scope), "url.scheme": scope["scheme"]}
        if scope["path"] in self._fixed_paths:  # now, since samplers and Apitally leave health probes out by it
            asked["url.path"] = scope["path"]
        span = self._tracer.start_span(
            _verb(scope), _caller(scope["headers"]), SpanKind.SERVER, asked, start_time=clock.began_ns
        )
        identity = span.get_span_context()
        if identity.is_valid:
            state = scope.setdefault("state", {})
            state[TRACE_ID] = trace.format_trace_id(identity.trace_id)
            state[SPAN_ID] = trace.format_span_id(identity.span_id)
            if identity.trace_flags.sampled:
                state[EXEMPLAR] = {"trace_id": state[TRACE_ID]}
        return span

    def _add_phases(self, span: Span, phases: Phases, clock: "_Clock") -> None:
        parent = trace.set_span_in_context(span, Context())
        for name, phase in phases.noted.items():
            attributes = {"sentiment.texts": phase.texts}
            child = self._tracer.start_span(name, parent, attributes=attributes, start_time=clock.at_ns(phase.began_s))
            child.end(clock.at_ns(phase.ended_s))


class _Clock:
    """The time of day in nanoseconds, from a monotonic clock: it never jumps during a request."""

    def __init__(self) -> None:
        self.began_ns = time.time_ns()
        self._offset_ns = self.began_ns - time.monotonic_ns()

    def now_ns(self) -> int:
        return self._offset_ns + time.monotonic_ns()

    def at_ns(self, monotonic_s: float) -> int:
        """Return the time of day at `monotonic_s` of `time.monotonic`, not earlier than the request began."""
        return max(self.began_ns, self._offset_ns + round(monotonic_s * 1e9))


class _SentResponse:
    """Watches what is sent: the status, and when the last byte left."""

    def __init__(self, send: Send, clock: _Clock) -> None:
        self.status = 500  # what a server answers for an application that breaks before it replies
        self.ended_ns: int | None = None
        """When the last bytes were handed to the server, as the edge counts it. Background tasks run after it."""
        self._send = send
        self._clock = clock

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body" and not message.get("more_body"):
            self.ended_ns = self._clock.now_ns()
        await self._send(message)


def _method(scope: Mapping[str, object]) -> str:
    method = str(scope["method"])
    return method if method in METHODS else "_OTHER"


def _verb(scope: Mapping[str, object]) -> str:
    return "HTTP" if (method := _method(scope)) == "_OTHER" else method


def _caller(headers: Iterable[tuple[bytes, bytes]]) -> Context:
    """Return the context of the caller's span, if it sent one (W3C Trace Context), without `tracestate`: free text."""
    given = [value for name, value in headers if name == _TRACEPARENT]
    carrier = {"traceparent": given[0].decode("latin-1")} if len(given) == 1 else {}
    return _W3C.extract(carrier, Context())


def _describe(span: Span, scope: HTTPScope, status: int) -> None:
    """Set the attributes known only at the end of the request, by OpenTelemetry's HTTP conventions."""
    span.set_attribute("http.response.status_code", status)
    span.set_attribute("sentiment.request_id", scope["state"][REQUEST_ID])
    if route := scope.get("path_template"):
        span.update_name(f"{_verb(scope)} {route}")
        span.set_attribute("http.route", route)
        span.set_attribute("url.path", route)
    if status >= 500:
        span.set_attribute("error.type", str(status))
        span.set_status(Status(StatusCode.ERROR))
