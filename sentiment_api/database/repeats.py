"""Which predictions are repeats of a request: counted as well, one client that tries again would weigh for many."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select

from sentiment_api.database.tables import CUSTOMER_SOURCES, predictions

REPEAT_WINDOW = dt.timedelta(hours=24)
"""A prediction is a repeat when its idempotency key was used within this time before it."""


def repeats(first: UUID | None, end: UUID | None) -> Select[Any]:
    """Return the query for the ids, from `first` on and before `end`, of customers' predictions that are repeats.

    It looks back from `first` as well, so it also yields repeats that lie before it, though not all of them.
    """
    table = predictions.c
    within: list[ColumnElement[bool]] = [table.source.in_(CUSTOMER_SOURCES), table.idempotency_key.is_not(None)]
    if first is not None:
        milliseconds = REPEAT_WINDOW // dt.timedelta(milliseconds=1)
        within.append(table.prediction_id >= UUID(int=max(0, first.int - (milliseconds << 80))))
    if end is not None:
        within.append(table.prediction_id < end)
    key = (table.idempotency_key, table.api_key_name)
    previous = func.lag(table.created_at).over(partition_by=key, order_by=table.prediction_id).label("previous")
    keyed = select(table.prediction_id, table.created_at, previous).where(*within).subquery("keyed")
    return select(keyed.c.prediction_id).where(keyed.c.previous > keyed.c.created_at - REPEAT_WINDOW)
