"""`GET /predictions` and `GET /predictions/{id}`."""

from dataclasses import dataclass
from typing import Any

from litestar import get
from litestar.di import NamedDependency
from litestar.openapi.spec import OpenAPIType, Operation, Parameter, Schema
from litestar.params import FromPath

from sentiment_api.problems import AnyRequest, documented
from sentiment_api.routes.requests import prediction_id_of, predictions_query_of
from sentiment_api.schemas import LoggedPrediction, PredictionPage, PredictionsQuery
from sentiment_api.use_cases.look_up import ListPredictions, LookUpPrediction


@dataclass
class _WithQuery(Operation):
    """Tells OpenAPI of the parameters. Litestar cannot: the edge leaves it no query to take them from."""

    def __post_init__(self) -> None:
        properties = PredictionsQuery.model_json_schema()["properties"]
        self.parameters = [_parameter(name, schema) for name, schema in properties.items()]


@get("/predictions", responses=documented(422, 503), operation_class=_WithQuery)
async def logged_predictions(request: AnyRequest, list_predictions: NamedDependency[ListPredictions]) -> PredictionPage:
    """Return logged predictions, newest first, each with its latest feedback; only what Postgres holds already."""
    return await list_predictions.page(predictions_query_of(request))


@get("/predictions/{prediction_id:str}", responses=documented(404, 503))
async def logged_prediction(
    prediction_id: FromPath[str], look_up: NamedDependency[LookUpPrediction]
) -> LoggedPrediction:
    """Return what was logged about a prediction, with its latest feedback."""
    return await look_up.find(prediction_id_of(prediction_id))


def _parameter(name: str, schema: dict[str, Any]) -> Parameter:
    """Return pydantic's description of a field as one of a parameter, which is there or is not, and never null."""
    kind = schema.get("anyOf", [schema])[0]
    described = Schema(
        type=OpenAPIType(kind["type"]),
        format=kind.get("format"),
        enum=kind.get("enum"),
        min_length=kind.get("minLength"),
        max_length=kind.get("maxLength"),
        minimum=kind.get("minimum"),
        maximum=kind.get("maximum"),
        default=schema.get("default"),
    )
    return Parameter(name=name, param_in="query", schema=described, description=schema.get("description"))
