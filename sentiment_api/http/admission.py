"""Admission: whether there is room for a request that uses the model, before it takes a thread.

There is a thread for every place and a place for every admitted request, so no request waits for a thread unnoticed. A
place and a share of the queue are taken after the body has arrived and released before the reply is sent: a slow client
holds only its own connection. If a client disconnects, its work is taken out of the queue.
"""

import asyncio
import re

from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from sentiment_api.errors import FieldError, RequestInvalid
from sentiment_api.inference.capacity import Capacity, Lane, Ticket
from sentiment_api.request_state import BODY_BYTES, RECEIVE, TICKET

LANE = "lane"
"""The key in a route's `opt` whose value is the lane in which its requests are admitted."""
DEADLINE_HEADER = "X-Request-Deadline-Ms"
MAX_DEADLINE_MS = 600_000

_MILLISECONDS = re.compile(rb"[1-9][0-9]{0,5}")


class Admission(ASGIMiddleware):
    """Refuses requests for which there is no room. Lives on the event loop, so counting places needs no lock."""

    def __init__(
        self, capacity: Capacity, *, places: int, max_texts: dict[Lane, int], timeout_s: dict[Lane, float]
    ) -> None:
        """`max_texts` and `timeout_s` are, for each lane, the most texts and the longest deadline of a request."""
        self.should_bypass_for_scope = _uses_no_model
        self._capacity = capacity
        self._free = places
        self._max_texts = max_texts
        self._timeout_s = timeout_s

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass the request on if there is room for it; note its ticket in the state.

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
        watch = asyncio.create_task(_abandon_when_gone(scope["state"][RECEIVE], ticket))
        try:
            await next_app(scope, receive, send_without_place)
        finally:
            watch.cancel()
            give_back()

    def expected_tokens(self, scope: Scope) -> int:
        """Return how many tokens a request will cost, by the size of its body, which has been read."""
        _, size, texts = self._asked(scope)
        return self._capacity.expected_tokens(size, texts)

    def _asked(self, scope: Scope) -> tuple[Lane, int, int]:
        """Return the lane, the bytes of the body, and the most texts that it may hold."""
        lane: Lane = scope["route_handler"].opt[LANE]
        return lane, scope["state"].get(BODY_BYTES, 0), self._max_texts[lane]

    def _admit(self, scope: Scope) -> Ticket:
        lane, size, texts = self._asked(scope)
        timeout_s = min(self._timeout_s[lane], _asked_deadline_s(scope))
        if self._free == 0:
            raise self._capacity.refusal("Too many requests are waiting for the model.", lane, size, texts)
        return self._capacity.admit(lane, size, texts, timeout_s)


async def _abandon_when_gone(receive: Receive, ticket: Ticket) -> None:
    """Cancel the work once the client disconnects: nobody would read the answer."""
    message = await receive()
    if message["type"] == "http.disconnect":
        ticket.abandon()


def _asked_deadline_s(scope: Scope) -> float:
    """Return the deadline that the client set, in seconds from now; infinity if it set none."""
    name = DEADLINE_HEADER.lower().encode()
    given = next((value for header, value in scope["headers"] if header == name), None)
    if given is None:
        return float("inf")
    if not _MILLISECONDS.fullmatch(given) or int(given) > MAX_DEADLINE_MS:
        message = f"expected whole milliseconds from 1 to {MAX_DEADLINE_MS}, such as 2500"
        raise RequestInvalid([FieldError(DEADLINE_HEADER, message)])
    return int(given) / 1000


def _uses_no_model(scope: Scope) -> bool:
    return LANE not in scope["route_handler"].opt
