"""Apitally, without anything that a client wrote: reviews are personal data.

Apitally reads the span that `spans` makes, which has no more than the access log, and a copy of the request's scope
without path, query, client address and headers. Imported only if its token is set.
"""

from contextvars import ContextVar
from typing import cast

from apitally.litestar import ApitallyPlugin
from apitally.shared import activation
from apitally.shared.config import WRITE_TOKEN_FORMAT
from litestar import Litestar
from litestar.config.app import AppConfig
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from sentiment_api import __version__
from sentiment_api.errors import SettingsInvalid
from sentiment_api.settings import ServiceSettings
from sentiment_api.telemetry.tracing import FLUSH_S, run_with_timeout

_WHOLE_SCOPE: ContextVar[HTTPScope] = ContextVar("whole scope")


class _RedactedApitallyPlugin(ApitallyPlugin):  # type: ignore[misc] # mypy does not follow apitally
    """Adds Apitally to an application, without what could send the content of requests or delay the service."""

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Set Apitally up, but without its own span, which has path and query, and without exceptions."""
        plugins, before_send = list(app_config.plugins), list(app_config.before_send)
        after_exception, on_shutdown = list(app_config.after_exception), list(app_config.on_shutdown)
        configured: AppConfig = super().on_app_init(app_config)
        configured.plugins, configured.before_send = plugins, before_send
        # Messages of exceptions, and of their causes, may quote a request.
        configured.after_exception = after_exception
        # It would wait up to three times 10 s for a receiver that accepts and never answers.
        configured.on_shutdown = [*on_shutdown, _end]
        return configured

    def on_startup(self, app: Litestar) -> None:
        """Put Apitally around the application, and around Apitally what hides the requests from it."""
        app.asgi_handler = _with_whole_scope(app.asgi_handler)
        super().on_startup(app)
        app.asgi_handler = _with_scrubbed_scope(app.asgi_handler)


def apitally_plugin(settings: ServiceSettings) -> ApitallyPlugin:
    """Return the plugin with everything off that could hold a text: bodies, headers, logs, query values, exceptions.

    Raises:
        SettingsInvalid: the token does not have the format of one.
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


def _with_scrubbed_scope(apitally: ASGIApp) -> ASGIApp:
    """Return an application that passes on a scope with nothing but what Apitally needs to count a request."""

    async def scrub(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            _WHOLE_SCOPE.set(scope)
            scope = cast("Scope", {"type": scope["type"], "method": scope["method"]})
        await apitally(scope, receive, send)

    return scrub


def _with_whole_scope(app: ASGIApp) -> ASGIApp:
    """Return an application that restores the whole scope behind Apitally, and tells Apitally the route's template."""

    async def restore(scrubbed: Scope, receive: Receive, send: Send) -> None:
        if scrubbed["type"] != ScopeType.HTTP:
            await app(scrubbed, receive, send)
            return
        scope = _WHOLE_SCOPE.get()

        async def send_with_route(message: Message) -> None:
            scrubbed["path_template"] = scope.get("path_template", "")
            await send(message)

        await app(scope, receive, send_with_route)

    return restore


def _end() -> None:
    run_with_timeout(activation.shutdown, FLUSH_S)
