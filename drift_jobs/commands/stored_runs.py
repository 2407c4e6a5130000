"""`list` and `show`: the runs that are stored."""

import uuid
from pathlib import Path

import typer

from drift_jobs.commands.endings import until_done
from drift_jobs.commands.output import write_files
from drift_jobs.errors import RunUnknown
from drift_jobs.reporting.console import print_metrics, print_runs, run_line
from drift_jobs.runs import DriftRun, Level
from drift_jobs.settings import DriftSettings
from drift_jobs.storage import results
from sentiment_api.database.connection import connected


def list_runs(settings: DriftSettings, limit: int, version: str | None, verdict: Level | None) -> None:
    """Print the last runs, the newest first."""
    print_runs(until_done(_listed(settings, limit, version, verdict)))


def show_run(settings: DriftSettings, run_id: str, html: Path | None, json: Path | None) -> None:
    """Print a run with its metrics, and write the files that were asked for.

    Raises:
        RunUnknown: no run has this id.
    """
    found = until_done(_found(settings, _parsed(run_id), html, json))
    typer.echo(run_line(found))
    print_metrics(found.metrics)


async def _listed(settings: DriftSettings, limit: int, version: str | None, verdict: Level | None) -> list[DriftRun]:
    async with connected(settings) as engine, engine.connect() as connection:
        return await results.list_runs(connection, limit, version=version, verdict=verdict)


def _parsed(written: str) -> uuid.UUID:
    try:
        return uuid.UUID(written)
    except ValueError as error:
        raise RunUnknown(f"expected the UUID of a run, found {written!r}; `drift-jobs list` shows them") from error


async def _found(settings: DriftSettings, run_id: uuid.UUID, html: Path | None, json: Path | None) -> DriftRun:
    async with connected(settings) as engine:
        async with engine.connect() as connection:
            found = await results.read_run(connection, run_id)
        await write_files(engine, [found], html, json)
    return found
