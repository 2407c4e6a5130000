"""What becomes of a body that nobody has read when the reply is sent: of a refused request, or one that needs none.

A server that closed the connection at once would often destroy its own reply: the rest of the body meets a closed
socket, the reset overtakes the reply, and a client that sends before it reads sees no more than a broken connection. So
the rest is received and dropped for a while, as nginx does it (`lingering_close`). It takes no memory.
"""

import asyncio
import contextlib
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, ReceiveMessage, Scope, Send

from sentiment_api.http.headers import announced_bytes, header
from sentiment_api.schemas.limits import MAX_BATCH_BYTES

_LINGER_S: Final = 5.0
_LINGER_BYTES: Final = 2 * MAX_BATCH_BYTES
_SHORT_BYTES: Final = 64 << 10
"""After a longer rest than this, a new connection costs less than the rest."""
_DROPPED_AT_ONCE: Final = 4
"""Bodies: the others wait, so that dropping delays nobody's request."""


class UnreadBodies:
    """An ASGI application around another, which it lets reply first."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app
        self._turns = asyncio.Semaphore(_DROPPED_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other kinds of ASGI scope, and requests without a body, pass through."""
        if scope["type"] != ScopeType.HTTP or announced_bytes(scope) == 0:
            await self._app(scope, receive, send)
            return
        body = _Body(scope, receive)

        async def send_and_announce_close(message: Message) -> None:
            if message["type"] == "http.response.start" and not body.ended and not body.is_short:
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await self._app(scope, body.receive, send_and_announce_close)
        if not body.ended and not body.expects_continue:
            await self._drop(body)

    async def _drop(self, body: "_Body") -> None:
        """Receive the rest, within bounds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_S), self._turns:
                dropped = 0
                while not body.ended and dropped < _LINGER_BYTES:
                    message = await body.receive()
                    dropped += len(message.get("body", b"")) if message["type"] == "http.request" else 0


class _Body:
    """How much of a body was received."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        announced = announced_bytes(scope)
        self.is_short = announced is not None and announced <= _SHORT_BYTES
        self.expects_continue = header(scope, b"expect").lower() == b"100-continue"
        """Whether the client sends nothing before it is told to go on, so that a refusal spares it the body."""
        self.ended = False
        self._receive = receive

    async def receive(self) -> ReceiveMessage:
        # The server tells such a client to go on when the body is first asked for.
        self.expects_continue = False
        message = await self._receive()
        self.ended |= message["type"] != "http.request" or not message.get("more_body", False)
        return message
