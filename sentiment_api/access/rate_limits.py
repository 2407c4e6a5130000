"""How much each key may ask of the model: a bucket of tokens in Postgres, of which every process leases slices.

The bucket holds `tokens_per_minute` and fills at that rate. A process takes a twentieth of it at a time and spends it
by itself, so Postgres is asked once for many requests, and all processes together give no more than the bucket had. A
request is let in while something is left beside what is put aside for those in the service; its own estimate is put
aside, and its count is what it costs in the end. What that is too much is owed: with the next lease it stands in the
bucket, and all processes wait until it is paid.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable
from typing import Final

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.access.authentication import KEY
from sentiment_api.access.key_table import lease_tokens
from sentiment_api.access.keys import Key
from sentiment_api.errors import DatabaseAway, RateLimited
from sentiment_api.http.admission import LANE, TICKET
from sentiment_api.inference.capacity import Ticket

_SLICE: Final = 1 / 20
_WINDOW_S: Final = 60
_PAUSE_S: Final = 1.0
"""Between two leases of a key that has used up all that there is."""
_AWAY_S: Final = 10.0
"""How long Postgres is not asked again after it did not answer: while it hangs, each lease would hold up replies."""


class Budget:
    """What one process has of one key's bucket, in tokens."""

    def __init__(self, now: float) -> None:
        """Have nothing yet."""
        self.left = 0.0
        """Leased and not spent; below 0 it is owed."""
        self.aside = 0.0
        """The estimates of the requests that are in the service."""
        self.elsewhere = 0.0
        """What the bucket had at the last lease; below 0 it is owed by all processes together."""
        self.leased_at = now - _WINDOW_S
        self.ask_at = now
        """Before this the bucket cannot have anything to lease."""
        self.leasing = asyncio.Lock()

    @property
    def free(self) -> float:
        """What another request may be let in on."""
        return self.left - self.aside

    def wait_s(self, limit: int, now: float) -> float:
        """Return how long it takes to bring what is missing, if all that is in the service costs as expected."""
        missing = 1.0 - self.free - min(0.0, self.elsewhere)
        return max(1.0, missing * _WINDOW_S / limit - (now - self.leased_at))


class Budgets:
    """The budgets of one process. Lives on the event loop."""

    def __init__(self, engine: AsyncEngine, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds."""
        self._engine = engine
        self._clock = clock
        self._budgets: dict[str, Budget] = {}
        self._away_until = clock()
        self._giving_back: set[asyncio.Task[None]] = set()  # a task that nobody holds may vanish

    async def take(self, key: Key, estimate: float) -> None:
        """Put so many tokens aside for a request of this key.

        Raises:
            RateLimited: nothing is left.
        """
        limit = key.tokens_per_minute or 0
        budget = self._budgets.setdefault(key.key_id, Budget(self._clock()))
        if budget.free <= 0:
            async with budget.leasing:
                if budget.free <= 0 and self._clock() >= budget.ask_at:
                    await self._lease(key.key_id, limit, budget)
        if budget.free <= 0:
            raise RateLimited(
                f"The key may ask {limit} tokens a minute, and has.",
                retry_after_s=budget.wait_s(limit, self._clock()),
                headers=self.headers(key),
            )
        budget.aside += estimate

    def settle(self, key: Key, estimate: float, spent: int) -> None:
        """Replace what was put aside by what the request took."""
        budget = self._budgets[key.key_id]
        budget.aside -= estimate
        budget.left -= spent
        if budget.free > 2 * _SLICE * (key.tokens_per_minute or 0):
            task = asyncio.get_running_loop().create_task(self._give_back(key, budget))
            self._giving_back.add(task)
            task.add_done_callback(self._giving_back.discard)

    def headers(self, key: Key) -> dict[str, str]:
        """Return the headers of draft-ietf-httpapi-ratelimit-headers: the policy, what is left, when it is full."""
        limit, budget = key.tokens_per_minute or 0, self._budgets[key.key_id]
        left = min(limit, max(0, math.floor(budget.free + budget.elsewhere)))
        full_in_s = math.ceil((limit - left) * _WINDOW_S / limit)
        return {
            "RateLimit-Policy": f'"tokens";q={limit};w={_WINDOW_S};qu="tokens"',
            "RateLimit": f'"tokens";r={left};t={full_in_s}',
        }

    async def _give_back(self, key: Key, budget: Budget) -> None:
        """Put all but a slice back into the bucket: a request took far less than was leased for it."""
        async with budget.leasing:
            spare = budget.free - _SLICE * (key.tokens_per_minute or 0)
            if spare > 0 and self._clock() >= self._away_until:
                budget.left -= spare
                with contextlib.suppress(DatabaseAway):
                    _, budget.elsewhere = await lease_tokens(self._engine, key.key_id, 0.0, -spare)

    async def _lease(self, key_id: str, limit: int, budget: Budget) -> None:
        """Take a slice beside what is put aside, and have what is owed stand in the bucket, for all processes."""
        wanted = limit * _SLICE + budget.aside - max(0.0, budget.left)
        if self._clock() < self._away_until or not await self._lease_of_all(key_id, budget, wanted):
            self._lease_alone(limit, budget, wanted)
        budget.leased_at = self._clock()
        if budget.free <= 0:
            budget.ask_at = self._clock() + max(_PAUSE_S, -budget.elsewhere * _WINDOW_S / limit)

    async def _lease_of_all(self, key_id: str, budget: Budget, wanted: float) -> bool:
        """Take from the bucket; return whether Postgres answered."""
        owed = -min(0.0, budget.left)
        try:
            granted, budget.elsewhere = await lease_tokens(self._engine, key_id, wanted, owed)
        except DatabaseAway:
            self._away_until = self._clock() + _AWAY_S
            return False
        budget.left += owed + granted  # others may have been settled meanwhile
        return True

    def _lease_alone(self, limit: int, budget: Budget, wanted: float) -> None:
        """Give the key all of its rate, as each process does while Postgres is away."""
        passed_s = min(_WINDOW_S, self._clock() - budget.leased_at)
        budget.left += min(wanted - min(0.0, budget.left), passed_s * limit / _WINDOW_S)
        budget.elsewhere = 0.0


class Meter(ASGIMiddleware):
    """Counts what keys with a limit ask of the model. It stands where the body has been read, so its size is known."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, budgets: Budgets, expected_tokens: Callable[[Scope], int]) -> None:
        """`expected_tokens` says about how many a request asks of the model."""
        self._budgets = budgets
        self._expected_tokens = expected_tokens

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Let the request in if its key has something left.

        Raises:
            RateLimited: it has not.
        """
        key: Key | None = scope["state"].get(KEY)
        if key is None or key.tokens_per_minute is None or LANE not in scope["route_handler"].opt:
            await next_app(scope, receive, send)
            return
        estimate = self._expected_tokens(scope)
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
