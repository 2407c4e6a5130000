"""How the process logs: lines for people in a terminal, JSON otherwise. Events carry ids and numbers, never a text."""

import logging
import sys
from typing import Literal

import structlog


def configure_logs(log_format: Literal["auto", "console", "json"]) -> None:
    """Set up structlog for this process; `auto` is `console` in a terminal and `json` otherwise."""
    console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    renderer = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
