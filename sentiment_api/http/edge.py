"""The outermost layer: every reply, also a 404, gets its request id and its time, is counted and is logged once.

It wraps the whole application, since Litestar's middleware does not run for requests that no route takes. A reply is
counted before its last byte is sent: whoever has one finds it in the metrics. A client that was seen to hang up before
there was a reply is counted as 499, whatever the application said then. What the server answers by itself, as it was no
HTTP, comes by neither here nor any other layer.

What is logged is the method, the route's template, the outcome and the name of the API key: never the key, a path
parameter, a query or a body.
"""

import re
import time
from collections.abc import Iterable
from uuid import uuid4

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, ReceiveMessage, Scope, Send

from sentiment_api.telemetry.logs import bind_request
from sentiment_api.telemetry.metrics import EXEMPLAR, METHODS, Metrics

REQUEST_ID = "x-request-id"
QUERY = "query"
"""The key of a request's state under which a route finds the query: it stands nowhere else."""
CREDENTIALS = "credentials"
"""The key of a request's state under which the API keys are that it was sent with: they stand nowhere else."""
KEY_NAME = "key_name"
"""The key of a request's state under which the name of its API key is, once that was found."""
_SECRETS = (b"authorization", b"x-api-key")
_SAFE: dict[bytes, bytes] = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
"""What every reply says to browsers and caches, unless its route says something else: caches between them and us take a
request with X-API-Key for anybody's, and replies hold reviews. No header lets other origins in (CORS)."""
_SANE_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_NO_ROUTE = "(none)"
_OTHER_METHOD = "(other)"
_CLIENT_GONE = 499
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
        reply = _Reply(scope, receive, send, self._metrics)
        scope.setdefault("state", {})["request_id"] = reply.request_id
        bind_request(scope["state"])
        # Apitally sends the query, and masks values only: not the text of `/predict?Broke at once`. It looks in the
        # scope itself, so a route that reads a query is handed it elsewhere.
        scope["state"][QUERY] = scope["query_string"]
        scope["query_string"] = b""
        # Nor is there any way for a key into a trace, Apitally or an error.
        scope["state"][CREDENTIALS] = _presented(scope["headers"])
        scope["headers"] = [header for header in scope["headers"] if header[0] not in _SECRETS]
        scope["state"]["path"] = scope["path"]  # as it was asked for; `ReportPages` changes the scope's
        try:
            await self._app(scope, reply.receive, reply.send)
        finally:
            reply.end()
            reply.log()


class _Reply:
    """One reply on its way out."""

    def __init__(self, scope: HTTPScope, receive: Receive, send: Send, metrics: Metrics) -> None:
        self.request_id = _request_id(scope)
        self._status = 500  # what a server answers for an application that breaks before it replies
        self._scope = scope
        self._receive = receive
        self._send = send
        self._metrics = metrics
        self._settled = False
        """Whether the status stands."""
        self._started = time.monotonic()
        self._elapsed_s: float | None = None
        metrics.http_in_progress.inc()

    async def receive(self) -> ReceiveMessage:
        message = await self._receive()
        if message["type"] == "http.disconnect" and not self._settled:
            self._status, self._settled = _CLIENT_GONE, True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = self._status if self._settled else message["status"]
            self._settled = True
            message["headers"] = self._with_ours(message["headers"])
        elif message["type"] == "http.response.body" and not message.get("more_body"):
            self.end()
        await self._send(message)

    def end(self) -> None:
        """Count the request, at its reply's last byte: what runs in the background after it is none of its time."""
        if self._elapsed_s is not None:
            return
        self._elapsed_s = time.monotonic() - self._started
        method, route = self._named()
        self._metrics.http_requests.labels(method, route, str(self._status)).inc()
        self._metrics.http_duration.labels(route).observe(self._elapsed_s, self._scope["state"].get(EXEMPLAR))
        self._metrics.http_in_progress.dec()

    def log(self) -> None:
        """Log the request, once the client has its reply."""
        method, route = self._named()
        key: str | None = self._scope["state"].get(KEY_NAME)
        named = {} if key is None else {"key": key}
        _log.info(
            "request",
            method=method,
            route=route,
            status=self._status,
            ms=round(1000 * (self._elapsed_s or 0.0), 2),
            request_id=self.request_id,
            **named,
        )

    def _named(self) -> tuple[str, str]:
        """Return the method and the route, for a log and for labels: of neither may there be any number."""
        method = self._scope["method"]
        return method if method in METHODS else _OTHER_METHOD, self._scope.get("path_template") or _NO_ROUTE

    def _with_ours(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        total = b"total;dur=%.2f" % (1000 * (time.monotonic() - self._started))
        headers = list(headers)
        timings = [value for name, value in headers if name == b"server-timing"]
        others = [(name, value) for name, value in headers if name != b"server-timing"]
        said = {name for name, _ in others}
        return [
            *others,
            *((name, value) for name, value in _SAFE.items() if name not in said),
            (REQUEST_ID.encode(), self.request_id.encode()),
            (b"server-timing", b", ".join([*timings, total])),
        ]


def _presented(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, ...]:
    """Return the API keys in the headers. What Authorization holds under another scheme is a proxy's, not ours."""
    given = []
    for name, value in headers:
        scheme, _, credentials = value.partition(b" ")
        if name == b"x-api-key":
            given.append(value)
        elif name == b"authorization" and scheme.lower() == b"bearer":
            given.append(credentials)
    return tuple(each.strip().decode("latin-1") for each in given)


def _request_id(scope: Scope) -> str:
    """Return the client's request id if it is short and plain, else a new one."""
    given = next((value for name, value in scope["headers"] if name == REQUEST_ID.encode()), b"")
    return given.decode() if _SANE_ID.fullmatch(given) else str(uuid4())
