"""What the routes read of a request beside its body."""

import re
from uuid import UUID

from sentiment_api.database.tables import OWN_SOURCES
from sentiment_api.errors import DriftReportUnknown, FieldError, PredictionUnknown, RequestInvalid
from sentiment_api.http.admission import TICKET
from sentiment_api.http.edge import KEY_NAME, QUERY
from sentiment_api.http.problems import AnyRequest
from sentiment_api.inference.capacity import Ticket
from sentiment_api.schemas.drift import DriftReportsQuery
from sentiment_api.schemas.predictions import PredictionsQuery
from sentiment_api.schemas.validation import parse_query
from sentiment_api.use_cases.drift import NO_SUCH_REPORT
from sentiment_api.use_cases.recording import Caller

MAX_IDEMPOTENCY_KEY = 200
SOURCE = "X-Sentiment-Source"
_WEIGHT = re.compile(r"[01](\.\d{0,3})?")
_PRINTABLE = re.compile(r"[\x20-\x7e\x80-\xff]*")  # a header's bytes as Latin-1; Postgres stores no NUL


def request_id_of(request: AnyRequest) -> str:
    """Return the id that the edge gave this request."""
    request_id: str = request.scope["state"]["request_id"]
    return request_id


def ticket_of(request: AnyRequest) -> Ticket:
    """Return the ticket that the admission of this request gave it."""
    ticket: Ticket = request.scope["state"][TICKET]
    return ticket


def caller_of(request: AnyRequest) -> Caller:
    """Return what a prediction keeps of the request.

    Raises:
        RequestInvalid: the idempotency key is too long, or has control characters; or the source is none that a request
            may have.
    """
    key = request.headers.get("idempotency-key")
    if key is not None and not (1 <= len(key) <= MAX_IDEMPOTENCY_KEY and _PRINTABLE.fullmatch(key)):
        message = f"expected 1 to {MAX_IDEMPOTENCY_KEY} characters, none of them a control character"
        raise RequestInvalid([FieldError("Idempotency-Key", message)])
    return Caller(
        request_id=request_id_of(request),
        idempotency_key=key,
        source=_source_of(request),
        api_key_name=request.scope["state"].get(KEY_NAME),
    )


def _source_of(request: AnyRequest) -> str:
    given = request.headers.getall(SOURCE, [])
    if not given:
        return "api"
    if len(given) > 1 or given[0] not in OWN_SOURCES:
        message = f"expected one of {', '.join(OWN_SOURCES)}, once; customers' requests have no such header"
        raise RequestInvalid([FieldError(SOURCE, message)])
    return given[0]


def predictions_query_of(request: AnyRequest) -> PredictionsQuery:
    """Return what the query asks for.

    Raises:
        RequestInvalid: a parameter is unknown, malformed or given twice.
    """
    return parse_query(PredictionsQuery, request.scope["state"][QUERY])


def drift_reports_query_of(request: AnyRequest) -> DriftReportsQuery:
    """Return what the query asks for.

    Raises:
        RequestInvalid: a parameter is unknown, malformed or given twice.
    """
    return parse_query(DriftReportsQuery, request.scope["state"][QUERY])


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
    """Return whether the client says that it takes a gzip-compressed reply (RFC 9110, 12.5.3)."""
    weights = dict(map(_weighted, ",".join(request.headers.getall("accept-encoding", [])).split(",")))
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def _weighted(coding: str) -> tuple[str, float]:
    """Return what `gzip;q=0.5` says. A weight that is none counts as 0."""
    name, _, parameter = coding.partition(";")
    key, _, value = parameter.partition("=")
    weight = value.strip() if key.strip().lower() == "q" else "1"
    return name.strip().lower(), float(weight) if _WEIGHT.fullmatch(weight) else 0.0


def prediction_id_of(text: str) -> UUID:
    """Return the id in a path.

    Raises:
        PredictionUnknown: it is no UUID, so no prediction has it.
    """
    try:
        return UUID(text)
    except ValueError as error:
        raise PredictionUnknown("No prediction has this id.") from error
