"""Logging: lines for people in a terminal, JSON otherwise. Events carry ids and numbers, never a review's text.

Each line of a request has the request's id and, if it is traced, the ids of its trace and span.
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

from sentiment_api.request_state import REQUEST_ID, SPAN_ID, TRACE_ID

_LOGGED_ONCE = ("apitally", "opentelemetry")
"""While their receiver is away these libraries log the same message every few seconds."""
_REQUEST: ContextVar[Mapping[str, Any]] = ContextVar("request", default=MappingProxyType({}))
_CONSTANT_MESSAGES = ("apitally", "asyncio", "opentelemetry", "sqlalchemy.pool")
"""Libraries whose messages without arguments were checked: values come only after what `_VALUES` cuts at."""
_WITHHELD = "a library has logged something"
_VALUES = re.compile(r"[(<\n]")
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
    logging.basicConfig(level=logging.WARNING, handlers=[_LibraryLogHandler()], force=True)
    for name in _LOGGED_ONCE:
        library = logging.getLogger(name)
        library.handlers, library.propagate = [_LibraryLogHandler(once=True)], False


def bind_request(state: Mapping[str, Any]) -> None:
    """Add the ids in `state` to all log lines of the current request."""
    _REQUEST.set(state)


def _with_ids(_logger: Any, _method: str, event: EventDict) -> EventDict:  # noqa: ANN401 - as structlog has it
    state = _REQUEST.get()
    for name in (REQUEST_ID, TRACE_ID, SPAN_ID):
        if name in state:
            event.setdefault(name, state[name])
    return event


class _LibraryLogHandler(logging.Handler):
    """Logs the records of libraries as events of ours, without anything that may quote a review.

    Logged are the constant part of the message, the place, and the type of an exception. Arguments and tracebacks are
    dropped. A message without arguments may already contain values, so it is dropped too, except from libraries whose
    messages were checked.
    """

    def __init__(self, *, once: bool = False) -> None:
        """With `once`, each message is logged once per place."""
        super().__init__(logging.WARNING)
        self._once = once
        self._logged: set[tuple[str, str]] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record on standard error."""
        message, place = _constant_part(record), f"{record.filename}:{record.lineno}"
        if (message, place) in self._logged:
            return
        if self._once:
            self._logged.add((message, place))
        kind = record.exc_info[0] if record.exc_info else None
        log = _log.error if record.levelno >= logging.ERROR else _log.warning
        log(message, library=record.name, place=place, **({} if kind is None else {"error": kind.__name__}))


def _constant_part(record: logging.LogRecord) -> str:
    """Return the part of the message that holds no values, as far as that is known."""
    if record.args or f"{record.name}.".startswith(tuple(f"{name}." for name in _CONSTANT_MESSAGES)):
        return _VALUES.split(str(record.msg))[0].strip()
    return _WITHHELD
