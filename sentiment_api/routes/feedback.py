"""`POST /feedback` and `GET /predictions/{id}`."""

from litestar import Response, get, post
from litestar.background_tasks import BackgroundTask
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody

from sentiment_api.dto import StrictDTO
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.problems import AnyRequest, documented
from sentiment_api.routes.requests import prediction_id_of, request_id_of
from sentiment_api.schemas import FeedbackReply, FeedbackRequest, LoggedPrediction
from sentiment_api.use_cases.feedback import TakeFeedback
from sentiment_api.use_cases.look_up import LookUpPrediction


@post(
    "/feedback",
    dto=StrictDTO[FeedbackRequest],
    return_dto=None,
    status_code=200,
    responses={
        202: ResponseSpec(FeedbackReply, description="Pending: the prediction is not in Postgres yet."),
        **documented(400, 404, 413, 415, 422, 503),
    },
)
async def feedback(
    data: JSONBody[FeedbackRequest],
    request: AnyRequest,
    take_feedback: NamedDependency[TakeFeedback],
    shipper: NamedDependency[Shipper],
) -> Response[FeedbackReply]:
    """Record what the customer said in the end; 202 while the prediction itself is still on its way to Postgres."""
    reply = await take_feedback.take(data, request_id_of(request))
    status = 200 if reply.state == "stored" else 202
    return Response(reply, status_code=status, background=BackgroundTask(shipper.wake))


@get("/predictions/{prediction_id:str}", responses=documented(404, 503))
async def logged_prediction(
    prediction_id: FromPath[str], look_up: NamedDependency[LookUpPrediction]
) -> LoggedPrediction:
    """Return what was logged about a prediction, with its latest feedback."""
    return await look_up.find(prediction_id_of(prediction_id))
