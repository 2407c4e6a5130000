"""`list`: the last runs."""

from typing import Annotated

import typer

from drift_jobs.commands.endings import until_done
from drift_jobs.reporting.console import print_runs
from drift_jobs.runs import DriftRun, Level
from drift_jobs.settings import DriftSettings
from drift_jobs.storage.results import list_runs
from sentiment_api.database.connection import connected
from sentiment_api.settings import read_settings

EXAMPLES = """\b
Examples:
  drift-jobs list
  drift-jobs list --verdict drift --limit 5
  drift-jobs list --model-version 3f2a9c01b7de
"""


def list_command(
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20,
    model_version: Annotated[str | None, typer.Option(help="Only of this one.")] = None,
    verdict: Annotated[Level | None, typer.Option(help="Only with this one.")] = None,
) -> None:
    """List the last runs."""
    print_runs(until_done(_listed(read_settings(DriftSettings), limit, model_version, verdict)))


async def _listed(settings: DriftSettings, limit: int, version: str | None, verdict: Level | None) -> list[DriftRun]:
    async with connected(settings) as engine, engine.connect() as connection:
        return await list_runs(connection, limit, version=version, verdict=verdict)
