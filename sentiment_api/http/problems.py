"""Every error as `application/problem+json` (RFC 9457). Only this module maps errors to statuses."""

import math
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap
from litestar.utils import normalize_path

from sentiment_api.errors import (
    AccessDenied,
    ApiKeyRequired,
    BodiesFull,
    BodyDamaged,
    BodyTooLarge,
    BodyTooSlow,
    ClientGone,
    DatabaseAway,
    DeadlineExceeded,
    Draining,
    DriftReportUnknown,
    EncodingUnsupported,
    HostNotAllowed,
    InferenceFailed,
    LookUpsOverloaded,
    NotJson,
    Overloaded,
    PredictionUnknown,
    RateLimited,
    RequestInvalid,
    RequestRefused,
    ScopeMissing,
    SpoolFull,
    WrongMediaType,
    place_of,
)
from sentiment_api.request_state import PATH, REQUEST_ID
from sentiment_api.schemas.problems import FieldProblem, Problem
from sentiment_api.telemetry.metrics import Metrics

AnyRequest = Request[Any, Any, Any]
MEDIA_TYPE = "application/problem+json"

_KINDS: dict[type[RequestRefused], tuple[int, str, str]] = {
    ApiKeyRequired: (401, "key-needed", "An API key is needed"),
    ScopeMissing: (403, "scope-missing", "The API key does not open this"),
    # 421, as nothing is wrong with the request but where it went; 400 would say that it is malformed.
    HostNotAllowed: (421, "host-foreign", "The request is for another host"),
    NotJson: (400, "not-json", "The body is not JSON"),
    RequestInvalid: (422, "invalid", "The request does not match the schema"),
    BodyTooSlow: (408, "body-too-slow", "The body did not arrive in time"),
    BodyTooLarge: (413, "body-too-large", "The body is too large"),
    BodyDamaged: (400, "body-damaged", "The body cannot be unpacked"),
    EncodingUnsupported: (415, "body-encoding", "Unsupported content encoding"),
    WrongMediaType: (415, "media-type", "Unsupported media type"),
    PredictionUnknown: (404, "prediction-unknown", "No such prediction"),
    DriftReportUnknown: (404, "drift-report-unknown", "No such drift report"),
    Overloaded: (503, "overloaded", "Too much work is waiting"),
    LookUpsOverloaded: (503, "look-ups-overloaded", "Too many look-ups are waiting"),
    BodiesFull: (503, "bodies-full", "Too many bodies at once"),
    RateLimited: (429, "rate-limited", "The API key has asked as much as it may"),
    DeadlineExceeded: (504, "deadline", "The deadline passed"),
    SpoolFull: (503, "log-full", "Predictions cannot be recorded"),
    DatabaseAway: (503, "database-away", "The database does not respond"),
    Draining: (503, "draining", "The service is stopping"),
    ClientGone: (499, "client-gone", "The client went away"),  # nobody reads it: for metrics and logs, as nginx has it
    InferenceFailed: (500, "inference-failed", "The model failed on this text"),
}
# Litestar's own details may quote the request, so ours replace them.
_HTTP_TITLES = {
    400: ("Bad request", "The request cannot be understood."),
    404: ("Not found", "There is nothing at this path; GET /docs lists what there is."),
    405: ("Method not allowed", "This path does not take this method; the Allow header lists those it takes."),
}
_UNEXPECTED = (
    "Internal error",
    "Something failed on our side. The X-Request-ID header names this request in the logs.",
)
_TAKEN_BY_ALL: Final = "OPTIONS"
"""A method that every route of Litestar takes."""
_log = structlog.get_logger(__name__)


REASONS = tuple(slug for _, slug, _ in _KINDS.values())
"""The slugs of all problems that have one."""


def refused_item(request: AnyRequest, refusal: RequestRefused) -> Problem:
    """Count a refused item of a batch, and return its problem."""
    metrics: Metrics = request.app.state.metrics
    metrics.refused_items.labels(_KINDS[type(refusal)][1]).inc()
    _log_defect(request, refusal)
    return problem_of(refusal)


def problem_of(refusal: RequestRefused, instance: str = "") -> Problem:
    """Return the problem of a refusal, for a whole reply or for one item of a batch."""
    status, slug, title = _KINDS[type(refusal)]
    errors = [FieldProblem(each.path, each.message) for each in getattr(refusal, "errors", [])]
    return Problem(f"/problems/{slug}", title, status, str(refusal), instance, errors)


def refused(request: AnyRequest, refusal: RequestRefused) -> Response[Problem]:
    """Count a refused request, and return the reply."""
    metrics: Metrics = request.app.state.metrics
    metrics.refused.labels(_KINDS[type(refusal)][1]).inc()
    _log_defect(request, refusal)
    headers = dict(refusal.headers) if isinstance(refusal, RateLimited | EncodingUnsupported) else {}
    if isinstance(refusal, Overloaded | RateLimited):
        headers["Retry-After"] = str(max(1, math.ceil(refusal.retry_after_s)))
    if isinstance(refusal, AccessDenied):
        headers["WWW-Authenticate"] = refusal.challenge
    return _response(problem_of(refusal, _instance(request)), headers)


def _log_defect(request: AnyRequest, refusal: RequestRefused) -> None:
    """Log what is no fault of the client's; of a batch with a prediction the access log tells nothing but 200."""
    if isinstance(refusal, InferenceFailed):
        request_id = request.scope["state"].get(REQUEST_ID)
        _log.error("inference failed", error=refusal.kind, tokens=refusal.tokens, request_id=request_id)


def _http_error(request: AnyRequest, error: HTTPException) -> Response[Problem]:
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        _name_route(request)
    phrase = HTTPStatus(error.status_code).phrase
    title, detail = _HTTP_TITLES.get(error.status_code, (phrase, f"{phrase}."))
    problem = Problem("about:blank", title, error.status_code, detail, _instance(request))
    return _response(problem, dict(error.headers or {}))


def _name_route(request: AnyRequest) -> None:
    """Set the route's template on a request with a wrong method, for metrics and log: Litestar sets none."""
    router = request.app.asgi_router
    *_, template = router.handle_routing(path=normalize_path(request.scope["path"]), method=_TAKEN_BY_ALL)
    request.scope["path_template"] = template


def _unexpected(request: AnyRequest, error: Exception) -> Response[Problem]:
    """A defect of ours. The log gets the kind and the place, not the message: it may quote a text."""
    _log.error(
        "unexpected error",
        error=type(error).__name__,
        place=place_of(error),
        route=request.scope.get("path_template"),
        request_id=request.scope["state"].get(REQUEST_ID),
    )
    title, detail = _UNEXPECTED
    return _response(Problem("about:blank", title, 500, detail, _instance(request)), {})


def _instance(request: AnyRequest) -> str:
    """Return the path that was asked for, as RFC 9457 wants it: a URI reference, which `//` would make another host."""
    return quote("/" + request.scope["state"][PATH].lstrip("/"))


def _response(problem: Problem, headers: dict[str, str]) -> Response[Problem]:
    return Response(problem, status_code=problem.status, headers=headers, media_type=MEDIA_TYPE)


EXCEPTION_HANDLERS: ExceptionHandlersMap = {
    RequestRefused: refused,
    HTTPException: _http_error,
    Exception: _unexpected,
}
