"""The application on one screen: its routes, what they are given, its middleware and its error mapping.

`components` puts together what works behind the routes, and `lifespan` starts and stops it.
"""

from collections.abc import Callable

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.plugins import PluginProtocol
from litestar.types import ASGIApp

from sentiment_api.access.allowed_hosts import LoopbackHostsOnly
from sentiment_api.access.authentication import AuthenticationMiddleware
from sentiment_api.access.rate_limits import RateLimitMiddleware
from sentiment_api.components import build_components
from sentiment_api.http.bodies import BodyMiddleware
from sentiment_api.http.edge import Edge
from sentiment_api.http.head_requests import HeadRequests
from sentiment_api.http.path_prefix import PathPrefix
from sentiment_api.http.problems import EXCEPTION_HANDLERS
from sentiment_api.http.unread_bodies import UnreadBodies
from sentiment_api.http.unread_replies import UnreadReplies
from sentiment_api.lifespan import Lifespan
from sentiment_api.model.classifier import Classifier
from sentiment_api.routes import documentation
from sentiment_api.routes.console import console, console_file
from sentiment_api.routes.drift import ReportPages, drift_report, drift_report_page, drift_reports, latest_drift_report
from sentiment_api.routes.operations import live, metrics, model, ready
from sentiment_api.routes.predict import predict, predict_batch
from sentiment_api.routes.predictions import feedback, logged_prediction, logged_predictions
from sentiment_api.schemas.limits import MAX_SINGLE_BYTES
from sentiment_api.settings import ServiceSettings
from sentiment_api.shadow.process import Scorer


def create_app(
    settings: ServiceSettings, classifier: Classifier | None = None, shadow_scorer: Scorer | None = None
) -> Litestar:
    """Build the application, and load the model unless one is given.

    Before it starts nothing outside of the process is touched but the model's files: no spool, no Postgres.

    Raises:
        OperatorError: something is missing or damaged; the message says what, and the remedy.
    """
    return build_app(Lifespan(build_components(settings, classifier, shadow_scorer)))


def build_app(lifespan: Lifespan) -> Litestar:
    """Build the application around the components that `lifespan` starts and stops.

    Raises:
        SettingsInvalid: what is set as Apitally's token is none, or the root path is one of the routes.
    """
    components, settings = lifespan.components, lifespan.components.settings
    app = Litestar(
        route_handlers=[
            *(predict, predict_batch, feedback, logged_prediction, logged_predictions),
            *(drift_reports, drift_report, drift_report_page, latest_drift_report),
            *(model, live, ready, metrics, documentation.asset),
            *(console, console_file),
        ],
        dependencies=_dependencies(lifespan),
        middleware=[
            *(
                AuthenticationMiddleware(components.key_checker),
                BodyMiddleware(settings.body_timeout_s, components.body_budget),
            ),
            *(RateLimitMiddleware(components.rate_limiter, components.admission.expected_tokens), components.admission),
        ],
        state=State({"metrics": components.metrics}),
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=[lifespan.run],
        openapi_config=documentation.openapi(),
        plugins=_telemetry_plugins(settings),
        request_max_body_size=MAX_SINGLE_BYTES,
        logging_config=None,  # ours is set in __main__; Litestar's would replace the root logger
    )
    own_paths = [route.path for route in app.routes]
    pages = ReportPages(app.asgi_handler)
    paths: ASGIApp = PathPrefix(pages, settings.root_path, settings.trusted_proxies, own_paths)
    alone = settings.keys == "off" and not settings.behind_proxy
    edge = Edge(HeadRequests(LoopbackHostsOnly(paths) if alone else paths), components.metrics)
    app.asgi_handler = UnreadBodies(UnreadReplies(edge))
    return app


def _dependencies(lifespan: Lifespan) -> dict[str, Provide]:
    """Return what routes may ask for, by parameter name."""
    components = lifespan.components
    return {
        "settings": _provide(lambda: components.settings),
        "classifier": _provide(lambda: components.classifier),
        "metrics": _provide(lambda: components.metrics),
        "key_checker": _provide(lambda: components.key_checker),
        "batcher": _provide(lambda: lifespan.running.batcher),
        "spool": _provide(lambda: lifespan.running.spool),
        "shipper": _provide(lambda: lifespan.running.shipper),
        "shadow": _provide(lambda: lifespan.running.shadow),
        "disk_gauges": _provide(lambda: lifespan.running.disk_gauges),
        "predict_reviews": _provide(lambda: lifespan.running.predict_reviews),
        "take_feedback": _provide(lambda: lifespan.running.take_feedback),
        "look_up": _provide(lambda: lifespan.running.look_up),
        "list_predictions": _provide(lambda: lifespan.running.list_predictions),
        "look_up_drift": _provide(lambda: lifespan.running.look_up_drift),
    }


def _provide(part: Callable[[], object]) -> Provide:
    return Provide(part, sync_to_thread=False)


def _telemetry_plugins(settings: ServiceSettings) -> list[PluginProtocol]:
    """Return the plugins that tell others of requests, none where nobody is told.

    Raises:
        SettingsInvalid: what is set as Apitally's token is none.
    """
    apitally = settings.apitally_write_token is not None and not settings.otel_sdk_disabled
    plugins: list[PluginProtocol] = []
    if apitally or settings.trace_exporters():
        from sentiment_api.telemetry.tracing import Tracing  # noqa: PLC0415 - takes 4 MB; most do without

        plugins.append(Tracing(settings))
    if apitally:
        from sentiment_api.telemetry.apitally import apitally_plugin  # noqa: PLC0415 - takes 12 MB; as above

        plugins.append(apitally_plugin(settings))  # it hears of a request by the span of `Tracing`
    return plugins
