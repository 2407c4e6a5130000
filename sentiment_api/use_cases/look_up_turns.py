"""How many look-ups may ask Postgres or the spool at once, and how many may wait for their turn.

Look-ups are whatever clients read of what is logged or judged: one prediction, lists, drift reports. They share one
pool of connections with what the service cannot do without: feedback, shipping, keys, the chores.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from sentiment_api.errors import LookUpsOverloaded

MAX_AT_ONCE = 4
"""Of a millisecond each: all that a core answers."""
_SHARE = 3
"""Look-ups use one in so many connections, so that others find one free. While Postgres is away, who has to wait for
one waits until the time-out: one that cannot be made wakes nobody."""
MAX_LOOK_UPS = 64
"""How many may be in the service, those that wait among them."""
DEADLINE_S = 5.0
"""How long one may wait for its turn."""
_WEIGHT = 0.1
"""Of the newest look-up in the average of how long they take."""


class LookUpTurns:
    """Gives turns, in the order in which they are asked for. Lives on the event loop."""

    def __init__(self, connections: int, *, max_look_ups: int = MAX_LOOK_UPS, deadline_s: float = DEADLINE_S) -> None:
        """`connections` is how many the process may have, for look-ups and everything else."""
        self._turns = asyncio.Semaphore(max(1, min(MAX_AT_ONCE, connections // _SHARE)))
        self._free = max_look_ups
        self._deadline_s = deadline_s
        self._usual_s = 0.0

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold a turn, which may have to be waited for, while a look-up goes on. Not within another one.

        Raises:
            LookUpsOverloaded: too many wait already, or the turn does not come before the deadline.
        """
        if self._free == 0:
            raise LookUpsOverloaded("Too many look-ups are waiting; try again later.", self._usual_s)
        self._free -= 1
        started = time.monotonic()
        try:
            await self._wait()
            try:
                yield
            finally:
                self._turns.release()
        finally:
            self._free += 1
            self._usual_s += _WEIGHT * (time.monotonic() - started - self._usual_s)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._turns.acquire()
        except TimeoutError as error:
            message = "The look-up did not get its turn in time; try again later."
            raise LookUpsOverloaded(message, self._usual_s) from error
