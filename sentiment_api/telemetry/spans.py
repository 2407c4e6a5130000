"""A span for each request, and below it where its time went.

A span has what the access log has: the method, the route's template, the status and the request's id. It never has
what a client wrote: a body, a query, a header, or a path, which may be anything where it has parameters or no route.
"""

import time
from collections.abc import Iterable, Mapping

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from sentiment_api.telemetry.logs import REQUEST_ID, SPAN_ID, TRACE_ID
from sentiment_api.telemetry.metrics import EXEMPLAR, METHODS
from sentiment_api.telemetry.phases import Phases, keep_phases

_TRACEPARENT = b"traceparent"
_W3C = TraceContextTextMapPropagator()


class Traced:
    """An ASGI application around another, outside of whatever is to be within the span."""

    def __init__(self, app: ASGIApp, tracer: Tracer, fixed_paths: frozenset[str]) -> None:
        """`fixed_paths` are those that say no more than their routes do."""
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
        keep_phases(phases)
        reply = _Reply(send, clock)
        try:
            await self._app(scope, receive, reply.send)
        finally:
            if phases is not None:
                self._add_phases(span, phases, clock)
                _describe(span, scope, reply.status)
            span.end(reply.ended_ns or clock.now_ns())

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
    """The time of day in nanoseconds, by a clock that nobody sets while a request runs."""

    def __init__(self) -> None:
        self.began_ns = time.time_ns()
        self._offset_ns = self.began_ns - time.monotonic_ns()

    def now_ns(self) -> int:
        return self._offset_ns + time.monotonic_ns()

    def at_ns(self, monotonic_s: float) -> int:
        """Return when the clock of `time.monotonic` said so; never before the beginning."""
        return max(self.began_ns, self._offset_ns + round(monotonic_s * 1e9))


class _Reply:
    """What became of a request."""

    def __init__(self, send: Send, clock: _Clock) -> None:
        self.status = 500  # what a server answers for an application that breaks before it replies
        self.ended_ns: int | None = None
        """When the last byte was sent; what is done in the background comes after it."""
        self._send = send
        self._clock = clock

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self.ended_ns = self._clock.now_ns()


def _method(scope: Mapping[str, object]) -> str:
    method = str(scope["method"])
    return method if method in METHODS else "_OTHER"


def _verb(scope: Mapping[str, object]) -> str:
    return "HTTP" if (method := _method(scope)) == "_OTHER" else method


def _caller(headers: Iterable[tuple[bytes, bytes]]) -> Context:
    """Return the context of the caller's span if it names one (W3C Trace Context), less `tracestate`: free words."""
    given = [value for name, value in headers if name == _TRACEPARENT]
    carrier = {"traceparent": given[0].decode("latin-1")} if len(given) == 1 else {}
    return _W3C.extract(carrier, Context())


def _describe(span: Span, scope: HTTPScope, status: int) -> None:
    """Say of the request what was not known at its beginning, by OpenTelemetry's names for HTTP."""
    span.set_attribute("http.response.status_code", status)
    span.set_attribute("sentiment.request_id", scope["state"][REQUEST_ID])
    if route := scope.get("path_template"):
        span.update_name(f"{_verb(scope)} {route}")
        span.set_attribute("http.route", route)
        span.set_attribute("url.path", route)
    if status >= 500:
        span.set_attribute("error.type", str(status))
        span.set_status(Status(StatusCode.ERROR))
