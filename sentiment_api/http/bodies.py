"""Request bodies: each is read whole, within a time and a size, before the request takes anything else."""

import asyncio
from typing import Final

from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, ReceiveMessage, Scope, Send

from sentiment_api.errors import BodyTooSlow, ClientGone
from sentiment_api.request_state import BODY_BYTES, RECEIVE

_METHODS_WITHOUT_BODY: Final = ("GET", "HEAD", "OPTIONS")


class BodyMiddleware(ASGIMiddleware):
    """Reads the body of a request before anything behind it runs. A slow client holds only its own connection."""

    def __init__(self, timeout_s: float, max_bytes: int) -> None:
        """Reading stops after `max_bytes`. Each route refuses bodies over its own limit, as Litestar checks it."""
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass the request on once its body has arrived; note its size in the state.

        Raises:
            BodyTooSlow: it did not arrive in time. Half a request must not keep the process from stopping.
            ClientGone: the client disconnected before the end.
        """
        if scope.get("method") in _METHODS_WITHOUT_BODY:
            await next_app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                messages = await self._read(receive)
        except TimeoutError:
            raise BodyTooSlow(f"The body did not arrive within {self._timeout_s:g} s.") from None
        if messages[-1]["type"] == "http.disconnect":
            raise ClientGone("The body broke off before it was whole.")
        scope["state"][BODY_BYTES] = sum(map(_size, messages))
        scope["state"][RECEIVE] = receive
        await next_app(scope, _ReplayedBody(messages, receive), send)

    async def _read(self, receive: Receive) -> list[ReceiveMessage]:
        messages: list[ReceiveMessage] = []
        size = 0
        while size <= self._max_bytes:
            message = await receive()
            messages.append(message)
            if message["type"] != "http.request" or not message.get("more_body"):
                break
            size += _size(message)
        return messages


class _ReplayedBody:
    """A `receive` that returns the messages read before, then those that follow."""

    def __init__(self, messages: list[ReceiveMessage], receive: Receive) -> None:
        self._messages = iter(messages)
        self._receive = receive

    async def __call__(self) -> ReceiveMessage:
        return next(self._messages, None) or await self._receive()


def _size(message: ReceiveMessage) -> int:
    return len(message.get("body", b"")) if message["type"] == "http.request" else 0
