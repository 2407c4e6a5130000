"""What happens before a request takes a thread: its body arrives whole and in time, and there is room for it.

There is a thread for every place and a place for every admitted request, so nothing waits for a thread unseen. A place
and a share of the work are taken after the body has come and given back before the reply goes out: a slow client
holds its own connection and nothing else. A client that goes away takes what it asked for out of the queue.
"""

import asyncio
import re

from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, ReceiveMessage, Scope, Send

from sentiment_api.errors import BodyTooSlow, ClientGone, FieldError, RequestInvalid
from sentiment_api.inference.capacity import Capacity, Lane, Ticket

LANE = "lane"
"""The key of a route's `opt` that puts it under admission, in this lane."""
TICKET = "ticket"
"""The key of a request's state under which an admitted request finds its ticket."""
DEADLINE_HEADER = "X-Request-Deadline-Ms"
MAX_DEADLINE_MS = 600_000

_MILLISECONDS = re.compile(rb"[1-9][0-9]{0,5}")
_METHODS_WITHOUT_BODY = ("GET", "HEAD", "OPTIONS")
_BODY_BYTES = "body_bytes"
_REST = "rest"
"""Where the state has the server's `receive`: the body having been read, it tells of the client's going."""


class BodyMiddleware(ASGIMiddleware):
    """Reads the body before anything else happens, within a time."""

    def __init__(self, timeout_s: float, max_bytes: int) -> None:
        """Reading ahead ends after `max_bytes`; what is longer than its route takes is refused further in."""
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Run the request when its body is there.

        Raises:
            BodyTooSlow: it did not come in time. Half a request must not keep the process from stopping.
            ClientGone: it broke off.
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
        scope["state"][_BODY_BYTES] = sum(map(_size, messages))
        scope["state"][_REST] = receive
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


class Admission(ASGIMiddleware):
    """Refuses what would be too much. Lives on the event loop, so its count of places needs no lock."""

    def __init__(
        self, capacity: Capacity, *, places: int, max_texts: dict[Lane, int], timeout_s: dict[Lane, float]
    ) -> None:
        """`max_texts` and `timeout_s` are what a request of each lane may hold and how long it may wait at most."""
        self.should_bypass_for_scope = _needs_no_model
        self._capacity = capacity
        self._free = places
        self._max_texts = max_texts
        self._timeout_s = timeout_s

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Run the request if there is room for it.

        Raises:
            RequestInvalid: its deadline is not a number of milliseconds.
            Overloaded: there is no room.
        """
        ticket = self._admit(scope)
        self._free -= 1
        held = True

        def give_back() -> None:
            nonlocal held
            self._free += held
            held = False
            ticket.release()

        async def send_without_place(message: Message) -> None:
            give_back()
            await send(message)

        scope["state"][TICKET] = ticket
        watch = asyncio.create_task(_abandon_when_gone(scope["state"][_REST], ticket))
        try:
            await next_app(scope, receive, send_without_place)
        finally:
            watch.cancel()
            give_back()

    def expected_tokens(self, scope: Scope) -> int:
        """Return about how many tokens a request under admission asks of the model; its body has been read."""
        _, size, texts = self._asked(scope)
        return self._capacity.expected_tokens(size, texts)

    def _asked(self, scope: Scope) -> tuple[Lane, int, int]:
        """Return the lane, the bytes of the body and how many texts may be in it."""
        lane: Lane = scope["route_handler"].opt[LANE]
        return lane, scope["state"].get(_BODY_BYTES, 0), self._max_texts[lane]

    def _admit(self, scope: Scope) -> Ticket:
        lane, size, texts = self._asked(scope)
        timeout_s = min(self._timeout_s[lane], _asked_deadline_s(scope))
        if self._free == 0:
            raise self._capacity.refusal("Too many requests are waiting for the model.", lane, size, texts)
        return self._capacity.admit(lane, size, texts, timeout_s)


async def _abandon_when_gone(receive: Receive, ticket: Ticket) -> None:
    """Cancel the work of a client that hangs up: it would get an answer that nobody reads."""
    message = await receive()
    if message["type"] == "http.disconnect":
        ticket.abandon()


def _asked_deadline_s(scope: Scope) -> float:
    """Return how long the client wants to wait, in seconds; infinity when it does not say."""
    name = DEADLINE_HEADER.lower().encode()
    given = next((value for header, value in scope["headers"] if header == name), None)
    if given is None:
        return float("inf")
    if not _MILLISECONDS.fullmatch(given) or int(given) > MAX_DEADLINE_MS:
        message = f"expected whole milliseconds from 1 to {MAX_DEADLINE_MS}, such as 2500"
        raise RequestInvalid([FieldError(DEADLINE_HEADER, message)])
    return int(given) / 1000


def _needs_no_model(scope: Scope) -> bool:
    return LANE not in scope["route_handler"].opt


def _size(message: ReceiveMessage) -> int:
    return len(message.get("body", b"")) if message["type"] == "http.request" else 0


class _ReplayedBody:
    """A `receive` that gives the messages that were read before, and then what comes."""

    def __init__(self, messages: list[ReceiveMessage], rest: Receive) -> None:
        """Keep both; `rest` is what the server gave."""
        self._messages = iter(messages)
        self._rest = rest

    async def __call__(self) -> ReceiveMessage:
        """Return the next message."""
        return next(self._messages, None) or await self._rest()
