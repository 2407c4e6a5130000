"""`GET /drift/...`: what the drift job found, as JSON, and the pages that it made for people."""

import re
from dataclasses import dataclass
from typing import Final, TypeVar

from litestar import MediaType, Response, get
from litestar.di import NamedDependency
from litestar.enums import ScopeType
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example, OpenAPIFormat, OpenAPIType, Operation, Parameter, Schema
from litestar.params import FromPath
from litestar.types import ASGIApp, Receive, Send
from litestar.types import Scope as Connection
from msgspec.structs import replace

from sentiment_api.access.authentication import requires
from sentiment_api.access.keys import Scope
from sentiment_api.http.problems import AnyRequest
from sentiment_api.request_state import PREFIX, RUN_ID
from sentiment_api.routes import examples
from sentiment_api.routes.openapi import DRIFT, QueryOperation, problems, replies_with
from sentiment_api.routes.requests import accepts_gzip, query_as, run_id_of
from sentiment_api.schemas.drift import DriftReport, DriftReportPage, DriftReportsQuery, DriftReportSummary
from sentiment_api.use_cases.drift import LookUpDrift

REPORT_POLICY: Final = (
    # Without allow-same-origin: the page has an origin of its own, to which this service is foreign.
    "sandbox allow-scripts; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; "
    # Evidently puts its scripts, styles, fonts and pictures into the page.
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'; font-src data:; img-src data:"
)
_PAGE_HEADERS: Final = {
    "Content-Security-Policy": REPORT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
    # Browsers refuse to open a sandboxed page that asks for another one.
    "Cross-Origin-Opener-Policy": "unsafe-none",
    "Vary": "Accept-Encoding",
}
_PAGE: Final = "/drift/reports/{run_id}.html"
"""The page's path in OpenAPI, metrics and log. To Litestar it has no parameter: its paths know no suffix."""
_PAGE_REQUESTED: Final = re.compile(r"/drift/reports/([^/]+)\.html")

Summary = TypeVar("Summary", bound=DriftReportSummary)


@get(
    "/drift/reports",
    summary="List drift runs",
    tags=[DRIFT],
    responses=replies_with(examples.DRIFT_REPORTS, "A page of runs.", 401, 403, 422, 503),
    operation_class=QueryOperation,
    dependencies=query_as(DriftReportsQuery),
    **requires(Scope.READ),
)
async def drift_reports(
    request: AnyRequest, filters: NamedDependency[DriftReportsQuery], look_up_drift: NamedDependency[LookUpDrift]
) -> DriftReportPage:
    """Return drift runs without their metrics: the latest window first, and of a window the latest revision first."""
    page = await look_up_drift.page(filters)
    return replace(page, reports=[_linked(report, request) for report in page.reports])


@get(
    "/drift/latest",
    summary="Get the latest drift run",
    tags=[DRIFT],
    responses=replies_with(examples.DRIFT_REPORT, "The run.", 401, 403, 404, 503),
    **requires(Scope.READ),
)
async def latest_drift_report(request: AnyRequest, look_up_drift: NamedDependency[LookUpDrift]) -> DriftReport:
    """Return the run on the latest window of the model that serves, as it was judged last; 404 before the first.

    The latest window is the one that ends last. A window that was judged by hand up to this minute is the latest one
    until a night ends after it; `reference` says what each run was compared with.
    """
    return _linked(await look_up_drift.latest(), request)


@get(
    "/drift/reports/{run_id:str}",
    summary="Get one drift run",
    tags=[DRIFT],
    responses=replies_with(examples.DRIFT_REPORT, "The run.", 401, 403, 404, 503),
    operation_class=QueryOperation,
    **requires(Scope.READ),
)
async def drift_report(
    request: AnyRequest, run_id: FromPath[str], look_up_drift: NamedDependency[LookUpDrift]
) -> DriftReport:
    """Return a run of the drift job with its metrics and details."""
    return _linked(await look_up_drift.find(run_id_of(run_id)), request)


def _linked(report: Summary, request: AnyRequest) -> Summary:
    """Return the report with the path of its page as the client has to ask for it."""
    prefix: str = request.scope["state"][PREFIX]
    return replace(report, page=prefix + report.page) if prefix and report.page else report


@dataclass
class _PageOperation(Operation):
    """The operation of a page: it adds the parameter that Litestar does not know."""

    def __post_init__(self) -> None:
        schema = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.UUID)
        self.parameters = [Parameter(RUN_ID, "path", required=True, schema=schema, description="Of the run.")]


@get(
    _PAGE,
    summary="Get the page of a drift run",
    tags=[DRIFT],
    responses={
        200: ResponseSpec(
            str,
            description="The page, sandboxed by its Content-Security-Policy; compressed for clients that accept gzip.",
            generate_examples=False,
            media_type="text/html",
            examples=[Example(value="<!DOCTYPE html><html>...</html>")],
        ),
        **problems(401, 403, 404, 503),
    },
    operation_class=_PageOperation,
    **requires(Scope.READ),
)
async def drift_report_page(request: AnyRequest, look_up_drift: NamedDependency[LookUpDrift]) -> Response[bytes]:
    """Return the page of a run for people: the verdict on top, below it what Evidently says of the window."""
    packed = accepts_gzip(request)
    page = await look_up_drift.html(run_id_of(request.scope["state"][RUN_ID]), packed=packed)
    encoding = {"Content-Encoding": "gzip"} if packed else {}
    return Response(page, media_type=MediaType.HTML, headers=_PAGE_HEADERS | encoding)


class ReportPages:
    """An ASGI application around Litestar: it gives requests for pages the path of their route."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Replace the path of a page by its route's, and note the run's id in the state."""
        if scope["type"] == ScopeType.HTTP and (requested := _PAGE_REQUESTED.fullmatch(scope["path"])):
            scope["state"][RUN_ID] = requested[1]
            scope["path"] = _PAGE
        await self._app(scope, receive, send)
