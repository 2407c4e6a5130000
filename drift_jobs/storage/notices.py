"""Which alarms are still to be posted: `notice_due` of `drift_runs`, which `store_run` sets.

A notice is due while it has something to tell. Not that of a run that a further revision has replaced, which has a
notice of its own where it is as grave; nor that of a run of whose alarm an erasure has left nothing.
"""

import datetime as dt
import uuid

from sqlalchemy import and_, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sentiment_api.database.tables import drift_metrics, drift_runs

_later = drift_runs.alias()
_WINDOW = ("window_start", "window_end", "model_version", "reference")
_IS_REPLACED = exists().where(
    _later.c.revision > drift_runs.c.revision, *(_later.c[name] == drift_runs.c[name] for name in _WINDOW)
)
_HAS_ITS_ALARM = exists().where(
    drift_metrics.c.run_id == drift_runs.c.run_id, drift_metrics.c.verdict == drift_runs.c.verdict
)
_IS_DUE = and_(drift_runs.c.notice_due, ~_IS_REPLACED, _HAS_ITS_ALARM)


async def list_due(connection: AsyncConnection, since: dt.datetime) -> list[uuid.UUID]:
    """Return the runs that were finished since then and whose notice is due, the newest last."""
    query = select(drift_runs.c.run_id).where(_IS_DUE, drift_runs.c.finished_at >= since)
    return list(await connection.scalars(query.order_by(drift_runs.c.finished_at, drift_runs.c.run_id)))


async def is_due(connection: AsyncConnection, run_id: uuid.UUID) -> bool:
    """Return whether the notice of a run is due."""
    return bool(await connection.scalar(select(exists().where(drift_runs.c.run_id == run_id, _IS_DUE))))


async def claim(connection: AsyncConnection, run_id: uuid.UUID) -> bool:
    """Return whether the notice is due and the caller's to post, until its transaction ends.

    It is not when another process has it. An erasure waits meanwhile, so nothing is posted after it was erased.
    """
    query = select(drift_runs.c.run_id).where(drift_runs.c.run_id == run_id, _IS_DUE)
    return await connection.scalar(query.with_for_update(skip_locked=True)) is not None


async def settle(connection: AsyncConnection, run_id: uuid.UUID) -> None:
    """Note that a receiver took the notice. Commit is the caller's."""
    await connection.execute(update(drift_runs).where(drift_runs.c.run_id == run_id).values(notice_due=False))
