"""How a command ends: the files that were asked for, and its exit code."""

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from drift_jobs.nights.plan import Outcome, StoredRun
from drift_jobs.reporting.console import write_json
from drift_jobs.runs import DriftRun
from drift_jobs.storage.results import read_html

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


async def write_files(engine: AsyncEngine, runs: Sequence[DriftRun], html: Path | None, json: Path | None) -> None:
    """Write the pages and the metrics of the runs where they were asked for."""
    if html:
        async with engine.connect() as connection:
            pages = [await read_html(connection, one.run_id) for one in runs]
        for path, page in zip(_html_paths(html, runs), pages, strict=True):
            path.write_text(page, encoding="utf-8")
            typer.echo(f"wrote {path}", err=True)
    if json:
        write_json(json, runs)


def _html_paths(html: Path, runs: Sequence[DriftRun]) -> list[Path]:
    """Return where each run's page goes: `html` itself for one, `name-VERSION.html` for several."""
    if len(runs) == 1:
        return [html]
    return [html.with_stem(f"{html.stem}-{one.model_version}") for one in runs]
