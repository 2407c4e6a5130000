"""What the routes read of a request beside its body."""

import re
from uuid import UUID

from sentiment_api.admission import TICKET
from sentiment_api.capacity import Ticket
from sentiment_api.edge import QUERY
from sentiment_api.errors import FieldError, PredictionUnknown, RequestInvalid
from sentiment_api.problems import AnyRequest
from sentiment_api.schemas import PredictionsQuery
from sentiment_api.use_cases.predict import Caller
from sentiment_api.validation import parse_query

MAX_IDEMPOTENCY_KEY = 200
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
        RequestInvalid: the idempotency key is too long, or has control characters.
    """
    key = request.headers.get("idempotency-key")
    if key is not None and not (1 <= len(key) <= MAX_IDEMPOTENCY_KEY and _PRINTABLE.fullmatch(key)):
        message = f"expected 1 to {MAX_IDEMPOTENCY_KEY} characters, none of them a control character"
        raise RequestInvalid([FieldError("Idempotency-Key", message)])
    return Caller(request_id=request_id_of(request), idempotency_key=key)


def predictions_query_of(request: AnyRequest) -> PredictionsQuery:
    """Return what the query asks for.

    Raises:
        RequestInvalid: a parameter is unknown, malformed or given twice.
    """
    return parse_query(PredictionsQuery, request.scope["state"][QUERY])


def prediction_id_of(text: str) -> UUID:
    """Return the id in a path.

    Raises:
        PredictionUnknown: it is no UUID, so no prediction has it.
    """
    try:
        return UUID(text)
    except ValueError as error:
        raise PredictionUnknown("No prediction has this id.") from error
