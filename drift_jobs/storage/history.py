"""The last nights of a model version, as much of them as pictures of a trend need."""

import datetime as dt
import uuid

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from drift_jobs.runs import Level
from drift_jobs.storage.results import last_revisions
from sentiment_api.database.tables import drift_metrics, drift_runs


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one night, of the whole window."""

    metric: str
    value: float | None
    effect: float | None
    floor: float | None
    verdict: Level


class Night(msgspec.Struct, frozen=True, kw_only=True):
    """The last revision of one window."""

    run_id: uuid.UUID
    window_start: dt.datetime
    window_end: dt.datetime
    """Exclusive."""
    reference: str
    verdict: Level
    n_current: int
    points: tuple[Point, ...]
    """By name of the metric."""


async def history(connection: AsyncConnection, version: str, limit: int = 30) -> list[Night]:
    """Return the last `limit` nights of `version`, against any reference, oldest first, as they are drawn."""
    last = last_revisions(drift_runs.c.model_version == version)
    wanted = [name for name in Night.__struct_fields__ if name != "points"]
    newest = (last.c.window_end.desc(), last.c.window_start.desc(), last.c.run_id.desc())
    rows = await connection.execute(select(*(last.c[name] for name in wanted)).order_by(*newest).limit(limit))
    found = [dict(row) for row in rows.mappings()]
    points = await _points(connection, [row["run_id"] for row in found])
    return [Night(**row, points=tuple(points[row["run_id"]])) for row in reversed(found)]


async def _points(connection: AsyncConnection, run_ids: list[uuid.UUID]) -> dict[uuid.UUID, list[Point]]:
    columns = [drift_metrics.c[name] for name in ("run_id", *Point.__struct_fields__)]
    query = select(*columns).where(drift_metrics.c.run_id.in_(run_ids), drift_metrics.c.segment == "")
    points: dict[uuid.UUID, list[Point]] = {run_id: [] for run_id in run_ids}
    for row in (await connection.execute(query.order_by(drift_metrics.c.metric))).mappings():
        values = dict(row)
        points[values.pop("run_id")].append(Point(**values))
    return points
