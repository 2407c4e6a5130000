"""`calibrate`: what quiet windows of usual sizes look like, and the false alarms to expect."""

import datetime as dt
from collections.abc import Sequence
from typing import Final

import typer

from drift_jobs.commands.endings import until_done
from drift_jobs.commands.output import Progress
from drift_jobs.judging.calibration import SIZES, Calibration
from drift_jobs.nights.floors import calibration_for
from drift_jobs.nights.plan import JudgingPlan, plan_of
from drift_jobs.reporting.console import print_calibrations
from drift_jobs.settings import DriftSettings
from drift_jobs.storage.references import choose_reference, load_reference
from drift_jobs.windows import Window
from sentiment_api.database.connection import connected

COMMON_SIZES: Final = (500, 1_000, 2_000, 5_000)


def calibrate(settings: DriftSettings, reference: str, sizes: Sequence[int] | None) -> None:
    """Learn what quiet windows of these sizes look like, by default of the usual ones, and print what follows."""
    known = _known(sizes or COMMON_SIZES)
    print_calibrations(until_done(_calibrated(settings, plan_of(settings, reference), known)))


def _known(sizes: Sequence[int]) -> list[int]:
    if unknown := [size for size in sizes if size not in SIZES]:
        expected = ", ".join(map(str, SIZES))
        raise typer.BadParameter(f"expected sizes among {expected}, found {unknown[0]}", param_hint="--size")
    return sorted(set(sizes))


async def _calibrated(settings: DriftSettings, plan: JudgingPlan, sizes: Sequence[int]) -> list[Calibration]:
    async with connected(settings) as engine:
        async with engine.begin() as connection:
            version, now = plan.bundle.manifest.version, dt.datetime.now(dt.UTC)
            # As for a window that begins now.
            chosen = await choose_reference(
                connection, plan.bundle, version, plan.reference, Window(now, now), zone=plan.zone
            )
            reference = await load_reference(connection, plan.bundle, version, chosen, segment_keys=plan.segment_keys)
        typer.echo(f"model version {version} against {reference.name}", err=True)
        with Progress() as tell:
            return [await calibration_for(engine, plan, version, reference, size, tell) for size in sizes]
