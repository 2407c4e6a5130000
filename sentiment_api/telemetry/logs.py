"""How the process logs: lines for people in a terminal, JSON otherwise. Events carry ids and numbers, never a text.

Every line of a request has the request's id and, where it is traced, the ids of its trace and span.
"""

import logging
import re
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Literal

import structlog
from structlog.typing import EventDict

REQUEST_ID = "request_id"
TRACE_ID = "trace_id"
SPAN_ID = "span_id"
"""The keys under which the state of a request has its ids, and a log line, too."""
_TELLS_ONCE = ("apitally", "opentelemetry")
"""What these say when their receiver is away, they say again every few seconds."""
_REQUEST: ContextVar[Mapping[str, Any]] = ContextVar("request", default=MappingProxyType({}))
_WRITES_CONSTANTS = ("apitally", "asyncio", "opentelemetry", "sqlalchemy.pool")
"""What these log without arguments is worth knowing, and was read through: values come after what `_QUOTED` cuts at."""
_WORDLESS = "a library has logged something"
_QUOTED = re.compile(r"[(<\n]")
_log = structlog.get_logger(__name__)


def configure_logs(log_format: Literal["auto", "console", "json"]) -> None:
    """Set up structlog for this process; `auto` is `console` in a terminal and `json` otherwise."""
    console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    renderer = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            _with_ids,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Retold()], force=True)
    for name in _TELLS_ONCE:
        library = logging.getLogger(name)
        library.handlers, library.propagate = [_Retold(once=True)], False


def name_request(state: Mapping[str, Any]) -> None:
    """Have the log lines of the request that is beginning say the ids that are in its `state`."""
    _REQUEST.set(state)


def _with_ids(_logger: Any, _method: str, event: EventDict) -> EventDict:  # noqa: ANN401 - as structlog has it
    state = _REQUEST.get()
    for name in (REQUEST_ID, TRACE_ID, SPAN_ID):
        if name in state:
            event.setdefault(name, state[name])
    return event


class _Retold(logging.Handler):
    """Tells what a library logs as an event of ours.

    Of the message it tells what the library's authors wrote, up to where values begin; of an exception, the kind; and
    the place. What is left out, and a traceback, may quote a text. So may any word of a message that has no arguments:
    values may be in it already.
    """

    def __init__(self, *, once: bool = False) -> None:
        """With `once` nothing is told twice."""
        super().__init__(logging.WARNING)
        self._once = once
        self._told: set[tuple[str, str]] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Tell it on standard error."""
        message, place = _words(record), f"{record.filename}:{record.lineno}"
        if (message, place) in self._told:
            return
        if self._once:
            self._told.add((message, place))
        kind = record.exc_info[0] if record.exc_info else None
        tell = _log.error if record.levelno >= logging.ERROR else _log.warning
        tell(message, library=record.name, place=place, **({} if kind is None else {"error": kind.__name__}))


def _words(record: logging.LogRecord) -> str:
    """Return what the library's authors wrote, as far as that is known."""
    if record.args or f"{record.name}.".startswith(tuple(f"{name}." for name in _WRITES_CONSTANTS)):
        return _QUOTED.split(str(record.msg))[0].strip()
    return _WORDLESS
