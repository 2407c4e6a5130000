"""Takes feedback for a prediction: into the spool like the prediction itself, so it is as safe."""

import asyncio
import datetime as dt
import time
from concurrent.futures import Executor

from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from sentiment_api.database.partitions import milliseconds_of
from sentiment_api.database.queries import has_prediction
from sentiment_api.errors import DatabaseAway, FieldError, PredictionUnknown, RequestInvalid
from sentiment_api.model.bundle import Manifest
from sentiment_api.prediction_log.records import FeedbackRecord, encode
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.schemas.predictions import FeedbackReply, FeedbackRequest
from sentiment_api.telemetry.metrics import Metrics


class TakeFeedback:
    """The use case."""

    def __init__(
        self,
        manifest: Manifest,
        spool: Spool,
        engine: AsyncEngine,
        executor: Executor,
        metrics: Metrics,
        pending_window: dt.timedelta,
    ) -> None:
        """`pending_window` is how long Postgres may not yet know a prediction that was really given.

        `executor` writes files, so that the event loop does not.
        """
        self._manifest = manifest
        self._spool = spool
        self._engine = engine
        self._executor = executor
        self._metrics = metrics
        self._pending_window = pending_window

    async def take(self, request: FeedbackRequest, request_id: str) -> FeedbackReply:
        """Record the feedback; its state is `stored` when Postgres holds the prediction, else `pending`.

        Raises:
            RequestInvalid: the label is none of the model's, or contradicts the rating.
            PredictionUnknown: Postgres does not know the id, and it is too old, or from the future, to be on its way.
            SpoolFull: the feedback cannot be recorded.
        """
        self._check_label(request)
        state = await self._state(request)
        record = FeedbackRecord(
            feedback_id=uuid7(),
            prediction_id=request.prediction_id,
            rating=request.rating,
            label=request.label,
            request_id=request_id,
        )
        await asyncio.get_running_loop().run_in_executor(self._executor, self._spool.append, encode(record))
        self._metrics.spooled.labels("feedback").inc()
        return FeedbackReply(request.prediction_id, state)

    def _check_label(self, request: FeedbackRequest) -> None:
        if request.label is None:
            return
        if request.label not in self._manifest.labels:
            raise RequestInvalid([FieldError("label", f"expected one of {', '.join(self._manifest.labels)}")])
        implied = self._manifest.rating_labels.get(str(request.rating))
        if implied is not None and implied != request.label:
            raise RequestInvalid([FieldError("label", f"contradicts the rating, which stands for {implied}")])

    async def _state(self, request: FeedbackRequest) -> str:
        try:
            if await has_prediction(self._engine, request.prediction_id):
                return "stored"
        except DatabaseAway:
            return "pending"
        if not self._may_be_on_its_way(request):
            raise PredictionUnknown("No prediction has this id.")
        return "pending"

    def _may_be_on_its_way(self, request: FeedbackRequest) -> bool:
        if request.prediction_id.version != 7:
            return False
        # In milliseconds, not as a moment: an id may name a year that no calendar has.
        age_ms = 1000 * time.time() - milliseconds_of(request.prediction_id)
        return abs(age_ms) < 1000 * self._pending_window.total_seconds()
