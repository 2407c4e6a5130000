"""Apitally, told of requests and never of what is in them: reviews are personal data.

It hears of a request by the span that `tracing` makes, which has no more than the access log. Imported only when it is
on.
"""

from apitally.litestar import ApitallyPlugin
from apitally.shared import activation
from apitally.shared.config import WRITE_TOKEN_FORMAT
from litestar import Litestar
from litestar.config.app import AppConfig
from litestar.types import ASGIApp, Receive, Scope, Send

from sentiment_api import __version__
from sentiment_api.errors import SettingsInvalid
from sentiment_api.settings import ServiceSettings
from sentiment_api.telemetry.tracing import FLUSH_S, run_with_timeout


class _RedactedApitallyPlugin(ApitallyPlugin):  # type: ignore[misc] # mypy does not follow apitally
    """Adds what tells of requests, and nothing that could tell of what is in them or hold the service up."""

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Set Apitally up, less what it would do itself: a span with the path and the query, and all exceptions."""
        plugins, before_send = list(app_config.plugins), list(app_config.before_send)
        after_exception, on_shutdown = list(app_config.after_exception), list(app_config.on_shutdown)
        configured: AppConfig = super().on_app_init(app_config)
        configured.plugins, configured.before_send = plugins, before_send
        # Messages of exceptions, and of those that they come from, may quote a request.
        configured.after_exception = after_exception
        # It would wait 10 s for a receiver that accepts and says nothing, up to three times.
        configured.on_shutdown = [*on_shutdown, _end]
        return configured

    def on_startup(self, app: Litestar) -> None:
        """Begin, around an application that hides its clients' addresses: Apitally would add them to the spans."""
        app.asgi_handler = _without_client(app.asgi_handler)
        super().on_startup(app)


def apitally_plugin(settings: ServiceSettings) -> ApitallyPlugin:
    """Return the plugin with everything off that could carry a text: bodies, headers, logs, query values, exceptions.

    Raises:
        SettingsInvalid: what is set as its token is none.
    """
    token = settings.apitally_write_token
    written = "" if token is None else token.get_secret_value()
    if not WRITE_TOKEN_FORMAT.match(written):
        raise SettingsInvalid(
            "expected APITALLY_WRITE_TOKEN to be apt_ and 24 letters or digits, found something else; copy it from "
            "Apitally's page for the app, or leave it out"
        )
    return _RedactedApitallyPlugin(
        write_token=written,
        app_version=__version__,
        capture_request_headers=False,
        capture_request_body=False,
        capture_response_headers=False,
        capture_response_body=False,
        capture_logs=False,
        mask_query_params=[".*"],
    )


def _without_client(app: ASGIApp) -> ASGIApp:
    async def forget_client(scope: Scope, receive: Receive, send: Send) -> None:
        scope["client"] = None
        await app(scope, receive, send)

    return forget_client


def _end() -> None:
    run_with_timeout(activation.shutdown, FLUSH_S)
