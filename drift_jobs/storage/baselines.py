"""The table `drift_baselines`: windows of its own log that a model version is compared with. All its SQL is here."""

import datetime as dt
import uuid
from typing import Any, Literal

import msgspec
from sqlalchemy import ColumnElement, RowMapping, case, insert, select, true
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from drift_jobs.windows import Window
from sentiment_api.database.tables import drift_baselines

Origin = Literal["accepted", "auto"]

_IS_AUTO = drift_baselines.c.origin == "auto"
# Of `auto` the one that ends last: rows that came late may have made an earlier night's own one possible afterwards.
_LAST = case((_IS_AUTO, drift_baselines.c.window_end), else_=drift_baselines.c.accepted_at).desc()


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """A window in which a model version's traffic was as it should be."""

    baseline_id: uuid.UUID
    model_version: str
    window: Window
    rows: int
    """Rows that counted when it was accepted."""
    origin: Origin
    """Accepted by a person, or auto: the first traffic of its own."""
    accepted_at: dt.datetime

    @property
    def window_start(self) -> dt.datetime:
        """Return when the window begins."""
        return self.window.start

    @property
    def window_end(self) -> dt.datetime:
        """Return when it ends, exclusive."""
        return self.window.end


async def accept_baseline(
    connection: AsyncConnection, version: str, window: Window, rows: int, origin: Origin, now: dt.datetime
) -> Baseline:
    """Store a baseline and return it. Earlier ones stay on record. Commit is the caller's."""
    values = {
        "baseline_id": uuid7(),
        "model_version": version,
        "window_start": window.start,
        "window_end": window.end,
        "rows": rows,
        "origin": origin,
        "accepted_at": now,
    }
    stored = await connection.execute(insert(drift_baselines).values(values).returning(*drift_baselines.c))
    return _baseline(stored.mappings().one())


async def find_baseline(
    connection: AsyncConnection, version: str, before: dt.datetime | None = None
) -> Baseline | None:
    """Return the baseline of `version` that holds, or None: the last that a person accepted, else the last of `auto`.

    With `before`, only those that end by then count: a window is never compared with itself.
    """
    ended = true() if before is None else drift_baselines.c.window_end <= before
    found = await _baselines(connection, (drift_baselines.c.model_version == version) & ended, _IS_AUTO, _LAST)
    return found[0] if found else None


async def list_baselines(connection: AsyncConnection, version: str | None = None) -> list[Baseline]:
    """Return all baselines, of one model version or of all, the one accepted last first."""
    of_version = true() if version is None else drift_baselines.c.model_version == version
    return await _baselines(connection, of_version, drift_baselines.c.accepted_at.desc())


async def _baselines(
    connection: AsyncConnection, condition: ColumnElement[bool], *order: ColumnElement[Any]
) -> list[Baseline]:
    query = select(drift_baselines).where(condition).order_by(*order, drift_baselines.c.baseline_id.desc())
    return [_baseline(row) for row in (await connection.execute(query)).mappings()]


def _baseline(row: RowMapping) -> Baseline:
    values = dict(row)
    window = Window(values.pop("window_start").astimezone(dt.UTC), values.pop("window_end").astimezone(dt.UTC))
    return Baseline(window=window, **values)
