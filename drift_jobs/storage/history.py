"""Earlier nights: which windows were judged, and what their last revisions say. Single runs are read in `results`."""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Subquery, exists, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from drift_jobs.runs import DriftRun
from drift_jobs.settings import AUTO
from drift_jobs.storage.references import BASELINE, BUNDLE, WantedReference
from drift_jobs.storage.results import LAST_REVISION, REPORTS, RUN_COLUMNS, is_run, with_metrics
from drift_jobs.windows import Window
from sentiment_api.database.tables import drift_runs


async def judged_windows(connection: AsyncConnection, end: dt.datetime) -> list[tuple[Window, str]]:
    """Return each window and model version with a run whose window ends at `end`, the longest window first."""
    columns = (drift_runs.c.window_start, drift_runs.c.model_version)
    query = select(*columns).distinct().where(drift_runs.c.window_end == end).order_by(*columns)
    return [(Window(start.astimezone(dt.UTC), end), version) for start, version in await connection.execute(query)]


async def judged_versions(connection: AsyncConnection, day: Window, written: WantedReference) -> set[str]:
    """Return the model versions with a run that ends with `day` and holds all of it, against what `written` became.

    A run on some hours of it, or against something else, is no run of the day.
    """
    holds_it = (drift_runs.c.window_start <= day.start, drift_runs.c.window_end == day.end)
    query = select(drift_runs.c.model_version).distinct().where(*holds_it, _became(written))
    return set(await connection.scalars(query))


async def was_judging(connection: AsyncConnection, by: dt.datetime, written: WantedReference) -> bool:
    """Return whether there is a run on a window that ends by then, against what `written` became."""
    return bool(await connection.scalar(select(exists().where(drift_runs.c.window_end <= by, _became(written)))))


async def past_runs(
    connection: AsyncConnection,
    version: str,
    reference: str,
    before: dt.datetime,
    nights: int,
) -> list[DriftRun]:
    """Return the runs of the last `nights` windows that end by `before`, newest first, with metrics.

    Of each window it is the last revision, also where that one could not be judged.
    """
    last = last_revisions(
        drift_runs.c.model_version == version, drift_runs.c.reference == reference, drift_runs.c.window_end <= before
    )
    newest = (last.c.window_end.desc(), last.c.window_start)
    query = select(*(last.c[column.name] for column in RUN_COLUMNS))
    rows = (await connection.execute(query.order_by(*newest).limit(nights))).mappings().all()
    return await with_metrics(connection, rows)


async def runs_on(
    connection: AsyncConnection, windows: Sequence[Window], version: str, reference: str
) -> list[DriftRun]:
    """Return the last revision on each of the windows that was judged, the earliest first, with metrics."""
    last = last_revisions(or_(*(is_run(window, version, reference) for window in windows)))
    query = select(*(last.c[column.name] for column in RUN_COLUMNS)).order_by(last.c.window_end)
    return await with_metrics(connection, (await connection.execute(query)).mappings().all())


def last_revisions(*conditions: ColumnElement[bool]) -> Subquery:
    """Return the last revision of each window, model version and reference, of the runs that meet the conditions."""
    key = [drift_runs.c[name] for name in ("window_end", "window_start", "model_version", "reference")]
    columns = [column for column in drift_runs.c if column.name not in REPORTS]
    query = select(*columns).ext(distinct_on(*key)).where(*conditions).order_by(*key, LAST_REVISION)
    return query.subquery("last_revisions")


def _became(written: WantedReference) -> ColumnElement[bool]:
    """Return the condition of runs against what `written` can stand for.

    Not only against what it stands for now: days are not judged again when another baseline is accepted.
    """
    names = {"auto": f"{AUTO}:{BUNDLE}"}
    is_named = drift_runs.c.reference == names.get(written.kind, str(written))
    if written.kind in ("auto", "baseline"):
        return or_(is_named, drift_runs.c.reference.startswith(f"{BASELINE}:"))
    return is_named
