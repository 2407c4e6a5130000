"""Takes feedback for a prediction: into the spool like the prediction itself, so it is as safe."""

import asyncio
from concurrent.futures import Executor
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from sentiment_api.database.queries import has_prediction
from sentiment_api.errors import DatabaseAway, FieldError, PredictionUnknown, RequestInvalid
from sentiment_api.model.bundle import Manifest
from sentiment_api.prediction_log.look_ups.spool_look_ups import SpoolLookUps
from sentiment_api.prediction_log.records import FeedbackRecord, encode
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.schemas.predictions import FeedbackReply, FeedbackRequest
from sentiment_api.telemetry.metrics import Metrics
from sentiment_api.use_cases.look_up_turns import LookUpTurns
from sentiment_api.use_cases.pending import PendingWindow


class TakeFeedback:
    """The use case."""

    def __init__(
        self,
        manifest: Manifest,
        spool: Spool,
        engine: AsyncEngine,
        executor: Executor,
        metrics: Metrics,
        turns: LookUpTurns,
        spooled: SpoolLookUps,
        pending: PendingWindow,
    ) -> None:
        """`pending` tells which ids Postgres may not yet know; others are looked up in the spool.

        `executor` writes files, so that the event loop does not, and does nothing else that may take long.
        """
        self._manifest = manifest
        self._spool = spool
        self._engine = engine
        self._executor = executor
        self._metrics = metrics
        self._turns = turns
        self._spooled = spooled
        self._pending = pending

    async def take(self, request: FeedbackRequest, request_id: str) -> FeedbackReply:
        """Record the feedback; its state is `stored` when Postgres holds the prediction, else `pending`.

        Raises:
            RequestInvalid: the label is none of the model's, or contradicts the rating.
            PredictionUnknown: neither Postgres nor the spool has the id, and it is too old, or from the future, to be
                on its way from another replica.
            LookUpsOverloaded: an old id that Postgres does not know has to be looked up, with too many others.
            SpoolFull: the feedback cannot be recorded.
        """
        self._check_label(request)
        state = await self._state(request.prediction_id)
        record = FeedbackRecord(
            feedback_id=uuid7(),
            prediction_id=request.prediction_id,
            rating=request.rating,
            label=request.label,
            request_id=request_id,
        )
        payload = encode(record)
        await asyncio.get_running_loop().run_in_executor(self._executor, self._spool.append, payload)
        self._metrics.spooled.labels("feedback").inc()
        self._metrics.spooled_bytes.inc(len(payload))
        return FeedbackReply(request.prediction_id, state)

    def _check_label(self, request: FeedbackRequest) -> None:
        if request.label is None:
            return
        if request.label not in self._manifest.labels:
            raise RequestInvalid([FieldError("label", f"expected one of {', '.join(self._manifest.labels)}")])
        implied = self._manifest.rating_labels.get(str(request.rating))
        if implied is not None and implied != request.label:
            raise RequestInvalid([FieldError("label", f"contradicts the rating, which stands for {implied}")])

    async def _state(self, prediction_id: UUID) -> str:
        try:
            if await has_prediction(self._engine, prediction_id):
                return "stored"
            if self._pending.covers(prediction_id):
                return "pending"
            return await self._state_of_old(prediction_id)
        except DatabaseAway:
            return "pending"

    async def _state_of_old(self, prediction_id: UUID) -> str:
        """Return the state of a prediction that should be in Postgres and was not a moment ago."""
        async with self._turns.turn():
            if (await self._spooled.find(prediction_id)).prediction is not None:
                return "pending"
            # Once more: it may have been shipped meanwhile.
            if not await has_prediction(self._engine, prediction_id):
                raise PredictionUnknown("No prediction has this id.")
            return "stored"
