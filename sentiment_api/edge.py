"""The outermost layer: every reply, also a 404, gets its request id and its time, is counted and is logged once.

It wraps the whole application, since Litestar's middleware does not run for requests that no route takes. What is
logged is the method, the route's template and the outcome: never a path parameter, a query or a body.
"""

import re
import time
from collections.abc import Iterable
from uuid import uuid4

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from sentiment_api.metrics import Metrics

REQUEST_ID = "x-request-id"
QUERY = "query"
"""The key of a request's state under which a route finds the query: it stands nowhere else."""
_SANE_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_NO_ROUTE = "(none)"
_log = structlog.get_logger("sentiment_api.access")


class Edge:
    """An ASGI application around another."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Wrap `app`."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other kinds of ASGI scope pass through."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        reply = _Reply(_request_id(scope), send)
        scope.setdefault("state", {})["request_id"] = reply.request_id
        # Apitally sends the query, and masks values only: not the text of `/predict?Broke at once`. It looks in the
        # scope itself, so a route that reads a query is handed it elsewhere.
        scope["state"][QUERY] = scope["query_string"]
        scope["query_string"] = b""
        scope["state"]["path"] = scope["path"]  # as it was asked for; `ReportPages` changes the scope's
        self._metrics.http_in_progress.inc()
        try:
            await self._app(scope, receive, reply.send)
        finally:
            self._metrics.http_in_progress.dec()
            self._record(scope, reply)

    def _record(self, scope: HTTPScope, reply: "_Reply") -> None:
        route = scope.get("path_template") or _NO_ROUTE
        method = scope["method"] if route != _NO_ROUTE else "(any)"
        elapsed_s = reply.elapsed_s()
        self._metrics.http_requests.labels(method, route, str(reply.status)).inc()
        self._metrics.http_duration.labels(route).observe(elapsed_s)
        _log.info(
            "request",
            method=method,
            route=route,
            status=reply.status,
            ms=round(1000 * elapsed_s, 2),
            request_id=reply.request_id,
        )


class _Reply:
    """One reply on its way out."""

    def __init__(self, request_id: str, send: Send) -> None:
        self.request_id = request_id
        self.status = 500  # what a server answers for an application that breaks before it replies
        self._send = send
        self._started = time.monotonic()
        self._ended: float | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = self._with_ours(message["headers"])
        elif message["type"] == "http.response.body" and not message.get("more_body"):
            self._ended = time.monotonic()
        await self._send(message)

    def elapsed_s(self) -> float:
        """Return the time to the last byte of the reply, without what runs in the background after it."""
        return (self._ended or time.monotonic()) - self._started

    def _with_ours(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        total = b"total;dur=%.2f" % (1000 * (time.monotonic() - self._started))
        headers = list(headers)
        timings = [value for name, value in headers if name == b"server-timing"]
        others = [(name, value) for name, value in headers if name != b"server-timing"]
        return [
            *others,
            (REQUEST_ID.encode(), self.request_id.encode()),
            (b"server-timing", b", ".join([*timings, total])),
        ]


def _request_id(scope: Scope) -> str:
    """Return the client's request id if it is short and plain, else a new one."""
    given = next((value for name, value in scope["headers"] if name == REQUEST_ID.encode()), b"")
    return given.decode() if _SANE_ID.fullmatch(given) else str(uuid4())
