"""How a command ends: its exit code, and the one line that tells an operator what failed. It never quotes a row."""

import asyncio
from collections.abc import Coroutine, Sequence
from socket import gaierror
from ssl import SSLError
from typing import Any, Final, TypeVar

import typer

from drift_jobs.errors import DriftError
from drift_jobs.runs import DriftRun, Outcome, StoredRun
from sentiment_api.database.connection import DATABASE_ERRORS
from sentiment_api.database.refusals import refusal_line
from sentiment_api.errors import OperatorError, place_of

DRIFT: Final = 1
COULD_NOT_BE_JUDGED: Final = 2
INTERRUPTED: Final = 130
MENDABLE = (DriftError, OperatorError, *DATABASE_ERRORS)
"""What an operator can mend."""
_OF_POSTGRES = (*(kind for kind in DATABASE_ERRORS if kind is not OSError), ConnectionError, gaierror, SSLError)
"""Of the errors of the system the others are of files."""

Value = TypeVar("Value")


def until_done(work: Coroutine[Any, Any, Value]) -> Value:
    """Return what `work` returns. Ctrl-C ends with 130: click would end with 1, which means drift here."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(INTERRUPTED) from None


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """Return 1 when any run drifted, else 2 when any could not be judged, else 0.

    Of revisions of earlier nights only those count that became drift.
    """
    runs = [outcome for outcome in outcomes if isinstance(outcome, StoredRun)]
    tonight = {outcome.run.verdict for outcome in runs if not outcome.is_late}
    if "drift" in tonight or any(map(_became_drift_late, runs)):
        return DRIFT
    has_failed = "not_judged" in tonight or len(runs) < len(outcomes)
    return COULD_NOT_BE_JUDGED if has_failed else 0


def _became_drift_late(outcome: StoredRun) -> bool:
    is_new_drift = outcome.is_new and outcome.run.verdict == "drift" and outcome.before != "drift"
    return outcome.is_late and is_new_drift


def runs_of(outcomes: Sequence[Outcome]) -> list[DriftRun]:
    """Return the runs of the windows that were asked for; not those of earlier nights."""
    return [outcome.run for outcome in outcomes if isinstance(outcome, StoredRun) and not outcome.is_late]


def failure_line(error: Exception) -> str:
    """Return what failed: what an operator can mend in words, a defect of ours by its kind and place."""
    if isinstance(error, MENDABLE):
        return _one_line(error)
    if package := _missing_package(error):
        return (
            f"expected the package {package}, found none; run `make install-drift`, or "
            "`pip install 'sentiment-service[drift]'`"
        )
    # The kind and the place, not the message: it may quote a row.
    return f"a defect, {type(error).__name__} at {place_of(error)}"


def _one_line(error: Exception) -> str:
    """Return what an operator may read."""
    if isinstance(error, _OF_POSTGRES):
        return refusal_line(error)
    if isinstance(error, OSError):
        return f"{type(error).__name__}: {error.strerror or 'Postgres or a file cannot be reached'}"
    return " ".join(str(error).split())


def _missing_package(error: Exception) -> str:
    """Return the package of others that is not installed, as after `make serve`; empty when that is not what failed."""
    package = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    return "" if package in ("drift_jobs", "sentiment_api") else package
