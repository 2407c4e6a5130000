"""The tables `drift_runs` and `drift_metrics`: the record of every verdict, written here and nowhere else.

Who only asks which windows were judged is answered in `listing`; what the service shows of them, it reads by itself.
"""

import asyncio
import datetime as dt
import gzip
import uuid
from collections.abc import Sequence

import msgspec
from msgspec.structs import asdict, replace
from sqlalchemy import ColumnElement, RowMapping, Subquery, and_, case, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from drift_jobs.errors import RunUnknown
from drift_jobs.runs import Details, DriftRun, Family, Level, MetricRow
from drift_jobs.windows import Window
from sentiment_api.database.tables import drift_metrics, drift_runs

_LOCK_PAUSE_S = 0.1
_REPORTS = ("report_html", "report_json")
_ASIDE = (*_REPORTS, "input_state", "notice_due")
"""What is stored with a run and is no part of it."""
_RUN_COLUMNS = [column for column in drift_runs.c if column.name not in _ASIDE]
_LAST_REVISION = drift_runs.c.revision.desc()
_FAMILIES: tuple[Family, ...] = ("predictions", "inputs", "accuracy", "estimates", "model")
_FAMILY = case({name: number for number, name in enumerate(_FAMILIES)}, value=drift_metrics.c.family)


async def lock(connection: AsyncConnection, window: Window, reference: str) -> None:
    """Wait until no other transaction judges this window against this reference; held until this one ends.

    It asks again and again: one statement that waited would be ended by the connection's command timeout.
    """
    key = {"key": f"drift_jobs {window} {reference}"}
    query = text("select pg_try_advisory_xact_lock(hashtextextended(:key, 0))")
    while not await connection.scalar(query, key):  # noqa: ASYNC110 - another process has it, which can set no event
        await asyncio.sleep(_LOCK_PAUSE_S)


async def remember_state(connection: AsyncConnection, run_id: uuid.UUID, input_state: str) -> None:
    """Note that a run holds for this state of its input too: judging the window again gave the same."""
    await connection.execute(update(drift_runs).where(drift_runs.c.run_id == run_id).values(input_state=input_state))


async def latest_state(connection: AsyncConnection, window: Window, version: str, reference: str) -> str | None:
    """Return the state of the input that the last revision was stored with, or None."""
    query = select(drift_runs.c.input_state).where(_is_run(window, version, reference)).order_by(_LAST_REVISION)
    state: str | None = await connection.scalar(query.limit(1))
    return state


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
    query = select(*(last.c[column.name] for column in _RUN_COLUMNS))
    rows = (await connection.execute(query.order_by(*newest).limit(nights))).mappings().all()
    return await _with_metrics(connection, rows)


async def runs_on(
    connection: AsyncConnection, windows: Sequence[Window], version: str, reference: str
) -> list[DriftRun]:
    """Return the last revision on each of the windows that was judged, the earliest first, with metrics."""
    last = last_revisions(or_(*(_is_run(window, version, reference) for window in windows)))
    query = select(*(last.c[column.name] for column in _RUN_COLUMNS)).order_by(last.c.window_end)
    return await _with_metrics(connection, (await connection.execute(query)).mappings().all())


def last_revisions(*conditions: ColumnElement[bool]) -> Subquery:
    """Return the last revision of each window, model version and reference, of the runs that meet the conditions."""
    key = [drift_runs.c[name] for name in ("window_end", "window_start", "model_version", "reference")]
    columns = [column for column in drift_runs.c if column.name not in _REPORTS]
    query = select(*columns).ext(distinct_on(*key)).where(*conditions).order_by(*key, _LAST_REVISION)
    return query.subquery("last_revisions")


async def latest_run(connection: AsyncConnection, window: Window, version: str, reference: str) -> DriftRun | None:
    """Return the last revision of the run on `window` of the model `version`, or None."""
    rows = await connection.execute(
        select(*_RUN_COLUMNS).where(_is_run(window, version, reference)).order_by(_LAST_REVISION).limit(1)
    )
    found = await _with_metrics(connection, rows.mappings().all())
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
    query = select(*_RUN_COLUMNS).where(*conditions).order_by(drift_runs.c.started_at.desc()).limit(limit)
    return [_run(row) for row in (await connection.execute(query)).mappings()]


async def read_run(connection: AsyncConnection, run_id: uuid.UUID) -> DriftRun:
    """Return a run with its metrics.

    Raises:
        RunUnknown: there is none with this id.
    """
    rows = await connection.execute(select(*_RUN_COLUMNS).where(drift_runs.c.run_id == run_id))
    found = await _with_metrics(connection, rows.mappings().all())
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


def _is_run(window: Window, version: str, reference: str) -> ColumnElement[bool]:
    return and_(
        drift_runs.c.window_start == window.start,
        drift_runs.c.window_end == window.end,
        drift_runs.c.model_version == version,
        drift_runs.c.reference == reference,
    )


async def _with_metrics(connection: AsyncConnection, found: Sequence[RowMapping]) -> list[DriftRun]:
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
