"""Predictions after they were given: `GET /predictions`, `GET /predictions/{id}` and `POST /feedback`."""

from litestar import Response, get, post
from litestar.background_tasks import BackgroundTask
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from sentiment_api.access.authentication import requires
from sentiment_api.access.keys import Scope
from sentiment_api.http.bodies import StrictDTO
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.routes import examples
from sentiment_api.routes.openapi import FEEDBACK, PREDICTIONS, QueryOperation, replies_with, reply
from sentiment_api.routes.requests import REQUEST_ID_DEPENDENCY, prediction_id_of, query_as
from sentiment_api.schemas.limits import MAX_FEEDBACK_BYTES
from sentiment_api.schemas.predictions import (
    FeedbackReply,
    FeedbackRequest,
    LoggedPrediction,
    PredictionPage,
    PredictionsQuery,
)
from sentiment_api.use_cases.feedback import TakeFeedback
from sentiment_api.use_cases.look_up import ListPredictions, LookUpPrediction


@get(
    "/predictions",
    summary="List logged predictions",
    tags=[PREDICTIONS],
    responses=replies_with(examples.PAGE, "A page of predictions.", 401, 403, 422, 503),
    operation_class=QueryOperation,
    dependencies=query_as(PredictionsQuery),
    **requires(Scope.READ),
)
async def logged_predictions(
    filters: NamedDependency[PredictionsQuery], list_predictions: NamedDependency[ListPredictions]
) -> PredictionPage:
    """Return logged predictions, newest first, each with its latest feedback; only what Postgres holds already."""
    return await list_predictions.page(filters)


@get(
    "/predictions/{prediction_id:str}",
    summary="Look up one prediction",
    tags=[PREDICTIONS],
    responses=replies_with(examples.LOGGED, "What was logged.", 401, 403, 404, 503),
    operation_class=QueryOperation,
    **requires(Scope.READ),
)
async def logged_prediction(
    prediction_id: FromPath[str], look_up: NamedDependency[LookUpPrediction]
) -> LoggedPrediction:
    """Return what was logged about a prediction, with its latest feedback."""
    return await look_up.find(prediction_id_of(prediction_id))


@post(
    "/feedback",
    summary="Report what the customer said",
    tags=[FEEDBACK],
    dto=StrictDTO[FeedbackRequest],
    return_dto=None,
    status_code=200,
    request_max_body_size=MAX_FEEDBACK_BYTES,
    responses={
        **replies_with(
            examples.FEEDBACK_STORED, "Postgres holds the prediction.", 400, 401, 403, 404, 413, 415, 422, 503
        ),
        202: reply(examples.FEEDBACK_PENDING, "Pending: the prediction is not in Postgres yet."),
    },
    dependencies=REQUEST_ID_DEPENDENCY,
    **requires(Scope.FEEDBACK),
)
async def feedback(
    data: JSONBody[FeedbackRequest],
    request_id: NamedDependency[str],
    take_feedback: NamedDependency[TakeFeedback],
    shipper: NamedDependency[Shipper],
) -> Response[FeedbackReply]:
    """Record what the customer said in the end; 202 while the prediction itself is still on its way to Postgres."""
    taken = await take_feedback.take(data, request_id)
    status = 200 if taken.state == "stored" else 202
    return Response(taken, status_code=status, background=BackgroundTask(shipper.wake))
