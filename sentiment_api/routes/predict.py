"""`POST /predict` and `POST /predict/batch`."""

from litestar import Response, post
from litestar.background_tasks import BackgroundTask, BackgroundTasks
from litestar.di import NamedDependency
from litestar.params import JSONBody

from sentiment_api.access.authentication import requires
from sentiment_api.access.keys import Scope
from sentiment_api.database.tables import OWN_SOURCES
from sentiment_api.errors import RequestRefused
from sentiment_api.http.admission import LANE
from sentiment_api.http.dto import StrictDTO
from sentiment_api.http.problems import AnyRequest, documented, refused_item
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.routes.parameters import header_parameter, with_parameters
from sentiment_api.routes.requests import SOURCE, caller_of, ticket_of
from sentiment_api.schemas.limits import MAX_BATCH_BYTES
from sentiment_api.schemas.predictions import BatchReply, BatchRequest, ItemProblem, Prediction, PredictRequest
from sentiment_api.shadow.comparison import Candidate
from sentiment_api.use_cases.predict import PredictReviews, Timing

_WithSource = with_parameters(
    header_parameter(
        SOURCE,
        OWN_SOURCES,
        "Says that the texts are no customer's: such predictions are logged under this source and are by default in no "
        "drift window, no list and no count. `golden` texts are always scored anew. Customers leave it out.",
    )
)


@post(
    "/predict",
    dto=StrictDTO[PredictRequest],
    return_dto=None,
    status_code=200,
    sync_to_thread=True,
    responses=documented(400, 401, 403, 413, 415, 422, 429, 503, 504),
    operation_class=_WithSource,
    **requires(Scope.PREDICT, {LANE: "single"}),
)
def predict(
    data: JSONBody[PredictRequest],
    request: AnyRequest,
    predict_reviews: NamedDependency[PredictReviews],
    shipper: NamedDependency[Shipper],
) -> Response[Prediction]:
    """Classify one review."""
    prediction, timing, for_shadow = predict_reviews.predict(data, caller_of(request), ticket_of(request))
    afterwards = _afterwards(shipper, predict_reviews, for_shadow)
    return Response(prediction, headers=_server_timing(timing), background=afterwards)


@post(
    "/predict/batch",
    dto=StrictDTO[BatchRequest],
    return_dto=None,
    status_code=200,
    sync_to_thread=True,
    request_max_body_size=MAX_BATCH_BYTES,
    responses=documented(400, 401, 403, 413, 415, 422, 429, 503, 504),
    operation_class=_WithSource,
    **requires(Scope.PREDICT, {LANE: "batch"}),
)
def predict_batch(
    data: JSONBody[BatchRequest],
    request: AnyRequest,
    predict_reviews: NamedDependency[PredictReviews],
    shipper: NamedDependency[Shipper],
) -> Response[BatchReply]:
    """Classify up to 256 reviews: for each, in order, a prediction or an error."""
    answers, timing, for_shadow = predict_reviews.predict_batch(data.items, caller_of(request), ticket_of(request))
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
