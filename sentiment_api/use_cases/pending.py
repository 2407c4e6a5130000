"""Which predictions may be on their way to Postgres, by the time in their ids."""

import datetime as dt
import time
from uuid import UUID

from sentiment_api.database.partitions import milliseconds_of


class PendingWindow:
    """How long Postgres may not yet know a prediction that was really given."""

    def __init__(self, window: dt.timedelta) -> None:
        """Keep the length."""
        self._milliseconds = window / dt.timedelta(milliseconds=1)

    def covers(self, prediction_id: UUID) -> bool:
        """Return whether an id is so young; not those that are from the future, or that the service never makes."""
        if prediction_id.version != 7:
            return False
        # In milliseconds, not as a moment: an id may name a year that no calendar has.
        return abs(1000 * time.time() - milliseconds_of(prediction_id)) < self._milliseconds
