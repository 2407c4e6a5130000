"""The calibration that a window is judged by: found in the database, or made now and kept."""

import asyncio
import datetime as dt
import threading
from collections.abc import Callable
from functools import partial

import pandas as pd
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from drift_jobs.errors import ReferenceUnavailable
from drift_jobs.judging.calibration import Calibration, calibrate
from drift_jobs.judging.frames import label_set
from drift_jobs.nights.plan import JudgingPlan, Tell
from drift_jobs.storage.calibrations import find_calibration, store_calibration
from drift_jobs.storage.counts import rows_part
from drift_jobs.storage.references import ChosenReference, LoadedReference


class _Stopped(Exception):
    """Nobody waits for the calibration any more."""


async def calibration_for(
    engine: AsyncEngine, plan: JudgingPlan, version: str, reference: LoadedReference, size: int, tell: Tell
) -> Calibration:
    """Return what quiet windows of `size` rows from `reference` bring.

    The first one that asks makes it, in a transaction of its own: it took long, and stays whatever becomes of the rest.

    Raises:
        ReferenceUnavailable: the reference has no rows.
    """
    async with engine.connect() as connection:
        found = await known_calibration(connection, plan, version, reference, size)
    if found is not None:
        return found
    if reference.frame is None or reference.frame.empty:
        lacking = f"expected rows in the reference {reference.name}, found none; give another --reference"
        raise ReferenceUnavailable(reference.lacking or lacking)
    made = await _calibrated(plan, reference.frame, size, partial(tell, _described(reference, size)))
    async with engine.begin() as connection:
        return await store_calibration(connection, *_key(plan, version, reference), made, dt.datetime.now(dt.UTC))


async def known_calibration(
    connection: AsyncConnection, plan: JudgingPlan, version: str, reference: ChosenReference, size: int
) -> Calibration | None:
    """Return what `calibration_for` found out before, or None."""
    return await find_calibration(connection, *_key(plan, version, reference), size)


def _key(plan: JudgingPlan, version: str, reference: ChosenReference) -> tuple[str, str, str]:
    """Return what a calibration is of: the same rows, whatever chose them, and as many windows.

    Not their feedback: it comes for weeks, and each time other floors would judge the nights.
    """
    state = f"{rows_part(reference.state)}, {plan.quiet_windows} quiet windows"
    return version, reference.name.removeprefix("auto:"), state


def _described(reference: LoadedReference, size: int) -> str:
    return f"calibrating: quiet windows of {size:,} rows of {reference.name}, for the first time"


async def _calibrated(
    plan: JudgingPlan, frame: pd.DataFrame, size: int, tell: Callable[[int, int], None]
) -> Calibration:
    """Calibrate in a thread, so that signals are heard; a cancelled calibration ends at its next window."""
    stop = threading.Event()

    def progress(done: int) -> None:
        if stop.is_set():
            raise _Stopped
        tell(done, plan.quiet_windows)

    tell(0, plan.quiet_windows)
    labels = label_set(plan.bundle.manifest)
    try:
        return await asyncio.to_thread(calibrate, frame, labels, size, windows=plan.quiet_windows, progress=progress)
    except asyncio.CancelledError:
        stop.set()
        raise
