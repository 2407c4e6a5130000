"""`baseline`: the window of its own traffic that a model version is compared with."""

import datetime as dt
from typing import Final

import typer

from drift_jobs.commands.endings import until_done
from drift_jobs.errors import BaselineRefused
from drift_jobs.judging.frames import label_set
from drift_jobs.nights.plan import JudgingPlan, plan_of
from drift_jobs.reporting.console import print_baselines
from drift_jobs.settings import DriftSettings
from drift_jobs.storage.baselines import Baseline, accept_baseline, list_baselines
from drift_jobs.storage.predictions import WindowRows, labels_fit, prediction_frame, read_predictions
from drift_jobs.storage.references import BASELINE, CAP
from drift_jobs.windows import Window, check_is_over, parse_window
from sentiment_api.database.connection import connected

MIN_ROWS: Final = 500
"""Quiet windows are drawn from a baseline: from fewer rows they would all be much the same."""


def accept_window(settings: DriftSettings, window: str, version: str | None, *, dry_run: bool) -> None:
    """Print what a window holds, and accept it as the baseline of a model version, by default the bundle's.

    Raises:
        BaselineRefused: it holds too few rows, or rows of other labels than the bundle's.
    """
    plan = plan_of(settings, BASELINE)
    version = version or plan.bundle.manifest.version
    parsed = parse_window(window, plan.zone)
    check_is_over(parsed, dt.datetime.now(dt.UTC), plan.zone)
    until_done(_accepted(settings, plan, version, parsed, dry_run=dry_run))


def show_baselines(settings: DriftSettings, version: str | None) -> None:
    """Print the accepted windows, the newest first, of one model version or of all."""
    print_baselines(until_done(_listed(settings, version)))


async def _accepted(settings: DriftSettings, plan: JudgingPlan, version: str, window: Window, *, dry_run: bool) -> None:
    async with connected(settings) as engine, engine.begin() as connection:
        rows = await read_predictions(connection, window, cap=CAP, version=version)
        _check(rows, plan, version, window)
        typer.echo(_described(rows, plan, version, window))
        if dry_run:
            typer.echo("not accepted: --dry-run", err=True)
            return
        await accept_baseline(connection, version, window, rows.in_window, "accepted", dt.datetime.now(dt.UTC))
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
