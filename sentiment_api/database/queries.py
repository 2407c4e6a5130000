"""What the service reads of the prediction log in Postgres, one function for each question."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, FromClause, Select, bindparam, func, select, true
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.connection import DATABASE_ERRORS, read_timeout_s
from sentiment_api.database.partitions import id_from
from sentiment_api.database.tables import CUSTOMER_SOURCES, feedback, predictions
from sentiment_api.errors import DatabaseAway

REPEAT_WINDOW = dt.timedelta(hours=24)
"""A prediction is a repeat when its idempotency key was used within this time before it."""
_ROWS_AT_ONCE = 500


class Selection(NamedTuple):
    """Which predictions, and how many of them."""

    product_id: str | None
    label: str | None
    sources: Sequence[str]
    start: dt.datetime | None
    end: dt.datetime | None
    """Exclusive."""
    before: UUID | None = None
    """Only smaller ids."""
    limit: int | None = None


async def find_prediction(engine: AsyncEngine, prediction_id: UUID) -> Mapping[str, Any] | None:
    """Return the row of one prediction by column, None when there is none.

    Raises:
        DatabaseAway: Postgres does not answer in time.
    """
    rows = await read_rows(engine, select(predictions).where(predictions.c.prediction_id == prediction_id))
    return rows[0] if rows else None


async def has_prediction(engine: AsyncEngine, prediction_id: UUID) -> bool:
    """Return whether Postgres holds the prediction.

    Raises:
        DatabaseAway: Postgres does not answer in time.
    """
    query = select(predictions.c.prediction_id).where(predictions.c.prediction_id == prediction_id)
    return bool(await read_rows(engine, query))


async def find_feedback(engine: AsyncEngine, prediction_id: UUID) -> Mapping[str, Any] | None:
    """Return the latest feedback for a prediction by column, None when there is none.

    Raises:
        DatabaseAway: Postgres does not answer in time.
    """
    newest_first = (feedback.c.received_at.desc(), feedback.c.feedback_id.desc())
    query = select(feedback).where(feedback.c.prediction_id == prediction_id).order_by(*newest_first).limit(1)
    rows = await read_rows(engine, query)
    return rows[0] if rows else None


async def select_predictions(engine: AsyncEngine, selection: Selection) -> Sequence[Mapping[str, Any]]:
    """Return rows of predictions, newest first, with received_at, rating and feedback_label of the latest feedback.

    Those three are null where there is none.

    Raises:
        DatabaseAway: Postgres does not answer in time.
    """
    return await read_rows(engine, page_query(selection), "try again later, or ask for a shorter time")


def page_query(selection: Selection) -> Select[Any]:
    """Return the query of `select_predictions`: the page first, then the feedback for its rows and no others."""
    newest_first = predictions.c.prediction_id.desc()
    page = select(predictions).where(*_conditions(selection)).order_by(newest_first).limit(selection.limit).subquery()
    latest = latest_feedback(page)
    both = page.outerjoin(latest, true())
    return select(*page.c, *latest.c).select_from(both).order_by(page.c.prediction_id.desc())


async def stream_feedback(
    engine: AsyncEngine, start: dt.datetime | None, end: dt.datetime | None
) -> AsyncIterator[Mapping[str, Any]]:
    """Yield customers' predictions that have feedback, oldest first, each with the latest: a few at once in memory.

    `start` is inclusive, `end` exclusive. The columns are prediction_id, text, product_id, moment (when the review was
    written, else when it was predicted), rating and label.

    Raises:
        DatabaseAway: Postgres does not answer.
    """
    latest = latest_feedback(predictions)
    moment = func.coalesce(predictions.c.event_timestamp, predictions.c.created_at).label("moment")
    columns = (predictions.c.prediction_id, predictions.c.text, predictions.c.product_id, moment)
    selection = Selection(None, None, CUSTOMER_SOURCES, start, end)
    query = (
        select(*columns, latest.c.rating, latest.c.feedback_label.label("label"))
        .select_from(predictions.join(latest, true()))
        .where(*_conditions(selection))
        .order_by(predictions.c.prediction_id)
        .execution_options(yield_per=_ROWS_AT_ONCE)
    )
    try:
        async with engine.connect() as connection:
            async for row in (await connection.stream(query)).mappings():
                yield dict(row)
    except DATABASE_ERRORS as error:
        raise DatabaseAway("The database does not respond; try again later.") from error


def latest_feedback(of: FromClause) -> FromClause:
    """Return the latest feedback for each row of `of`.

    Looked up for each row: the cost grows with the rows also when the planner's statistics are stale.
    """
    return (
        select(feedback.c.received_at, feedback.c.rating, feedback.c.label.label("feedback_label"))
        .where(feedback.c.prediction_id == of.c.prediction_id)
        .order_by(feedback.c.received_at.desc(), feedback.c.feedback_id.desc())
        .limit(1)
        .lateral()
    )


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


def _conditions(selection: Selection) -> list[ColumnElement[bool]]:
    table = predictions.c
    conditions: list[ColumnElement[bool]] = [table.source.in_(_written_out("sources", selection.sources))]
    if selection.product_id is not None:
        conditions.append(table.product_id == selection.product_id)
    if selection.label is not None:
        conditions.append(table.label == selection.label)
    if selection.start is not None:
        conditions.append(table.prediction_id >= id_from(selection.start))
    if selection.end is not None:
        conditions.append(table.prediction_id < id_from(selection.end))
    if selection.before is not None:
        conditions.append(table.prediction_id < selection.before)
    return conditions


def _written_out(name: str, values: Sequence[str]) -> BindParameter[Any]:
    """Return the values as part of the statement: only then does Postgres see which partial index they fit.

    They are names of ours, never a client's words.
    """
    return bindparam(name, list(values), expanding=True, literal_execute=True)


async def read_rows(
    engine: AsyncEngine, query: Select[Any], remedy: str = "try again later", timeout_s: float | None = None
) -> Sequence[Mapping[str, Any]]:
    """Return what one query finds, by column. In time means within `timeout_s`, by default SENTIMENT_READ_TIMEOUT_S.

    Raises:
        DatabaseAway: Postgres does not answer in time. The message ends with the remedy.
    """
    try:
        async with (
            asyncio.timeout(read_timeout_s(engine) if timeout_s is None else timeout_s),
            engine.connect() as connection,
        ):
            rows: Sequence[Mapping[str, Any]] = (await connection.execute(query)).mappings().all()
    except DATABASE_ERRORS as error:
        raise DatabaseAway(f"The database does not respond; {remedy}.") from error
    return rows
