"""`GET /drift/...`: what the drift job found, as JSON, and the page that it made for people."""

from typing import Final

from litestar import MediaType, Response, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import FromPath

from sentiment_api.access.authentication import requires
from sentiment_api.access.keys import Scope
from sentiment_api.http.problems import AnyRequest, documented
from sentiment_api.routes.drift_examples import LIST, REPORT
from sentiment_api.routes.parameters import id_parameter, query_parameters, with_parameters
from sentiment_api.routes.report_pages import REPORT_PAGE, RUN_ID
from sentiment_api.routes.requests import accepts_gzip, drift_reports_query_of, run_id_of
from sentiment_api.schemas.drift import DriftReport, DriftReportPage, DriftReportsQuery
from sentiment_api.use_cases.drift import LookUpDrift

REPORT_POLICY: Final = (
    # Without allow-same-origin: a page of nobody's, to which this service is as foreign as any other.
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
_A_REPORT = ResponseSpec(DriftReport, description="The run.", generate_examples=False, examples=[REPORT])


@get(
    "/drift/reports",
    responses={
        200: ResponseSpec(DriftReportPage, description="A page.", generate_examples=False, examples=[LIST]),
        **documented(401, 403, 422, 503),
    },
    operation_class=with_parameters(*query_parameters(DriftReportsQuery)),
    **requires(Scope.READ),
)
async def drift_reports(request: AnyRequest, look_up_drift: NamedDependency[LookUpDrift]) -> DriftReportPage:
    """Return runs of the drift job without their metrics, the latest window first, of each what was judged last."""
    return await look_up_drift.page(drift_reports_query_of(request))


@get("/drift/latest", responses={200: _A_REPORT, **documented(401, 403, 404, 503)}, **requires(Scope.READ))
async def latest_drift_report(look_up_drift: NamedDependency[LookUpDrift]) -> DriftReport:
    """Return the run on the latest window of the model that serves, as it was judged last; 404 before the first.

    The latest window is the one that ends last. A window that was judged by hand up to this minute is the latest one
    until a night ends after it; `reference` says what each run was compared with.
    """
    return await look_up_drift.latest()


@get(
    "/drift/reports/{run_id:str}", responses={200: _A_REPORT, **documented(401, 403, 404, 503)}, **requires(Scope.READ)
)
async def drift_report(run_id: FromPath[str], look_up_drift: NamedDependency[LookUpDrift]) -> DriftReport:
    """Return a run of the drift job with its metrics and details."""
    return await look_up_drift.find(run_id_of(run_id))


@get(
    REPORT_PAGE,
    responses={
        200: ResponseSpec(
            str,
            description="The page, sandboxed by its Content-Security-Policy; compressed for clients that accept gzip.",
            generate_examples=False,
            media_type="text/html",
            examples=[Example(value="<!DOCTYPE html><html>...</html>")],
        ),
        **documented(401, 403, 404, 503),
    },
    operation_class=with_parameters(id_parameter(RUN_ID, "Of the run.")),
    **requires(Scope.READ),
)
async def drift_report_page(request: AnyRequest, look_up_drift: NamedDependency[LookUpDrift]) -> Response[bytes]:
    """Return the page of a run for people: the verdict on top, below it what Evidently says of the window."""
    packed = accepts_gzip(request)
    page = await look_up_drift.html(run_id_of(request.scope["state"][RUN_ID]), packed=packed)
    encoding = {"Content-Encoding": "gzip"} if packed else {}
    return Response(page, media_type=MediaType.HTML, headers=_PAGE_HEADERS | encoding)
