"""Finds logged predictions: one by its id, wherever it is, and pages of those that Postgres holds."""

import contextlib
import datetime as dt
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.partitions import created_at
from sentiment_api.database.queries import Selection, find_feedback, find_prediction, select_predictions
from sentiment_api.database.tables import CUSTOMER_SOURCES
from sentiment_api.errors import DatabaseAway, PredictionUnknown
from sentiment_api.prediction_log.look_ups.spool_look_ups import SpoolLookUps
from sentiment_api.prediction_log.look_ups.spool_reader import SpooledPrediction
from sentiment_api.prediction_log.records import PredictionRecord
from sentiment_api.schemas.predictions import Feedback, LoggedPrediction, PredictionPage, PredictionsQuery
from sentiment_api.schemas.service import ModelName
from sentiment_api.use_cases.look_up_turns import LookUpTurns
from sentiment_api.use_cases.pending import PendingWindow


class LookUpPrediction:
    """The use case."""

    def __init__(self, engine: AsyncEngine, turns: LookUpTurns, spooled: SpoolLookUps, pending: PendingWindow) -> None:
        """`pending` tells which ids are young enough to be looked for in the spool first."""
        self._engine = engine
        self._turns = turns
        self._spooled = spooled
        self._pending = pending

    async def find(self, prediction_id: UUID) -> LoggedPrediction:
        """Return what was logged, with the latest feedback.

        Raises:
            PredictionUnknown: neither the spool nor Postgres has it.
            DatabaseAway: the spool does not have it and Postgres does not answer.
            LookUpsOverloaded: too many others are looked up, or the spool cannot be read in time.
        """
        async with self._turns.turn():
            if self._pending.covers(prediction_id):
                return await self._in_spool_or_postgres(prediction_id)
            return await self._in_postgres_or_spool(prediction_id)

    async def _in_postgres_or_spool(self, prediction_id: UUID) -> LoggedPrediction:
        """Look an old id up, which the spool hardly has; and if Postgres does not have it either, as a young one."""
        try:
            row = await find_prediction(self._engine, prediction_id)
        except DatabaseAway:
            spooled = await self._spooled.find(prediction_id)
            if spooled.prediction is None:
                raise
            return _spooled_reply(spooled.prediction, _spooled_feedback(spooled))
        if row is None:
            return await self._in_spool_or_postgres(prediction_id)
        return await self._stored_reply(row, await self._spooled.find(prediction_id))

    async def _in_spool_or_postgres(self, prediction_id: UUID) -> LoggedPrediction:
        """Look an id up in the order that misses none: a record leaves the spool once Postgres has committed it."""
        spooled = await self._spooled.find(prediction_id)
        if spooled.prediction is not None:
            feedback = _spooled_feedback(spooled)
            if feedback is None:
                with contextlib.suppress(DatabaseAway):
                    feedback = await self._stored_feedback(prediction_id)
            return _spooled_reply(spooled.prediction, feedback)
        row = await find_prediction(self._engine, prediction_id)
        if row is None:
            raise PredictionUnknown("No prediction has this id.")
        return await self._stored_reply(row, spooled)

    async def _stored_reply(self, row: Mapping[str, Any], spooled: SpooledPrediction) -> LoggedPrediction:
        feedback = _spooled_feedback(spooled) or await self._stored_feedback(row["prediction_id"])
        return _reply(row, "stored", feedback)

    async def _stored_feedback(self, prediction_id: UUID) -> Feedback | None:
        row = await find_feedback(self._engine, prediction_id)
        return None if row is None else Feedback(row["received_at"], row["rating"], row["label"])


class ListPredictions:
    """The use case. What is still spooled is not listed: it is there a moment later."""

    def __init__(self, engine: AsyncEngine, turns: LookUpTurns) -> None:
        """Keep the parts."""
        self._engine = engine
        self._turns = turns

    async def page(self, query: PredictionsQuery) -> PredictionPage:
        """Return the newest predictions that the query asks for, each with its latest feedback.

        Raises:
            DatabaseAway: Postgres does not answer in time.
            LookUpsOverloaded: too many others look something up.
        """
        selection = Selection(
            product_id=query.product_id,
            label=query.label,
            sources=CUSTOMER_SOURCES if query.source is None else (query.source,),
            start=query.from_,
            end=query.to,
            before=query.cursor,
            limit=query.limit + 1,  # one more, to know whether a page follows
        )
        async with self._turns.turn():
            rows = await select_predictions(self._engine, selection)
        found = [_reply(row, "stored", _feedback(row)) for row in rows[: query.limit]]
        return PredictionPage(found, found[-1].prediction_id if len(rows) > query.limit else None)


def _feedback(row: Mapping[str, Any]) -> Feedback | None:
    if row["received_at"] is None:
        return None
    return Feedback(row["received_at"], row["rating"], row["feedback_label"])


def _spooled_feedback(spooled: SpooledPrediction) -> Feedback | None:
    record = spooled.feedback
    return None if record is None else Feedback(created_at(record.feedback_id), record.rating, record.label)


def _spooled_reply(record: PredictionRecord, feedback: Feedback | None) -> LoggedPrediction:
    row = {**record.row(), "metadata": record.metadata, "probabilities": record.probabilities}
    return _reply(row, "spooled", feedback)


def _reply(row: Mapping[str, Any], state: str, feedback: Feedback | None) -> LoggedPrediction:
    timestamp: dt.datetime | None = row["event_timestamp"]
    return LoggedPrediction(
        state=state,
        prediction_id=row["prediction_id"],
        created_at=row["created_at"],
        source=row["source"],
        product_id=row["product_id"],
        timestamp=timestamp,
        text=row["text"],
        metadata=row["metadata"],
        label=row["label"],
        score=row["score"],
        probabilities=row["probabilities"],
        tokens=row["tokens"],
        truncated=row["truncated"],
        model=ModelName(row["model_name"], row["model_version"]),
        latency_ms=row["latency_ms"],
        feedback=feedback,
    )
