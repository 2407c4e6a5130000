"""How much each key may ask of the model: a bucket of tokens in Postgres, of which every process leases slices.

The bucket holds `tokens_per_minute` and fills at that rate. A process takes a twentieth of it at a time and spends it
by itself, so Postgres is asked once for many requests, and all processes together give no more than the bucket had. A
request is let in while something is left, its estimate is put aside, and its count is what it costs in the end: what
that is too much is owed, and taken out of the next slice.
"""

import asyncio
import math
import time
from collections.abc import Callable
from typing import Final

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.admission import LANE, TICKET
from sentiment_api.capacity import Ticket
from sentiment_api.database.api_keys import lease_tokens
from sentiment_api.edge import KEY
from sentiment_api.errors import DatabaseAway, TooManyTokens
from sentiment_api.keys import Key

_SLICE: Final = 1 / 20
_WINDOW_S: Final = 60
_TOKENS_PER_BYTE: Final = 0.25
"""A first guess, until the tokens are counted: English has about four bytes to one."""


class Budget:
    """What one process has of one key's bucket."""

    def __init__(self, now: float) -> None:
        """Have nothing yet."""
        self.left = 0.0
        """Tokens leased and not spent; below 0 they are owed."""
        self.elsewhere = 0.0
        """What the bucket had at the last lease."""
        self.leased_at = now - _WINDOW_S
        self.empty_until = now
        self.leasing = asyncio.Lock()


class Budgets:
    """The budgets of one process. Lives on the event loop."""

    def __init__(self, engine: AsyncEngine, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds."""
        self._engine = engine
        self._clock = clock
        self._budgets: dict[str, Budget] = {}

    async def take(self, key: Key, estimate: float) -> None:
        """Put so many tokens aside for a request of this key.

        Raises:
            TooManyTokens: nothing is left.
        """
        budget = self._budgets.setdefault(key.key_id, Budget(self._clock()))
        if budget.left <= 0:
            async with budget.leasing:
                if budget.left <= 0 and self._clock() >= budget.empty_until:
                    await self._lease(key, budget)
        if budget.left <= 0:
            raise TooManyTokens(
                f"The key may ask {key.tokens_per_minute} tokens a minute, and has.",
                retry_after_s=max(1.0, budget.empty_until - self._clock()),
                headers=self.headers(key),
            )
        budget.left -= estimate

    def settle(self, key: Key, estimate: float, spent: int) -> None:
        """Replace what was put aside by what the request took."""
        self._budgets[key.key_id].left += estimate - spent

    def headers(self, key: Key) -> dict[str, str]:
        """Return the headers of draft-ietf-httpapi-ratelimit-headers: the policy, what is left, when it is full."""
        limit, budget = key.tokens_per_minute or 0, self._budgets[key.key_id]
        left = min(limit, max(0, math.floor(budget.left + budget.elsewhere)))
        full_in_s = math.ceil((limit - left) * _WINDOW_S / limit)
        return {
            "RateLimit-Policy": f'"tokens";q={limit};w={_WINDOW_S};qu="tokens"',
            "RateLimit": f'"tokens";r={left};t={full_in_s}',
        }

    async def _lease(self, key: Key, budget: Budget) -> None:
        """Take the next slice and what is owed; while Postgres is away each process gives the key all of its rate."""
        limit = key.tokens_per_minute or 0
        wanted = limit * _SLICE - budget.left
        try:
            granted, budget.elsewhere = await lease_tokens(self._engine, key.key_id, wanted)
        except DatabaseAway:
            passed_s = min(_WINDOW_S, self._clock() - budget.leased_at)
            granted, budget.elsewhere = min(wanted, passed_s * limit / _WINDOW_S), 0.0
        budget.leased_at = self._clock()
        budget.left += granted
        if budget.left <= 0:
            budget.empty_until = self._clock() + max(1.0, (1 - budget.left) * _WINDOW_S / limit)


class Meter(ASGIMiddleware):
    """Stands behind the doorkeeper and counts what keys with a limit ask of the model."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, budgets: Budgets) -> None:
        """Keep the budgets."""
        self._budgets = budgets

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Let the request in if its key has something left.

        Raises:
            TooManyTokens: it has not.
        """
        key: Key | None = scope["state"].get(KEY)
        if key is None or key.tokens_per_minute is None or LANE not in scope["route_handler"].opt:
            await next_app(scope, receive, send)
            return
        estimate = _estimate(scope)
        await self._budgets.take(key, estimate)
        settled = False

        def settle() -> None:
            nonlocal settled
            if not settled:
                ticket: Ticket | None = scope["state"].get(TICKET)
                self._budgets.settle(key, estimate, ticket.counted if ticket else 0)
            settled = True

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                settle()
                ours = self._budgets.headers(key).items()
                message["headers"] = [
                    *message["headers"],
                    *((name.lower().encode(), value.encode()) for name, value in ours),
                ]
            await send(message)

        try:
            await next_app(scope, receive, send_with_headers)
        finally:
            settle()


def _estimate(scope: Scope) -> float:
    """Return about how many tokens the body holds, as far as its length is told beforehand."""
    given = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return _TOKENS_PER_BYTE * int(given) if given.isdigit() else 0.0
