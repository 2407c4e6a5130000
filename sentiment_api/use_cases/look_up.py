"""Finds logged predictions: one by its id, wherever it is, and pages of those that Postgres holds."""

import asyncio
import datetime as dt
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.partitions import created_at, milliseconds_of
from sentiment_api.database.queries import Selection, find_feedback, find_prediction, select_predictions
from sentiment_api.database.tables import CUSTOMER_SOURCES
from sentiment_api.errors import DatabaseAway, PredictionUnknown, RecordNewer
from sentiment_api.prediction_log.records import FeedbackRecord, PredictionRecord, Record, decode
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.schemas.predictions import Feedback, LoggedPrediction, PredictionPage, PredictionsQuery
from sentiment_api.schemas.service import ModelName


class LookUpPrediction:
    """The use case."""

    def __init__(self, spool: Spool, engine: AsyncEngine, executor: Executor) -> None:
        """`executor` reads files, so that the event loop does not."""
        self._spool = spool
        self._engine = engine
        self._executor = executor

    async def find(self, prediction_id: UUID) -> LoggedPrediction:
        """Return what was logged, with the latest feedback.

        Raises:
            PredictionUnknown: neither the spool nor Postgres has it.
            DatabaseAway: the spool does not have it and Postgres does not answer.
        """
        # The spool goes first: a record leaves it only after Postgres has committed it.
        loop = asyncio.get_running_loop()
        spooled, spooled_feedback = await loop.run_in_executor(self._executor, self._in_spool, prediction_id)
        row: Mapping[str, Any] | None
        if spooled is not None:
            state = "spooled"
            row = {**spooled.row(), "metadata": spooled.metadata, "probabilities": spooled.probabilities}
        else:
            state = "stored"
            row = await find_prediction(self._engine, prediction_id)
        if row is None:
            raise PredictionUnknown("No prediction has this id.")
        return _reply(row, state, spooled_feedback or await self._stored_feedback(prediction_id, state))

    def _in_spool(self, prediction_id: UUID) -> tuple[PredictionRecord | None, Feedback | None]:
        needle = str(prediction_id).encode()
        prediction, feedback = None, None
        for payload in self._spool.payloads_since(milliseconds_of(prediction_id)):
            record = _decoded(payload) if needle in payload else None
            if isinstance(record, PredictionRecord) and record.prediction_id == prediction_id:
                prediction = record
            elif isinstance(record, FeedbackRecord) and record.prediction_id == prediction_id:
                feedback = Feedback(created_at(record.feedback_id), record.rating, record.label)
        return prediction, feedback

    async def _stored_feedback(self, prediction_id: UUID, state: str) -> Feedback | None:
        try:
            row = await find_feedback(self._engine, prediction_id)
        except DatabaseAway:
            if state == "stored":
                raise
            return None
        return None if row is None else Feedback(row["received_at"], row["rating"], row["label"])


class ListPredictions:
    """The use case. What is still spooled is not listed: it is there a moment later."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Keep the engine."""
        self._engine = engine

    async def page(self, query: PredictionsQuery) -> PredictionPage:
        """Return the newest predictions that the query asks for, each with its latest feedback.

        Raises:
            DatabaseAway: Postgres does not answer in time.
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
        rows = await select_predictions(self._engine, selection)
        found = [_reply(row, "stored", _feedback(row)) for row in rows[: query.limit]]
        return PredictionPage(found, found[-1].prediction_id if len(rows) > query.limit else None)


def _feedback(row: Mapping[str, Any]) -> Feedback | None:
    if row["received_at"] is None:
        return None
    return Feedback(row["received_at"], row["rating"], row["feedback_label"])


def _decoded(payload: bytes) -> Record | None:
    try:
        return decode(payload)
    except (msgspec.DecodeError, RecordNewer):
        return None


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
