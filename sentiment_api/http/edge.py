"""The outermost layer: every reply, also a 404, gets the common headers, is counted and is logged once.

It wraps the whole application, since Litestar's middleware does not run for requests that match no route. A reply is
counted before its last byte is sent, so a client that has it finds it in the metrics. If a client disconnects before
the reply begins, the request counts as 499, whatever the application answers. What the server
refuses by itself, as no HTTP, passes no layer.

Logged are the method, the route's template, the outcome and the name of the API key: never the key, a path parameter, a
query or a body.
"""

import re
import time
from collections.abc import Iterable
from uuid import uuid4

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, ReceiveMessage, Scope, Send

from sentiment_api.http.headers import REQUEST_ID_HEADER, with_reply_headers
from sentiment_api.request_state import CREDENTIALS, EXEMPLAR, KEY_NAME, PATH, REQUEST_ID
from sentiment_api.telemetry.logs import bind_request
from sentiment_api.telemetry.metrics import METHODS, Metrics

_SECRETS = (b"authorization", b"x-api-key")
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
        state = scope.setdefault("state", {})
        state[REQUEST_ID] = reply.request_id
        state[PATH] = scope["path"]
        # Out of the headers, so that no key can get into a trace, Apitally or an error.
        state[CREDENTIALS] = _presented(scope["headers"])
        scope["headers"] = [header for header in scope["headers"] if header[0] not in _SECRETS]
        bind_request(state)
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
        """Whether the status is final."""
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
            elapsed_s = time.monotonic() - self._started
            message["headers"] = with_reply_headers(message["headers"], self.request_id, elapsed_s)
        elif message["type"] == "http.response.body" and not message.get("more_body"):
            self.end()
        await self._send(message)

    def end(self) -> None:
        """Count the request when its last byte is sent: background tasks are not part of its time."""
        if self._elapsed_s is not None:
            return
        self._elapsed_s = time.monotonic() - self._started
        method, route = self._named()
        self._metrics.http_requests.labels(method, route, str(self._status)).inc()
        self._metrics.http_duration.labels(route).observe(self._elapsed_s, self._scope["state"].get(EXEMPLAR))
        self._metrics.http_in_progress.dec()

    def log(self) -> None:
        """Log the request after its reply."""
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
        """Return the method and the route, for the log and for labels: both from a bounded set."""
        method = self._scope["method"]
        return method if method in METHODS else _OTHER_METHOD, self._scope.get("path_template") or _NO_ROUTE


def _presented(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, ...]:
    """Return the API keys in the headers. `Authorization` with another scheme than Bearer belongs to a proxy."""
    given = []
    for name, value in headers:
        scheme, _, credentials = value.partition(b" ")
        if name == b"x-api-key":
            given.append(value)
        elif name == b"authorization" and scheme.lower() == b"bearer":
            given.append(credentials)
    return tuple(each.strip().decode("latin-1") for each in given)


def _request_id(scope: Scope) -> str:
    """Return the client's request id if it is short and plain, else a new UUID."""
    given = next((value for name, value in scope["headers"] if name == REQUEST_ID_HEADER), b"")
    return given.decode() if _SANE_ID.fullmatch(given) else str(uuid4())
