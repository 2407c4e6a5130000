"""How many look-ups there may be, how long each may wait for the spool, and the thread that reads it for them.

The thread is their own: what shipping, feedback and the chores need is free, however many look-ups there are.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from uuid import UUID

from sentiment_api.errors import LookUpsOverloaded
from sentiment_api.prediction_log.look_ups.spool_reader import SpooledPrediction, SpoolReader

MAX_LOOK_UPS = 64
"""How many may be in the service at once, those that wait for Postgres among them."""
DEADLINE_S = 5.0
"""How long one may wait for what the spool holds. Postgres has its own limit, SENTIMENT_READ_TIMEOUT_S."""
_FULL = "Too many look-ups are waiting; try again later."
_LATE = "The prediction log could not be read in time; try again later."
_WEIGHT = 0.1
"""Of the newest look-up in the average of how long they take."""


class LookUpPool:
    """Admits look-ups and reads the spool for them. Lives on the event loop."""

    def __init__(
        self,
        reader: SpoolReader,
        executor: Executor,
        *,
        max_look_ups: int = MAX_LOOK_UPS,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """`executor` reads the spool and does nothing else. One thread is enough: two would wait for each other."""
        self._reader = reader
        self._executor = executor
        self._free = max_look_ups
        self._deadline_s = deadline_s
        self._usual_s = 0.0

    @contextlib.contextmanager
    def admitted(self) -> Iterator[None]:
        """Hold one of the places while a look-up goes on.

        Raises:
            LookUpsOverloaded: there is no place.
        """
        if self._free == 0:
            raise LookUpsOverloaded(_FULL, self._usual_s)
        self._free -= 1
        started = time.monotonic()
        try:
            yield
        finally:
            self._free += 1
            self._usual_s += _WEIGHT * (time.monotonic() - started - self._usual_s)

    async def spooled(self, prediction_id: UUID) -> SpooledPrediction:
        """Return what the spool holds of a prediction. Look-ups take turns while the index is made.

        Raises:
            LookUpsOverloaded: that is not known before the deadline. What was read for the index stays read.
        """
        try:
            async with asyncio.timeout(self._deadline_s):
                while (found := await self._read(prediction_id)) is None:
                    pass
        except TimeoutError as error:
            raise LookUpsOverloaded(_LATE, self._usual_s) from error
        return found

    async def _read(self, prediction_id: UUID) -> SpooledPrediction | None:
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._reader.find, prediction_id)
