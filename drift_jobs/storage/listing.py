"""Which windows were judged: what a night must know of those before it. Runs themselves are read in `results`."""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from drift_jobs.windows import Window
from sentiment_api.database.tables import drift_runs


async def judged_windows(connection: AsyncConnection, ends: Sequence[dt.datetime]) -> list[tuple[Window, str]]:
    """Return each window and model version with a run whose window ends at one of `ends`, the earliest first."""
    columns = (drift_runs.c.window_end, drift_runs.c.window_start, drift_runs.c.model_version)
    query = select(*columns).distinct().where(drift_runs.c.window_end.in_(ends)).order_by(*columns)
    rows = await connection.execute(query)
    return [(Window(start.astimezone(dt.UTC), end.astimezone(dt.UTC)), version) for end, start, version in rows]


async def is_judged(connection: AsyncConnection, version: str, end: dt.datetime) -> bool:
    """Return whether there is a run of this model version on a window that ends at `end`."""
    found = exists().where(drift_runs.c.model_version == version, drift_runs.c.window_end == end)
    return bool(await connection.scalar(select(found)))


async def was_judging(connection: AsyncConnection, before: dt.datetime) -> bool:
    """Return whether there is a run on a window that ends by `before`."""
    return bool(await connection.scalar(select(exists().where(drift_runs.c.window_end <= before))))
