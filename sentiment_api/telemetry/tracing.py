"""Tracing by OpenTelemetry: where spans are sent, so that no receiver can delay the service. `spans` makes them.

Imported only if there is a receiver (OTLP or Apitally): the import takes 0.05 s and 4 MB.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

import structlog
from litestar import Litestar
from litestar.config.app import AppConfig
from litestar.plugins import InitPlugin
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter, SpanExportResult
from requests import Session

from sentiment_api import __version__
from sentiment_api.loopback import is_loopback
from sentiment_api.settings import ServiceSettings
from sentiment_api.telemetry.spans import TracingMiddleware

FLUSH_S = 2.0
"""How long shutdown waits for a receiver to take the remaining spans."""
_DEFAULT_ENDPOINT = "http://localhost:4318"
_log = structlog.get_logger(__name__)


class Tracing(InitPlugin):
    """Traces the requests of an application from its startup to its shutdown."""

    def __init__(self, settings: ServiceSettings) -> None:
        """No thread runs and nothing is sent before startup."""
        self._exporters = _exporters(settings)
        self._provider: TracerProvider | None = None

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Register startup and shutdown with the application."""
        app_config.on_startup.append(self._start)
        app_config.on_shutdown.append(self._end)
        return app_config

    def _start(self, app: Litestar) -> None:
        if self._exporters:
            self._provider = _provider(self._exporters)
            trace.set_tracer_provider(self._provider)  # where Apitally, which starts after us, looks for one
        # Without exporters this is the tracer of the provider that Apitally is about to set.
        tracer = (self._provider or trace).get_tracer("sentiment_api", __version__)
        app.asgi_handler = TracingMiddleware(app.asgi_handler, tracer, _fixed_paths(app))

    def _end(self) -> None:
        if self._provider is not None:
            run_with_timeout(self._provider.shutdown, FLUSH_S)


class _OutageReportingExporter(SpanExporter):
    """Wraps an exporter: logs once when spans cannot be sent, and once when they can again."""

    def __init__(self, exporter: SpanExporter, receiver: str) -> None:
        self._exporter = exporter
        self._receiver = receiver
        self._log_message = _FirstLogMessage()
        self._receiving = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._log_message.forget()
        result = self._exporter.export(spans)
        succeeded = result is SpanExportResult.SUCCESS
        if self._receiving and not succeeded:
            _log.warning(
                "traces cannot be sent; they are dropped", receiver=self._receiver, reason=self._log_message.first
            )
        elif succeeded and not self._receiving:
            _log.info("traces are sent again", receiver=self._receiver)
        self._receiving = succeeded
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


class _FirstLogMessage(logging.Handler):
    """Keeps the first message that the exporters logged, instead of logging one at every attempt."""

    def __init__(self) -> None:
        super().__init__()
        self.first: str | None = None
        exporters = logging.getLogger("opentelemetry.exporter")
        exporters.handlers, exporters.propagate = [self], False

    def forget(self) -> None:
        self.first = None

    def emit(self, record: logging.LogRecord) -> None:
        if self.first is None:
            self.first = _message(record)


def _message(record: logging.LogRecord) -> str:
    """Return the formatted message, with exceptions as their types; unformatted if the arguments do not fit."""
    message, arguments = str(record.msg), record.args
    try:
        if isinstance(arguments, Mapping):
            return message % {name: _plain(value) for name, value in arguments.items()}
        return message % tuple(map(_plain, arguments)) if arguments else message
    except (KeyError, TypeError, ValueError):
        return message


def _plain(value: object) -> object:
    return type(value).__name__ if isinstance(value, BaseException) else value


def run_with_timeout(work: Callable[[], object], timeout_s: float) -> None:
    """Run `work` in a daemon thread and wait at most `timeout_s` for it: the process may end before it does."""
    thread = threading.Thread(target=work, name="telemetry-flush", daemon=True)
    thread.start()
    thread.join(timeout_s)


def _exporters(settings: ServiceSettings) -> list[SpanExporter]:
    named = settings.trace_exporters()
    exporters: list[SpanExporter] = [ConsoleSpanExporter()] if "console" in named else []
    if "otlp" in named:
        url = urlsplit(settings.otel_endpoint or _DEFAULT_ENDPOINT)
        exporter = OTLPSpanExporter(session=_session_without_proxy() if is_loopback(url.hostname or "") else None)
        exporters.append(_OutageReportingExporter(exporter, url.netloc.rpartition("@")[2]))
    return exporters


def _session_without_proxy() -> Session:
    """Return what sends to a receiver on this machine: a proxy of the environment would send to its own."""
    session = Session()
    session.trust_env = False
    return session


def _provider(exporters: list[SpanExporter]) -> TracerProvider:
    service = Resource.create({"service.name": "sentiment-api", "service.version": __version__})
    # Resource.create lets what it is given go before what the environment says.
    provider = TracerProvider(resource=service.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _fixed_paths(app: Litestar) -> frozenset[str]:
    return frozenset(route.path for route in app.routes if "{" not in route.path)
