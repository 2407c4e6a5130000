"""`baseline`: the window of its own traffic that a model version is compared with."""

import datetime as dt
from typing import Annotated, Final

import typer

from drift_jobs.commands import Model, ModelVersion, Zone
from drift_jobs.commands.endings import until_done
from drift_jobs.errors import BaselineRefused
from drift_jobs.judging.frames import label_set
from drift_jobs.nights.plan import JudgingPlan, plan_of
from drift_jobs.reporting.console import print_baselines
from drift_jobs.settings import DriftSettings
from drift_jobs.storage.baselines import Baseline, accept, list_baselines
from drift_jobs.storage.predictions import WindowRows, labels_fit, prediction_frame, read_predictions
from drift_jobs.storage.references import BASELINE, CAP
from drift_jobs.windows import Window, check_is_over, parse_window
from sentiment_api.database.connection import connected
from sentiment_api.settings import read_settings

MIN_ROWS: Final = 500
"""Quiet windows are drawn from a baseline: from fewer rows they would all be much the same."""
EXAMPLES = """\b
Examples:
  drift-jobs baseline accept 2026-11-01..2026-11-15 --dry-run
  drift-jobs baseline accept 2026-11-01..2026-11-15 --timezone Europe/Paris
  drift-jobs baseline show
"""

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback(epilog=EXAMPLES)
def describe() -> None:
    """Accept a window of your own traffic as what is normal, and show which ones were accepted."""


@app.command("accept", epilog=EXAMPLES)
def accept_window(
    window: Annotated[str, typer.Argument(metavar="START..END", help="Each side as in `run`; END is exclusive.")],
    model_version: ModelVersion = None,
    model: Model = None,
    timezone: Zone = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what the window holds.")] = False,
) -> None:
    """Print what a window holds, and compare later windows of the model version with it from now on.

    It holds for `--reference auto` and `--reference baseline`, in windows that start when it has ended.
    """
    settings = read_settings(DriftSettings, model=model, timezone=timezone)
    plan = plan_of(settings, BASELINE)
    version = model_version or plan.bundle.manifest.version
    parsed = parse_window(window, plan.zone)
    check_is_over(parsed, dt.datetime.now(dt.UTC), plan.zone)
    until_done(_accepted(settings, plan, version, parsed, dry_run=dry_run))


@app.command("show", epilog=EXAMPLES)
def show_baselines(
    model_version: Annotated[str | None, typer.Option(help="Only of this one.")] = None,
) -> None:
    """Print the accepted windows, the newest first."""
    print_baselines(until_done(_listed(read_settings(DriftSettings), model_version)))


async def _accepted(settings: DriftSettings, plan: JudgingPlan, version: str, window: Window, *, dry_run: bool) -> None:
    async with connected(settings) as engine, engine.begin() as connection:
        rows = await read_predictions(connection, window, cap=CAP, version=version)
        _check(rows, plan, version, window)
        typer.echo(_described(rows, plan, version, window))
        if dry_run:
            typer.echo("not accepted: --dry-run", err=True)
            return
        await accept(connection, version, window, rows.in_window, "accepted", dt.datetime.now(dt.UTC))
    typer.echo("accepted")


def _check(rows: WindowRows, plan: JudgingPlan, version: str, window: Window) -> None:
    """Do nothing when a model version can be compared with these rows.

    Raises:
        BaselineRefused: there are too few, or they are of other labels than the bundle's.
    """
    if rows.in_window < MIN_ROWS:
        raise BaselineRefused(
            f"expected at least {MIN_ROWS} rows of model version {version} in {window}, found {rows.in_window}; give a "
            "longer window, or another --model-version"
        )
    labels = label_set(plan.bundle.manifest)
    if not labels_fit(rows.table, labels):
        raise BaselineRefused(
            f"expected the labels {', '.join(labels.names)}, found others of model version {version}; give its --model"
        )


def _described(rows: WindowRows, plan: JudgingPlan, version: str, window: Window) -> str:
    """Return what the rows are, in one line; shares are of those that were read, which is a sample of large windows."""
    frame = prediction_frame(rows.table, plan.bundle.manifest)
    labels = ", ".join(f"{name} {(frame['label'] == name).mean():.1%}" for name in plan.bundle.manifest.labels)
    days = frame["created_at"].dt.tz_convert(plan.zone).dt.date.nunique()
    return (
        f"{window}, model version {version}: {rows.in_window:,} rows on {days} days, of "
        f"{rows.table['product_id'].nunique():,} products; {labels}; {frame['target'].notna().mean():.1%} with a rating"
    )


async def _listed(settings: DriftSettings, version: str | None) -> list[Baseline]:
    async with connected(settings) as engine, engine.connect() as connection:
        return await list_baselines(connection, version)
