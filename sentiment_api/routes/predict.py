"""`POST /predict` and `POST /predict/batch`."""

from litestar import Response, post
from litestar.background_tasks import BackgroundTask, BackgroundTasks
from litestar.di import NamedDependency
from litestar.params import JSONBody

from sentiment_api.access.authentication import requires
from sentiment_api.access.keys import Scope
from sentiment_api.errors import RequestRefused
from sentiment_api.http.admission import LANE
from sentiment_api.http.bodies import StrictDTO
from sentiment_api.http.problems import AnyRequest, refused_item
from sentiment_api.inference.capacity import Ticket
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.routes import examples
from sentiment_api.routes.openapi import PREDICTIONS, replies_with
from sentiment_api.routes.requests import PREDICT_DEPENDENCIES
from sentiment_api.schemas.limits import MAX_BATCH_BYTES
from sentiment_api.schemas.predictions import BatchReply, BatchRequest, ItemProblem, Prediction, PredictRequest
from sentiment_api.shadow.comparison import Candidate
from sentiment_api.use_cases.predict import PredictReviews, Timing
from sentiment_api.use_cases.recording import Caller

_PROBLEMS = (400, 401, 403, 413, 415, 422, 429, 503, 504)


@post(
    "/predict",
    summary="Classify one review",
    tags=[PREDICTIONS],
    dto=StrictDTO[PredictRequest],
    return_dto=None,
    status_code=200,
    sync_to_thread=True,
    responses=replies_with(examples.PREDICTION, "The prediction; it is logged.", *_PROBLEMS),
    dependencies=PREDICT_DEPENDENCIES,
    **requires(Scope.PREDICT, {LANE: "single"}),
)
def predict(
    data: JSONBody[PredictRequest],
    caller: NamedDependency[Caller],
    ticket: NamedDependency[Ticket],
    predict_reviews: NamedDependency[PredictReviews],
    shipper: NamedDependency[Shipper],
) -> Response[Prediction]:
    """Return the label of a review and the calibrated probability of every label.

    The reply comes once the prediction is in the log on disk. `Server-Timing` says how long it waited and computed.
    """
    prediction, timing, for_shadow = predict_reviews.predict(data, caller, ticket)
    afterwards = _afterwards(shipper, predict_reviews, for_shadow)
    return Response(prediction, headers=_server_timing(timing), background=afterwards)


@post(
    "/predict/batch",
    summary="Classify several reviews",
    tags=[PREDICTIONS],
    dto=StrictDTO[BatchRequest],
    return_dto=None,
    status_code=200,
    sync_to_thread=True,
    request_max_body_size=MAX_BATCH_BYTES,
    responses=replies_with(examples.BATCH, "For each item, in order, a prediction or an error.", *_PROBLEMS),
    dependencies=PREDICT_DEPENDENCIES,
    **requires(Scope.PREDICT, {LANE: "batch"}),
)
def predict_batch(
    data: JSONBody[BatchRequest],
    request: AnyRequest,
    caller: NamedDependency[Caller],
    ticket: NamedDependency[Ticket],
    predict_reviews: NamedDependency[PredictReviews],
    shipper: NamedDependency[Shipper],
) -> Response[BatchReply]:
    """Return for each review, in order, a prediction or an error: one bad item fails alone.

    While single requests wait too, batches get the smaller share of the engine; their default deadline is longer.
    """
    answers, timing, for_shadow = predict_reviews.predict_batch(data.items, caller, ticket)
    reply = BatchReply([_item(request, answer) for answer in answers])
    afterwards = _afterwards(shipper, predict_reviews, for_shadow)
    return Response(reply, headers=_server_timing(timing), background=afterwards)


def _afterwards(shipper: Shipper, predict_reviews: PredictReviews, for_shadow: list[Candidate]) -> BackgroundTasks:
    return BackgroundTasks([BackgroundTask(shipper.wake), BackgroundTask(predict_reviews.offer_to_shadow, for_shadow)])


def _item(request: AnyRequest, answer: Prediction | RequestRefused) -> Prediction | ItemProblem:
    return ItemProblem(refused_item(request, answer)) if isinstance(answer, RequestRefused) else answer


def _server_timing(timing: Timing) -> dict[str, str]:
    names = ("queue", "tokenize", "inference")
    return {"Server-Timing": ", ".join(f"{name};dur={1000 * s:.2f}" for name, s in zip(names, timing, strict=True))}
