"""Tracing by OpenTelemetry: where spans go, and that no receiver holds the service up. What is in them is in `spans`.

Imported only when there is somebody to tell, which is an OTLP receiver or Apitally: importing it takes time and memory.
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

from sentiment_api import __version__
from sentiment_api.settings import ServiceSettings
from sentiment_api.telemetry.spans import Traced

FLUSH_S = 2.0
"""How long the end of the service waits for a receiver to take what is left."""
_DEFAULT_ENDPOINT = "http://localhost:4318"
_log = structlog.get_logger(__name__)


class Tracing(InitPlugin):
    """Traces what an application is asked, from when it starts until it ends."""

    def __init__(self, settings: ServiceSettings) -> None:
        """Nothing is sent, and no thread runs, before the application starts."""
        self._exporters = _exporters(settings)
        self._provider: TracerProvider | None = None

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Have the application begin and end with us."""
        app_config.on_startup.append(self._start)
        app_config.on_shutdown.append(self._end)
        return app_config

    def _start(self, app: Litestar) -> None:
        if self._exporters:
            self._provider = _provider(self._exporters)
            trace.set_tracer_provider(self._provider)  # where Apitally, which starts after us, looks for one
        # Without exporters this is the tracer of the provider that Apitally is about to set.
        tracer = (self._provider or trace).get_tracer("sentiment_api", __version__)
        app.asgi_handler = Traced(app.asgi_handler, tracer, _fixed_paths(app))

    def _end(self) -> None:
        if self._provider is not None:
            do_in_time(self._provider.shutdown, FLUSH_S)


class _Told(SpanExporter):
    """Sends spans as another exporter does, and says so once when they cannot be sent, and once when they can again."""

    def __init__(self, exporter: SpanExporter, receiver: str) -> None:
        self._exporter = exporter
        self._receiver = receiver
        self._reason = _Reason()
        self._arrives = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._reason.forget()
        result = self._exporter.export(spans)
        arrives = result is SpanExportResult.SUCCESS
        if self._arrives and not arrives:
            _log.warning("traces cannot be sent; they are dropped", receiver=self._receiver, reason=self._reason.first)
        elif arrives and not self._arrives:
            _log.info("traces are sent again", receiver=self._receiver)
        self._arrives = arrives
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


class _Reason(logging.Handler):
    """Keeps the first thing that the exporters have logged, in the place of their lines at every attempt."""

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
    """Return the message, with exceptions by their kinds. It is as it came where it does not fit its arguments."""
    message, arguments = str(record.msg), record.args
    try:
        if isinstance(arguments, Mapping):
            return message % {name: _plain(value) for name, value in arguments.items()}
        return message % tuple(map(_plain, arguments)) if arguments else message
    except (KeyError, TypeError, ValueError):
        return message


def _plain(value: object) -> object:
    return type(value).__name__ if isinstance(value, BaseException) else value


def do_in_time(work: Callable[[], object], patience_s: float) -> None:
    """Do `work`, or leave it to itself when it takes longer: the process may end before it does."""
    thread = threading.Thread(target=work, name="telemetry-flush", daemon=True)
    thread.start()
    thread.join(patience_s)


def _exporters(settings: ServiceSettings) -> list[SpanExporter]:
    named = settings.trace_exporters()
    exporters: list[SpanExporter] = [ConsoleSpanExporter()] if "console" in named else []
    if "otlp" in named:
        receiver = urlsplit(settings.otel_endpoint or _DEFAULT_ENDPOINT).netloc.rpartition("@")[2]
        exporters.append(_Told(OTLPSpanExporter(), receiver))
    return exporters


def _provider(exporters: list[SpanExporter]) -> TracerProvider:
    service = Resource.create({"service.name": "sentiment-api", "service.version": __version__})
    # Resource.create lets what it is given go before what the environment says.
    provider = TracerProvider(resource=service.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _fixed_paths(app: Litestar) -> frozenset[str]:
    return frozenset(route.path for route in app.routes if "{" not in route.path)
