"""`POST /feedback`."""

from litestar import Response, post
from litestar.background_tasks import BackgroundTask
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import JSONBody

from sentiment_api.access.authentication import requires
from sentiment_api.access.keys import Scope
from sentiment_api.http.dto import StrictDTO
from sentiment_api.http.problems import AnyRequest, documented
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.routes.requests import request_id_of
from sentiment_api.schemas.feedback import FeedbackReply, FeedbackRequest
from sentiment_api.use_cases.feedback import TakeFeedback


@post(
    "/feedback",
    dto=StrictDTO[FeedbackRequest],
    return_dto=None,
    status_code=200,
    responses={
        202: ResponseSpec(FeedbackReply, description="Pending: the prediction is not in Postgres yet."),
        **documented(400, 401, 403, 404, 413, 415, 422, 503),
    },
    **requires(Scope.FEEDBACK),
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
