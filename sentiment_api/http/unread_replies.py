"""What becomes of a reply whose client does not read it: little of it waits in memory, and not for ever.

The server takes whatever it is given. So a long reply is given to it in pieces, each once there is room for it.
"""

import asyncio
from collections.abc import Iterator
from typing import Final

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

PIECE_BYTES: Final = 16 << 10
"""The server holds up to four pieces beside its own buffer."""
_log = structlog.get_logger(__name__)


class UnreadReplies:
    """An ASGI application around another, which never waits for a client that does not read its reply."""

    def __init__(self, app: ASGIApp, timeout_s: float = 30.0) -> None:
        """Wrap `app`. A client has `timeout_s` for each piece of its reply; then the rest is dropped."""
        self._app = app
        self._timeout_s = timeout_s
        self._turn = asyncio.Semaphore(1)
        """Of long replies one is sent at a time, a piece in each round of the event loop."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other kinds of ASGI scope pass through."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        given_up = False

        async def send_in_pieces(message: Message) -> None:
            nonlocal given_up
            for piece in _pieces(message):
                if given_up:
                    return
                try:
                    async with asyncio.timeout(self._timeout_s):
                        await send(piece)
                        if piece.get("more_body"):
                            await self._yield_to_short_replies()
                except TimeoutError:
                    given_up = True
                    _log.info("reply dropped: the client takes nothing of it", timeout_s=self._timeout_s)

        await self._app(scope, receive, send_in_pieces)

    async def _yield_to_short_replies(self) -> None:
        async with self._turn:
            await asyncio.sleep(0)


def _pieces(message: Message) -> Iterator[Message]:
    if message["type"] != "http.response.body" or len(message.get("body", b"")) <= PIECE_BYTES:
        yield message
        return
    body, more = message["body"], message.get("more_body", False)
    for start in range(0, len(body), PIECE_BYTES):
        last = start + PIECE_BYTES >= len(body)
        yield {
            "type": "http.response.body",
            "body": body[start : start + PIECE_BYTES],
            "more_body": more or not last,
        }
