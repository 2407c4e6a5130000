"""`show`: one run with its metrics."""

import uuid
from pathlib import Path
from typing import Annotated

import typer

from drift_jobs.commands import Html, Json
from drift_jobs.commands.endings import until_done, write_files
from drift_jobs.errors import RunUnknown
from drift_jobs.reporting.console import print_metrics, run_line
from drift_jobs.runs import DriftRun
from drift_jobs.settings import DriftSettings
from drift_jobs.storage.results import read_run
from sentiment_api.database.connection import connected
from sentiment_api.settings import read_settings

EXAMPLES = """\b
Examples:
  drift-jobs show 0199f0c2-7c1e-7b52-9d3f-0d6a3f1c2b4e
  drift-jobs show 0199f0c2-7c1e-7b52-9d3f-0d6a3f1c2b4e --html report.html
"""


def show(run_id: Annotated[str, typer.Argument()], html: Html = None, json: Json = None) -> None:
    """Show one run with its metrics."""
    found = until_done(_shown(read_settings(DriftSettings), _known(run_id), html, json))
    typer.echo(run_line(found))
    print_metrics(found.metrics)


def _known(written: str) -> uuid.UUID:
    try:
        return uuid.UUID(written)
    except ValueError as error:
        raise RunUnknown(f"expected the UUID of a run, found {written!r}; `drift-jobs list` shows them") from error


async def _shown(settings: DriftSettings, run_id: uuid.UUID, html: Path | None, json: Path | None) -> DriftRun:
    async with connected(settings) as engine:
        async with engine.connect() as connection:
            found = await read_run(connection, run_id)
        await write_files(engine, [found], html, json)
    return found
