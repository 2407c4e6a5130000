"""How a command ends: the exit code that its outcomes have."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final, TypeVar

import typer

from drift_jobs.runs import DriftRun, Outcome, StoredRun

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
