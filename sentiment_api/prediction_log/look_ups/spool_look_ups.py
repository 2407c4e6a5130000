"""Look-ups in the spool from the event loop: on a thread of their own, and with a deadline.

What shipping, feedback and the chores need is free, however many look-ups there are.
"""

import asyncio
from concurrent.futures import Executor
from uuid import UUID

from sentiment_api.errors import FilesFailed, LookUpsOverloaded
from sentiment_api.prediction_log.look_ups.spool_reader import SpooledPrediction, SpoolReader

DEADLINE_S = 5.0
"""How long one may wait for what the spool holds: for those before it, and for the index."""
_RETRY_AFTER_S = 1.0


class SpoolLookUps:
    """Reads the spool for look-ups, which take turns while the index is made."""

    def __init__(self, reader: SpoolReader, executor: Executor, *, deadline_s: float = DEADLINE_S) -> None:
        """`executor` reads the spool and does nothing else. One thread is enough: two would wait for each other."""
        self._reader = reader
        self._executor = executor
        self._deadline_s = deadline_s

    async def find(self, prediction_id: UUID) -> SpooledPrediction:
        """Return what the spool holds of a prediction.

        Raises:
            LookUpsOverloaded: that is not known before the deadline, or a file that may tell cannot be read. What was
                read for the index stays read.
        """
        try:
            async with asyncio.timeout(self._deadline_s):
                while (found := await self._ask(prediction_id)) is None:
                    pass
        except (FilesFailed, TimeoutError) as error:
            message = "The prediction log could not be read in time; try again later."
            raise LookUpsOverloaded(message, _RETRY_AFTER_S) from error
        return found

    async def _ask(self, prediction_id: UUID) -> SpooledPrediction | None:
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._reader.find, prediction_id)
