"""Rate limits per API key, in tokens of the model: a bucket in Postgres, from which each process leases tokens.

A bucket holds `tokens_per_minute` and fills at that rate. A process leases a twentieth of it at a time, so one query
covers many requests, and all processes together give out no more than the bucket holds. A request is admitted while
tokens are available beyond what is reserved for requests in progress. Its estimate is reserved; its real count is
debited in the end. If a request costs more than estimated, the excess is debited at the next lease, and all processes
wait until it is repaid.
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

from sentiment_api.access.key_table import lease_tokens
from sentiment_api.access.keys import Key
from sentiment_api.errors import DatabaseAway, RateLimited
from sentiment_api.http.admission import LANE
from sentiment_api.inference.capacity import Ticket
from sentiment_api.request_state import KEY, TICKET

_SLICE: Final = 1 / 20
_WINDOW_S: Final = 60
_PAUSE_S: Final = 1.0
"""Between two leases of a key whose bucket is empty."""
_DATABASE_RETRY_S: Final = 10.0
"""How long Postgres is not asked after it failed to answer: while it hangs, each lease would delay replies."""


class LeasedTokens:
    """What one process has leased from the bucket of one key, in tokens."""

    def __init__(self, now: float) -> None:
        self.balance = 0.0
        """Leased and not spent. Below 0 it is debt."""
        self.reserved = 0.0
        """The estimates of the requests in progress."""
        self.in_bucket = 0.0
        """What the bucket held at the last lease. Below 0 it is the debt of all processes together."""
        self.leased_at = now - _WINDOW_S
        self.ask_at = now
        """Before this time the bucket cannot have any tokens."""
        self.leasing = asyncio.Lock()

    @property
    def available(self) -> float:
        """The tokens on which another request may be admitted."""
        return self.balance - self.reserved

    def wait_s(self, limit: int, now: float) -> float:
        """Return the seconds until a token is available, if all requests in progress cost as estimated."""
        missing = 1.0 - self.available - min(0.0, self.in_bucket)
        return max(1.0, missing * _WINDOW_S / limit - (now - self.leased_at))


class RateLimiter:
    """The leased tokens of all keys in one process. Lives on the event loop."""

    def __init__(self, engine: AsyncEngine, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns seconds."""
        self._engine = engine
        self._clock = clock
        self._leased: dict[str, LeasedTokens] = {}
        self._database_away_until = clock()
        self._returning: set[asyncio.Task[None]] = set()  # asyncio keeps only weak references to tasks

    async def reserve(self, key: Key, estimate: float) -> None:
        """Reserve `estimate` tokens for a request with this key.

        Raises:
            RateLimited: none are available.
        """
        limit = key.tokens_per_minute or 0
        leased = self._leased.setdefault(key.key_id, LeasedTokens(self._clock()))
        if leased.available <= 0:
            async with leased.leasing:
                if leased.available <= 0 and self._clock() >= leased.ask_at:
                    await self._lease(key.key_id, limit, leased)
        if leased.available <= 0:
            raise RateLimited(
                f"The key may ask {limit} tokens a minute, and has.",
                retry_after_s=leased.wait_s(limit, self._clock()),
                headers=self.headers(key),
            )
        leased.reserved += estimate

    def settle(self, key: Key, estimate: float, spent: int) -> None:
        """Release the reserved estimate of a request and debit what it really spent."""
        leased = self._leased[key.key_id]
        leased.reserved -= estimate
        leased.balance -= spent
        if leased.available > 2 * _SLICE * (key.tokens_per_minute or 0):
            task = asyncio.get_running_loop().create_task(self._return_surplus(key, leased))
            self._returning.add(task)
            task.add_done_callback(self._returning.discard)

    def headers(self, key: Key) -> dict[str, str]:
        """Return the headers of draft-ietf-httpapi-ratelimit-headers: the policy, the rest, and when it is full."""
        limit, leased = key.tokens_per_minute or 0, self._leased[key.key_id]
        left = min(limit, max(0, math.floor(leased.available + leased.in_bucket)))
        full_in_s = math.ceil((limit - left) * _WINDOW_S / limit)
        return {
            "RateLimit-Policy": f'"tokens";q={limit};w={_WINDOW_S};qu="tokens"',
            "RateLimit": f'"tokens";r={left};t={full_in_s}',
        }

    async def _return_surplus(self, key: Key, leased: LeasedTokens) -> None:
        """Return all but a slice to the bucket: a request spent far less than was leased for it."""
        async with leased.leasing:
            surplus = leased.available - _SLICE * (key.tokens_per_minute or 0)
            if surplus > 0 and self._clock() >= self._database_away_until:
                leased.balance -= surplus
                with contextlib.suppress(DatabaseAway):
                    _, leased.in_bucket = await lease_tokens(self._engine, key.key_id, 0.0, -surplus)

    async def _lease(self, key_id: str, limit: int, leased: LeasedTokens) -> None:
        """Lease a slice beyond what is reserved, and debit this process's debt from the bucket."""
        wanted = limit * _SLICE + leased.reserved - max(0.0, leased.balance)
        if self._clock() < self._database_away_until or not await self._lease_from_bucket(key_id, leased, wanted):
            self._lease_locally(limit, leased, wanted)
        leased.leased_at = self._clock()
        if leased.available <= 0:
            leased.ask_at = self._clock() + max(_PAUSE_S, -leased.in_bucket * _WINDOW_S / limit)

    async def _lease_from_bucket(self, key_id: str, leased: LeasedTokens, wanted: float) -> bool:
        """Lease from the bucket in Postgres; return whether Postgres answered."""
        debt = -min(0.0, leased.balance)
        try:
            granted, leased.in_bucket = await lease_tokens(self._engine, key_id, wanted, debt)
        except DatabaseAway:
            self._database_away_until = self._clock() + _DATABASE_RETRY_S
            return False
        leased.balance += debt + granted  # other requests may have been settled meanwhile
        return True

    def _lease_locally(self, limit: int, leased: LeasedTokens, wanted: float) -> None:
        """Give the key its full rate in this process, as every process does while Postgres is away."""
        passed_s = min(_WINDOW_S, self._clock() - leased.leased_at)
        leased.balance += min(wanted - min(0.0, leased.balance), passed_s * limit / _WINDOW_S)
        leased.in_bucket = 0.0


class RateLimitMiddleware(ASGIMiddleware):
    """Applies the limits of keys to routes that use the model. It runs after the body is read: its size is needed."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, limiter: RateLimiter, expected_tokens: Callable[[Scope], int]) -> None:
        """`expected_tokens` estimates how many tokens a request will cost."""
        self._limiter = limiter
        self._expected_tokens = expected_tokens

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass the request on if its key has tokens available.

        Raises:
            RateLimited: it has none.
        """
        key: Key | None = scope["state"].get(KEY)
        if key is None or key.tokens_per_minute is None or LANE not in scope["route_handler"].opt:
            await next_app(scope, receive, send)
            return
        estimate = self._expected_tokens(scope)
        await self._limiter.reserve(key, estimate)
        settled = False

        def settle() -> None:
            nonlocal settled
            if not settled:
                ticket: Ticket | None = scope["state"].get(TICKET)
                self._limiter.settle(key, estimate, ticket.counted if ticket else 0)
            settled = True

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                settle()
                ours = self._limiter.headers(key).items()
                message["headers"] = [
                    *message["headers"],
                    *((name.lower().encode(), value.encode()) for name, value in ours),
                ]
            await send(message)

        try:
            await next_app(scope, receive, send_with_headers)
        finally:
            settle()
