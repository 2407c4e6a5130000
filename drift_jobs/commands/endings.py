"""How a command ends: its exit codes, and work that is waited for."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import typer

DRIFT: Final = 1
COULD_NOT_BE_JUDGED: Final = 2
INTERRUPTED: Final = 130
EXIT_CODES: Final = "Exit codes: 0 none or watch, 1 drift, 2 could not be judged (and why, on stderr)."

Value = TypeVar("Value")


def until_done(work: Coroutine[Any, Any, Value]) -> Value:
    """Return what `work` returns. Ctrl-C ends with 130: click would end with 1, which means drift here."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(INTERRUPTED) from None
