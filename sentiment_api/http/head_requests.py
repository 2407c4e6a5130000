"""HEAD wherever GET is: the reply to GET, without its body (RFC 9110, 9.3.2).

The application behind sees GET, so a route, an error and a file answer HEAD with the headers of GET, `Content-Length`
among them.
"""

from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPResponseStartEvent, HTTPScope, Message, Receive, Scope, Send

_ALLOW: Final = b"allow"
_ALLOWING: Final = (204, 405)
"""The statuses of replies that list methods: to OPTIONS, and to a method that a path does not take."""


class HeadRequests:
    """An ASGI application around another, which answers HEAD as if it were GET."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other kinds of ASGI scope pass through."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        reply = _Reply(scope, send)
        try:
            await self._app(scope, receive, reply.send)
        finally:
            reply.restore_method()


class _Reply:
    """One reply on its way out. Once it begins the scope has the client's method again, which is counted and logged."""

    def __init__(self, scope: HTTPScope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._method = scope["method"]
        if self._method == "HEAD":
            scope["method"] = "GET"

    def restore_method(self) -> None:
        self._scope["method"] = self._method

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.restore_method()
            if message["status"] in _ALLOWING:
                _allow_head(message)
        elif message["type"] == "http.response.body" and self._method == "HEAD":
            if message.get("more_body"):
                return
            message["body"] = b""
        await self._send(message)


def _allow_head(message: HTTPResponseStartEvent) -> None:
    """Add HEAD to the methods in `Allow` where GET is one."""
    message["headers"] = [(name, _with_head(value) if name == _ALLOW else value) for name, value in message["headers"]]


def _with_head(methods: bytes) -> bytes:
    named = [method.strip() for method in methods.split(b",")]
    if b"GET" not in named or b"HEAD" in named:
        return methods
    named.insert(named.index(b"GET") + 1, b"HEAD")
    return b", ".join(named)
