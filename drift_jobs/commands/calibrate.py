"""`calibrate`: what quiet windows of usual sizes look like, and the false alarms to expect."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from drift_jobs.commands import Model, Reference, Zone
from drift_jobs.commands.endings import until_done
from drift_jobs.commands.progress import Progress
from drift_jobs.judging.calibration import SIZES, Calibration
from drift_jobs.nights.floors import calibration_for
from drift_jobs.nights.plan import JudgingPlan, plan_of
from drift_jobs.reporting.console import print_calibrations
from drift_jobs.settings import DriftSettings
from drift_jobs.storage.references import AUTO, resolve
from drift_jobs.windows import Window
from sentiment_api.database.connection import connected
from sentiment_api.settings import read_settings

COMMON_SIZES: Final = (500, 1_000, 2_000, 5_000)
EXAMPLES = """\b
Examples:
  drift-jobs calibrate
  drift-jobs calibrate --reference bundle --size 500 --size 10000
"""


def calibrate(
    reference: Reference = AUTO,
    size: Annotated[
        list[int] | None, typer.Option(help="Rows of a window; can be repeated.", show_default="500 to 5000")
    ] = None,
    model: Model = None,
    timezone: Zone = None,
) -> None:
    """Learn how large the effects of mere chance are, by windows drawn from the reference, and print what follows.

    Nightly runs do this by themselves when they need it, and find here what was done before. Rates are of quiet windows
    that were judged by what others of them taught; the upper bounds hold with 95 % confidence.
    """
    sizes = _known(size or COMMON_SIZES)
    settings = read_settings(DriftSettings, model=model, timezone=timezone)
    print_calibrations(until_done(_calibrated(settings, plan_of(settings, reference), sizes)))


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
            reference = await resolve(
                connection,
                plan.bundle,
                version,
                plan.reference,
                Window(now, now),
                zone=plan.zone,
                segment_keys=plan.segment_keys,
            )
        typer.echo(f"model version {version} against {reference.name}", err=True)
        with Progress() as tell:
            return [await calibration_for(engine, plan, version, reference, size, tell) for size in sizes]
