"""What happens before a request takes a thread: its body arrives whole and in time, and there is a place for it.

There are as many places as requests may wait for the model at once, and at least as many threads, so nothing waits for
a thread unseen. A place is taken after the body has come and given back before the reply goes out: a slow client holds
its own connection and nothing else.
"""

import asyncio

from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, ReceiveMessage, Scope, Send

from sentiment_api.batching import Batcher
from sentiment_api.errors import BodyTooSlow, Overloaded

NEEDS_MODEL = "needs_model"
"""The key of a route's `opt` that puts it under admission."""

_METHODS_WITHOUT_BODY = ("GET", "HEAD", "OPTIONS")


class WholeBody(ASGIMiddleware):
    """Reads the body before anything else happens, within a time."""

    def __init__(self, timeout_s: float, max_bytes: int) -> None:
        """Reading ahead ends after `max_bytes`; what is longer than its route takes is refused further in."""
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Run the request when its body is there.

        Raises:
            BodyTooSlow: it did not come in time. Half a request must not keep the process from stopping.
        """
        if scope.get("method") in _METHODS_WITHOUT_BODY:
            await next_app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                messages = await self._read(receive)
        except TimeoutError:
            raise BodyTooSlow(f"The body did not arrive within {self._timeout_s:g} s.") from None
        await next_app(scope, _replayed(messages, receive), send)

    async def _read(self, receive: Receive) -> list[ReceiveMessage]:
        messages: list[ReceiveMessage] = []
        size = 0
        while size <= self._max_bytes:
            message = await receive()
            messages.append(message)
            if message["type"] != "http.request" or not message.get("more_body"):
                break
            size += len(message.get("body", b""))
        return messages


class Admission(ASGIMiddleware):
    """Refuses what would be one request too many. Lives on the event loop, so its count needs no lock."""

    def __init__(self, places: int, batcher: Batcher) -> None:
        """`batcher` tells how long what waits will take."""
        self.should_bypass_for_scope = _needs_no_model
        self._free = places
        self._batcher = batcher

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Run the request if a place is free.

        Raises:
            Overloaded: none is.
        """
        if self._free == 0:
            raise Overloaded("Too many requests are waiting for the model.", self._batcher.wait_s())
        self._free -= 1
        held = True

        def give_back() -> None:
            nonlocal held
            self._free += held
            held = False

        async def send_without_place(message: Message) -> None:
            give_back()
            await send(message)

        try:
            await next_app(scope, receive, send_without_place)
        finally:
            give_back()


def _needs_no_model(scope: Scope) -> bool:
    return NEEDS_MODEL not in scope["route_handler"].opt


def _replayed(messages: list[ReceiveMessage], receive: Receive) -> Receive:
    """Return a `receive` that gives `messages` first."""
    waiting = iter(messages)

    async def receive_again() -> ReceiveMessage:
        for message in waiting:
            return message
        return await receive()

    return receive_again
