"""`GET /predictions` and `GET /predictions/{id}`."""

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath

from sentiment_api.access.authentication import requires
from sentiment_api.access.keys import Scope
from sentiment_api.http.problems import AnyRequest, documented
from sentiment_api.routes.parameters import query_parameters, with_parameters
from sentiment_api.routes.requests import prediction_id_of, predictions_query_of
from sentiment_api.schemas.predictions import LoggedPrediction, PredictionPage, PredictionsQuery
from sentiment_api.use_cases.look_up import ListPredictions, LookUpPrediction


@get(
    "/predictions",
    responses=documented(401, 403, 422, 503),
    operation_class=with_parameters(*query_parameters(PredictionsQuery)),
    **requires(Scope.READ),
)
async def logged_predictions(request: AnyRequest, list_predictions: NamedDependency[ListPredictions]) -> PredictionPage:
    """Return logged predictions, newest first, each with its latest feedback; only what Postgres holds already."""
    return await list_predictions.page(predictions_query_of(request))


@get("/predictions/{prediction_id:str}", responses=documented(401, 403, 404, 503), **requires(Scope.READ))
async def logged_prediction(
    prediction_id: FromPath[str], look_up: NamedDependency[LookUpPrediction]
) -> LoggedPrediction:
    """Return what was logged about a prediction, with its latest feedback."""
    return await look_up.find(prediction_id_of(prediction_id))
