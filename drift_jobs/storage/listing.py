"""Which windows were judged: what a night must know of those before it. Runs themselves are read in `results`."""

import datetime as dt

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from drift_jobs.storage.references import AUTO, BASELINE, BUNDLE, Written
from drift_jobs.windows import Window
from sentiment_api.database.tables import drift_runs


async def judged_windows(connection: AsyncConnection, end: dt.datetime) -> list[tuple[Window, str]]:
    """Return each window and model version with a run whose window ends at `end`, the longest window first."""
    columns = (drift_runs.c.window_start, drift_runs.c.model_version)
    query = select(*columns).distinct().where(drift_runs.c.window_end == end).order_by(*columns)
    return [(Window(start.astimezone(dt.UTC), end), version) for start, version in await connection.execute(query)]


async def judged_versions(connection: AsyncConnection, day: Window, written: Written) -> set[str]:
    """Return the model versions with a run that ends with `day` and holds all of it, against what `written` became.

    A run on some hours of it, or against something else, is no run of the day.
    """
    holds_it = (drift_runs.c.window_start <= day.start, drift_runs.c.window_end == day.end)
    query = select(drift_runs.c.model_version).distinct().where(*holds_it, _became(written))
    return set(await connection.scalars(query))


async def was_judging(connection: AsyncConnection, by: dt.datetime, written: Written) -> bool:
    """Return whether there is a run on a window that ends by then, against what `written` became."""
    return bool(await connection.scalar(select(exists().where(drift_runs.c.window_end <= by, _became(written)))))


def _became(written: Written) -> ColumnElement[bool]:
    """Return the condition of runs against what `written` can stand for.

    Not only against what it stands for now: days are not judged again when another baseline is accepted.
    """
    names = {"auto": f"{AUTO}:{BUNDLE}"}
    is_named = drift_runs.c.reference == names.get(written.kind, str(written))
    if written.kind in ("auto", "baseline"):
        return or_(is_named, drift_runs.c.reference.startswith(f"{BASELINE}:"))
    return is_named
