"""Notices of alarms: which runs are posted, and posting them until a receiver has taken them."""

import datetime as dt
import uuid
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine
from tenacity.wait import wait_base

from drift_jobs.reporting.notification import ATTEMPTS, BACK_OFF, notify, retrying
from drift_jobs.runs import DriftRun, Level
from drift_jobs.storage.results import claim_notice, list_due_notices, read_run, settle_notice

KEPT: Final = dt.timedelta(days=7)
"""An older alarm is no news: `drift-jobs list` and the dashboard show it."""
_GRAVITY: Final[dict[Level, int]] = {"not_judged": 0, "none": 1, "watch": 2, "drift": 3}


def needs_notice(verdict: Level, *, least: Level | None, before: Level | None, owed: Level | None) -> bool:
    """Return whether a run is to be posted: it is `least` or graver, and graver than what was posted of its window.

    `before` is the verdict of the revision before; `owed` is the same when nobody has taken its notice yet. Without
    `least` nothing new is posted, but what is owed stays so as long as it holds.
    """
    needed = least or owed
    if needed is None or _GRAVITY[verdict] < _GRAVITY[needed]:
        return False
    return owed is not None or before is None or _GRAVITY[verdict] > _GRAVITY[before]


async def due_notices(engine: AsyncEngine, now: dt.datetime) -> list[uuid.UUID]:
    """Return the runs whose notice nobody has taken, the newest last."""
    async with engine.connect() as connection:
        return await list_due_notices(connection, now - KEPT)


async def post_due(
    engine: AsyncEngine, run_id: uuid.UUID, url: str, *, attempts: int = ATTEMPTS, wait: wait_base = BACK_OFF
) -> DriftRun | None:
    """Post the notice of a run as it is stored now, and return it; None when it is not due, or another process has it.

    It is tried again after a while, `attempts` times at most. The run is locked during an attempt and not between them:
    who erases a product waits for ten seconds at most. Who dies between the receiver's answer and the commit leaves a
    notice that comes twice.

    Raises:
        NotificationFailed: the receiver did not take it; it stays due.
    """
    return await retrying(attempts, wait)(_post_once, engine, run_id, url)


async def _post_once(engine: AsyncEngine, run_id: uuid.UUID, url: str) -> DriftRun | None:
    async with engine.begin() as connection:
        if not await claim_notice(connection, run_id):
            return None
        run = await read_run(connection, run_id)
        await notify(run, url)
        await settle_notice(connection, run_id)
    return run
