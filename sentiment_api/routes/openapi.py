"""What OpenAPI says of the routes beside their signatures: tags, replies with their examples, and problems."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example, Operation, Tag

from sentiment_api.http.problems import MEDIA_TYPE
from sentiment_api.schemas.problems import Problem

PREDICTIONS: Final = "Predictions"
FEEDBACK: Final = "Feedback"
DRIFT: Final = "Drift"
SERVICE: Final = "Model and health"
TAGS: Final = [
    Tag(PREDICTIONS, "Classify reviews, and look up what was logged."),
    Tag(FEEDBACK, "Report what the customer said in the end."),
    Tag(DRIFT, "What the nightly job found: did the reviews or the model's answers change?"),
    Tag(SERVICE, "The model that serves, its limits, and probes. These need no key."),
]
_PROBLEMS: Final = {
    400: "Not JSON, or compressed data that does not unpack.",
    401: "No living API key; only where the service asks for keys.",
    403: "The API key does not hold the scope; `detail` names it.",
    404: "There is none; `detail` says of what.",
    413: "The body is too large.",
    415: "The body is not declared as JSON, or has a Content-Encoding other than gzip and deflate.",
    422: "The request fails the schema; `errors` has the path of each field, parameter or header.",
    429: "The API key has asked as many tokens as it may; Retry-After says when to try again.",
    503: "No room or no database now; Retry-After says when to try again, where that is known.",
    504: "The deadline passed.",
}


def replies_with(example: Any, description: str, *statuses: int) -> dict[int, ResponseSpec]:  # noqa: ANN401 - any reply
    """Return the replies of a route for OpenAPI: `example` and its type under 200, and the problems of `statuses`."""
    return {200: reply(example, description), **problems(*statuses)}


def reply(example: Any, description: str) -> ResponseSpec:  # noqa: ANN401 - any reply
    """Return one reply for OpenAPI: the type of `example`, and `example` itself."""
    value = _ReplyExample(value=msgspec.to_builtins(example))
    return ResponseSpec(type(example), description=description, generate_examples=False, examples=[value])


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """Return the problems that a route replies with, for OpenAPI."""
    return {
        status: ResponseSpec(Problem, generate_examples=False, description=_PROBLEMS[status], media_type=MEDIA_TYPE)
        for status in statuses
    }


@dataclass
class _ReplyExample(Example):
    """An example with its nulls, which Litestar would drop: replies have them."""

    def to_schema(self) -> dict[str, Any]:
        return {"value": self.value}


@dataclass
class QueryOperation(Operation):
    """An operation of a route without a body: Litestar adds a 400 for values that it never checks here."""

    def __post_init__(self) -> None:
        """Drop it: our routes refuse parameters with 422."""
        if self.responses:
            self.responses.pop("400", None)
