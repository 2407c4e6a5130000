"""The tables `drift_runs` and `drift_metrics`: the record of every verdict, written here and nowhere else.

Here are also the notices of alarms, from the moment a run is stored until a receiver has taken them. What a night must
know of the windows before it is in `history`. The service reads these tables by itself.
"""

import asyncio
import datetime as dt
import gzip
import time
import uuid
from collections.abc import Sequence
from typing import get_args

import msgspec
from msgspec.structs import asdict, replace
from sqlalchemy import ColumnElement, RowMapping, and_, case, exists, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from drift_jobs.errors import RunUnknown, WindowUnsettled
from drift_jobs.runs import Details, DriftRun, Family, Level, MetricRow
from drift_jobs.windows import Window
from sentiment_api.database.tables import drift_metrics, drift_runs

_LOCK_PAUSE_S = 0.1
_LOCK_TIMEOUT_S = 1800.0
"""Ten times as long as release 0.2.0 takes for its largest windows."""
REPORTS = ("report_html", "report_json")
_ASIDE = (*REPORTS, "input_state", "notice_due")
"""What is stored with a run and is no part of it."""
RUN_COLUMNS = [column for column in drift_runs.c if column.name not in _ASIDE]
LAST_REVISION = drift_runs.c.revision.desc()
_FAMILY = case({name: number for number, name in enumerate(get_args(Family))}, value=drift_metrics.c.family)

_later = drift_runs.alias()
_WINDOW = ("window_start", "window_end", "model_version", "reference")
_IS_REPLACED = exists().where(
    _later.c.revision > drift_runs.c.revision, *(_later.c[name] == drift_runs.c[name] for name in _WINDOW)
)
_HAS_ITS_ALARM = exists().where(
    drift_metrics.c.run_id == drift_runs.c.run_id, drift_metrics.c.verdict == drift_runs.c.verdict
)
_IS_DUE = and_(drift_runs.c.notice_due, ~_IS_REPLACED, _HAS_ITS_ALARM)
"""A notice is due while it has something to tell.

Not that of a run that a further revision has replaced: that one has a notice of its own where it is as grave. Nor that
of a run of whose alarm an erasure has left nothing.
"""


async def lock_window(
    connection: AsyncConnection, window: Window, reference: str, timeout_s: float = _LOCK_TIMEOUT_S
) -> None:
    """Wait until no other transaction stores a run on this window against this reference; held until this one ends.

    It asks again and again: one statement that waited would be ended by the connection's command timeout, and jobs of
    release 0.2.0 hold the lock for as long as they judge.

    Raises:
        WindowUnsettled: another transaction holds it for longer than `timeout_s` seconds.
    """
    key = {"key": f"drift_jobs {window} {reference}"}
    query = text("select pg_try_advisory_xact_lock(hashtextextended(:key, 0))")
    gives_up_at = time.monotonic() + timeout_s
    while not await connection.scalar(query, key):
        if time.monotonic() > gives_up_at:
            raise WindowUnsettled(
                f"expected that another job is done with {window} within {timeout_s:.0f} s, found that it is not; "
                "judge it again, and end that job if it hangs"
            )
        await asyncio.sleep(_LOCK_PAUSE_S)


async def remember_state(connection: AsyncConnection, run_id: uuid.UUID, input_state: str) -> None:
    """Note that a run holds for this state of its input too: judging the window again gave the same."""
    await connection.execute(update(drift_runs).where(drift_runs.c.run_id == run_id).values(input_state=input_state))


async def latest_state(connection: AsyncConnection, window: Window, version: str, reference: str) -> str | None:
    """Return the state of the input that the last revision was stored with, or None."""
    query = select(drift_runs.c.input_state).where(is_run(window, version, reference)).order_by(LAST_REVISION)
    state: str | None = await connection.scalar(query.limit(1))
    return state


async def latest_run(connection: AsyncConnection, window: Window, version: str, reference: str) -> DriftRun | None:
    """Return the last revision of the run on `window` of the model `version`, or None."""
    rows = await connection.execute(
        select(*RUN_COLUMNS).where(is_run(window, version, reference)).order_by(LAST_REVISION).limit(1)
    )
    found = await with_metrics(connection, rows.mappings().all())
    return found[0] if found else None


async def store_run(
    connection: AsyncConnection,
    run: DriftRun,
    *,
    html: str,
    snapshot: str | None,
    input_state: str | None = None,
    notice_due: bool = False,
) -> None:
    """Insert a run with its metrics and its report, compressed. Commit is the caller's.

    `input_state` is what `latest_state` will return: who finds the same again need not judge again. `notice_due` says
    that the run is an alarm that somebody is to be told of.
    """
    values = asdict(run)
    metrics = values.pop("metrics")
    values["details"] = msgspec.to_builtins(run.details)
    reports = {"report_html": _packed(html), "report_json": None if snapshot is None else _packed(snapshot)}
    aside = reports | {"input_state": input_state, "notice_due": notice_due}
    await connection.execute(insert(drift_runs).values(values | aside))
    if metrics:
        rows = [asdict(row) | {"run_id": run.run_id} for row in metrics]
        await connection.execute(insert(drift_metrics), rows)


async def list_runs(
    connection: AsyncConnection, limit: int, *, version: str | None = None, verdict: Level | None = None
) -> list[DriftRun]:
    """Return the last runs, the newest first, without their metrics; only of one model version or verdict, if given."""
    wanted = {"model_version": version, "verdict": verdict}
    conditions = [drift_runs.c[name] == value for name, value in wanted.items() if value is not None]
    query = select(*RUN_COLUMNS).where(*conditions).order_by(drift_runs.c.started_at.desc()).limit(limit)
    return [_run(row) for row in (await connection.execute(query)).mappings()]


async def read_run(connection: AsyncConnection, run_id: uuid.UUID) -> DriftRun:
    """Return a run with its metrics.

    Raises:
        RunUnknown: there is none with this id.
    """
    rows = await connection.execute(select(*RUN_COLUMNS).where(drift_runs.c.run_id == run_id))
    found = await with_metrics(connection, rows.mappings().all())
    if not found:
        raise RunUnknown(f"expected the id of a run, found {run_id}; `drift-jobs list` shows them")
    return found[0]


async def read_html(connection: AsyncConnection, run_id: uuid.UUID) -> str:
    """Return the page of a run.

    Raises:
        RunUnknown: there is none with this id, or its report was removed.
    """
    packed = await connection.scalar(select(drift_runs.c.report_html).where(drift_runs.c.run_id == run_id))
    if packed is None:
        raise RunUnknown(f"expected the id of a run with a report, found {run_id}; `drift-jobs list` shows the runs")
    return gzip.decompress(packed).decode()


def is_run(window: Window, version: str, reference: str) -> ColumnElement[bool]:
    """Return the condition of the runs on a window of a model version against a reference: its revisions."""
    return and_(
        drift_runs.c.window_start == window.start,
        drift_runs.c.window_end == window.end,
        drift_runs.c.model_version == version,
        drift_runs.c.reference == reference,
    )


async def with_metrics(connection: AsyncConnection, found: Sequence[RowMapping]) -> list[DriftRun]:
    """Return the runs in their order; metrics are in the same order at each reading: segment, family, name."""
    runs = [_run(row) for row in found]
    rows = await connection.execute(
        select(drift_metrics)
        .where(drift_metrics.c.run_id.in_([run.run_id for run in runs]))
        .order_by(drift_metrics.c.segment, _FAMILY, drift_metrics.c.metric)
    )
    metrics: dict[uuid.UUID, list[MetricRow]] = {run.run_id: [] for run in runs}
    for row in rows.mappings():
        values = dict(row)
        metrics[values.pop("run_id")].append(MetricRow(**values))
    return [replace(run, metrics=tuple(metrics[run.run_id])) for run in runs]


def _run(row: RowMapping) -> DriftRun:
    return DriftRun(**{**row, "details": msgspec.convert(row["details"], Details)})


def _packed(report: str) -> bytes:
    return gzip.compress(report.encode(), mtime=0)


async def list_due_notices(connection: AsyncConnection, since: dt.datetime) -> list[uuid.UUID]:
    """Return the runs that were finished since then and whose notice is due, the newest last."""
    query = select(drift_runs.c.run_id).where(_IS_DUE, drift_runs.c.finished_at >= since)
    return list(await connection.scalars(query.order_by(drift_runs.c.finished_at, drift_runs.c.run_id)))


async def is_notice_due(connection: AsyncConnection, run_id: uuid.UUID) -> bool:
    """Return whether the notice of a run is due."""
    return bool(await connection.scalar(select(exists().where(drift_runs.c.run_id == run_id, _IS_DUE))))


async def claim_notice(connection: AsyncConnection, run_id: uuid.UUID) -> bool:
    """Return whether the notice is due and the caller's to post, until its transaction ends.

    It is not when another process has it. An erasure waits meanwhile, so nothing is posted after it was erased.
    """
    query = select(drift_runs.c.run_id).where(drift_runs.c.run_id == run_id, _IS_DUE)
    return await connection.scalar(query.with_for_update(skip_locked=True)) is not None


async def settle_notice(connection: AsyncConnection, run_id: uuid.UUID) -> None:
    """Note that a receiver took the notice. Commit is the caller's."""
    await connection.execute(update(drift_runs).where(drift_runs.c.run_id == run_id).values(notice_due=False))
