"""How many look-ups there may be, how long each may wait for the spool, and the thread that reads it for them.

The thread is their own: what shipping, feedback and the chores need is free, however many look-ups there are.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from uuid import UUID

from sentiment_api.errors import LookUpsOverloaded
from sentiment_api.prediction_log.look_ups.spool_reader import SpooledPrediction, SpoolReader

MAX_AT_ONCE = 8
"""How many may ask Postgres or the spool at once: about half of the connections, so that others find one free. While
Postgres is away, who has to wait for a connection waits until the time-out."""
MAX_LOOK_UPS = 64
"""How many may be in the service, those that wait for their turn among them."""
DEADLINE_S = 5.0
"""How long one may wait for its turn, and then for the spool. Postgres has its own limit, SENTIMENT_READ_TIMEOUT_S."""
_FULL = "Too many look-ups are waiting; try again later."
_LATE = "The look-up did not get its turn in time; try again later."
_WEIGHT = 0.1
"""Of the newest look-up in the average of how long they take."""


class LookUpPool:
    """Admits look-ups and reads the spool for them. Lives on the event loop."""

    def __init__(
        self,
        reader: SpoolReader,
        executor: Executor,
        *,
        max_at_once: int = MAX_AT_ONCE,
        max_look_ups: int = MAX_LOOK_UPS,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """`executor` reads the spool and does nothing else. One thread is enough: two would wait for each other."""
        self._reader = reader
        self._executor = executor
        self._turns = asyncio.Semaphore(max_at_once)
        self._free = max_look_ups
        self._deadline_s = deadline_s
        self._usual_s = 0.0

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold a turn, which may have to be waited for, while a look-up goes on.

        Raises:
            LookUpsOverloaded: too many wait already, or the turn does not come before the deadline.
        """
        if self._free == 0:
            raise LookUpsOverloaded(_FULL, self._usual_s)
        self._free -= 1
        started = time.monotonic()
        try:
            async with self._deadline():
                await self._turns.acquire()
            try:
                yield
            finally:
                self._turns.release()
        finally:
            self._free += 1
            self._usual_s += _WEIGHT * (time.monotonic() - started - self._usual_s)

    async def spooled(self, prediction_id: UUID) -> SpooledPrediction:
        """Return what the spool holds of a prediction. Look-ups take turns while the index is made.

        Raises:
            LookUpsOverloaded: that is not known before the deadline. What was read for the index stays read.
        """
        loop = asyncio.get_running_loop()
        async with self._deadline():
            while True:
                found = await loop.run_in_executor(self._executor, self._reader.find, prediction_id)
                if found is not None:
                    return found

    @contextlib.asynccontextmanager
    async def _deadline(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._deadline_s):
                yield
        except TimeoutError as error:
            raise LookUpsOverloaded(_LATE, self._usual_s) from error
