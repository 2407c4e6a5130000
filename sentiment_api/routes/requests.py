"""What routes take from a request beside its body: headers, the query, ids in paths.

Headers and queries are dependencies: Litestar lists the parameters of their signatures in OpenAPI, and validates none
of them. Values are checked here or by the pydantic model, which name the field and never quote it.
"""

import datetime as dt
import re
from typing import Annotated, Any, Final, TypeVar, get_args
from uuid import UUID

from litestar.di import NamedDependency, Provide
from litestar.params import HeaderParameter, QueryParameter, SkipValidation, SkipValidationMarker
from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

from sentiment_api.database.tables import OWN_SOURCES
from sentiment_api.errors import DriftReportUnknown, FieldError, PredictionUnknown, RequestInvalid
from sentiment_api.http.admission import DEADLINE_HEADER, MAX_DEADLINE_MS
from sentiment_api.http.problems import AnyRequest
from sentiment_api.inference.capacity import Ticket
from sentiment_api.request_state import KEY_NAME, REQUEST_ID, TICKET
from sentiment_api.schemas.validation import parse_query
from sentiment_api.signatures import declare_parameters, keyword
from sentiment_api.use_cases.drift import NO_SUCH_REPORT
from sentiment_api.use_cases.recording import Caller

M = TypeVar("M", bound=BaseModel)
MAX_IDEMPOTENCY_KEY: Final = 200
SOURCE: Final = "X-Sentiment-Source"
_NOT_GIVEN: Any = None  # untyped, or the parameters would be nullable in OpenAPI
_WEIGHT: Final = re.compile(r"[01](\.\d{0,3})?")
_PRINTABLE: Final = re.compile(r"[\x20-\x7e\x80-\xff]*")  # a header's bytes as Latin-1; Postgres stores no NUL

_RequestId = Annotated[
    str,
    HeaderParameter(
        name="X-Request-ID",
        description="Names this request in the log, in its records and in the reply, if it is short and plain; else "
        "the service makes one. Every route takes it.",
        max_length=128,
    ),
]
_IdempotencyKey = Annotated[
    str,
    HeaderParameter(
        name="Idempotency-Key",
        description="The same for every retry of a request: the drift job counts retries within 24 hours once.",
        min_length=1,
        max_length=MAX_IDEMPOTENCY_KEY,
    ),
]
_Source = Annotated[
    str,
    HeaderParameter(
        name=SOURCE,
        description="Says that the texts are no customer's: such predictions are logged under this source and are by "
        "default in no drift window, no list and no count. `golden` texts are always scored anew. Customers leave it "
        "out.",
        schema_extra={"enum": list(OWN_SOURCES)},
    ),
]
_DeadlineMs = Annotated[
    int,
    HeaderParameter(
        name=DEADLINE_HEADER,
        description="How long the client waits for the reply. After it the reply is 504, and texts not yet computed "
        "are dropped. By default, and at most, it is what the service is set to.",
        ge=1,
        le=MAX_DEADLINE_MS,
    ),
]


def read_request_id(
    request: AnyRequest,
    given: SkipValidation[_RequestId] = _NOT_GIVEN,  # noqa: ARG001 - declared for OpenAPI; the edge reads it
) -> str:
    """Return the id that the edge gave this request."""
    request_id: str = request.scope["state"][REQUEST_ID]
    return request_id


def read_ticket(
    request: AnyRequest,
    deadline_ms: SkipValidation[_DeadlineMs] = _NOT_GIVEN,  # noqa: ARG001 - declared for OpenAPI; admission reads it
) -> Ticket:
    """Return the ticket with which this request was admitted."""
    ticket: Ticket = request.scope["state"][TICKET]
    return ticket


def read_caller(
    request: AnyRequest,
    request_id: NamedDependency[str],
    idempotency_key: SkipValidation[_IdempotencyKey] = _NOT_GIVEN,
    source: SkipValidation[_Source] = _NOT_GIVEN,  # noqa: ARG001 - declared for OpenAPI; it may be given twice
) -> Caller:
    """Return what a prediction keeps of the request.

    Raises:
        RequestInvalid: the idempotency key is too long or has control characters, or the source is not one of ours.
    """
    key = idempotency_key
    if key is not _NOT_GIVEN and not (1 <= len(key) <= MAX_IDEMPOTENCY_KEY and _PRINTABLE.fullmatch(key)):
        message = f"expected 1 to {MAX_IDEMPOTENCY_KEY} characters, none of them a control character"
        raise RequestInvalid([FieldError("Idempotency-Key", message)])
    return Caller(
        request_id=request_id,
        idempotency_key=key,
        source=_source(request.headers.getall(SOURCE, [])),
        api_key_name=request.scope["state"].get(KEY_NAME),
    )


REQUEST_ID_DEPENDENCY: Final = {"request_id": Provide(read_request_id, sync_to_thread=False)}
PREDICT_DEPENDENCIES: Final = {
    **REQUEST_ID_DEPENDENCY,
    "caller": Provide(read_caller, sync_to_thread=False),
    "ticket": Provide(read_ticket, sync_to_thread=False),
}


def _source(given: list[str]) -> str:
    if not given:
        return "api"
    if len(given) > 1 or given[0] not in OWN_SOURCES:
        message = f"expected one of {', '.join(OWN_SOURCES)}, once; customers' requests have no such header"
        raise RequestInvalid([FieldError(SOURCE, message)])
    return given[0]


def query_as(model: type[M]) -> dict[str, Provide]:
    """Return the dependency `filters`: the query as a `model`, each field of which is a query parameter in OpenAPI.

    Reading it raises RequestInvalid for a parameter that is unknown, malformed or given twice.
    """

    def read(request: AnyRequest, **_given: object) -> M:
        return parse_query(model, request.scope["query_string"])

    # Litestar has no query models. It documents what a dependency's signature declares, so `read` declares the fields.
    fields = [keyword(name, _query_parameter(name, of), of.default) for name, of in model.model_fields.items()]
    declare_parameters(read, [keyword("request", AnyRequest), *fields], model)
    return {"filters": Provide(read, sync_to_thread=False)}


def _query_parameter(name: str, field: FieldInfo) -> Any:  # noqa: ANN401 - an annotation
    """Return the annotation that declares a field as a parameter: given or not, and never null."""
    (kind,) = [each for each in get_args(field.annotation) or [field.annotation] if each is not type(None)]
    if AwareDatetime in (kind, *get_args(kind)):  # its own description would go before the field's
        kind = dt.datetime
    parameter = QueryParameter(name=field.alias or name, description=field.description)
    annotated: Any = Annotated  # its arguments are no types that mypy could know
    return annotated[(kind, *field.metadata, parameter, SkipValidationMarker())]


def prediction_id_of(text: str) -> UUID:
    """Return the id in a path.

    Raises:
        PredictionUnknown: it is no UUID, so no prediction has it.
    """
    try:
        return UUID(text)
    except ValueError as error:
        raise PredictionUnknown("No prediction has this id.") from error


def run_id_of(text: str) -> UUID:
    """Return the id in a path.

    Raises:
        DriftReportUnknown: it is no UUID, so no drift run has it.
    """
    try:
        return UUID(text)
    except ValueError as error:
        raise DriftReportUnknown(NO_SUCH_REPORT) from error


def accepts_gzip(request: AnyRequest) -> bool:
    """Return whether the client accepts a reply compressed with gzip (RFC 9110, 12.5.3)."""
    weights = dict(map(_weighted, ",".join(request.headers.getall("accept-encoding", [])).split(",")))
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def _weighted(coding: str) -> tuple[str, float]:
    """Return the coding and the weight of `gzip;q=0.5`. A malformed weight counts as 0."""
    name, _, parameter = coding.partition(";")
    key, _, value = parameter.partition("=")
    weight = value.strip() if key.strip().lower() == "q" else "1"
    return name.strip().lower(), float(weight) if _WEIGHT.fullmatch(weight) else 0.0
