"""The tables `drift_runs` and `drift_metrics`: the record of every verdict. All their SQL is here."""

import gzip
import uuid

import msgspec
from msgspec.structs import asdict, replace
from sqlalchemy import RowMapping, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from drift_jobs.errors import RunUnknown
from drift_jobs.runs import Details, DriftRun, MetricRow
from drift_jobs.windows import Window
from sentiment_api.database.tables import drift_metrics, drift_runs

_NOT_READ = ("report_html", "report_json", "input_state")
_RUN_COLUMNS = [column for column in drift_runs.c if column.name not in _NOT_READ]


async def lock(connection: AsyncConnection, window: Window, reference: str) -> None:
    """Wait until no other transaction judges this window against this reference; held until this one ends."""
    key = {"key": f"drift_jobs {window} {reference}"}
    await connection.execute(text("select pg_advisory_xact_lock(hashtextextended(:key, 0))"), key)


async def latest_run(connection: AsyncConnection, window: Window, version: str, reference: str) -> DriftRun | None:
    """Return the last revision of the run on `window` of the model `version`, or None."""
    rows = await connection.execute(
        select(*_RUN_COLUMNS)
        .where(
            drift_runs.c.window_start == window.start,
            drift_runs.c.window_end == window.end,
            drift_runs.c.model_version == version,
            drift_runs.c.reference == reference,
        )
        .order_by(drift_runs.c.revision.desc())
        .limit(1)
    )
    found = rows.mappings().one_or_none()
    return None if found is None else await _with_metrics(connection, found)


async def store_run(connection: AsyncConnection, run: DriftRun, *, html: str, snapshot: str | None) -> None:
    """Insert a run with its metrics and its report, compressed. Commit is the caller's."""
    values = asdict(run)
    metrics = values.pop("metrics")
    values["details"] = msgspec.to_builtins(run.details)
    reports = {"report_html": _packed(html), "report_json": None if snapshot is None else _packed(snapshot)}
    await connection.execute(insert(drift_runs).values(values | reports))
    if metrics:
        rows = [asdict(row) | {"run_id": run.run_id} for row in metrics]
        await connection.execute(insert(drift_metrics), rows)


async def list_runs(connection: AsyncConnection, limit: int) -> list[DriftRun]:
    """Return the last runs, the newest first, without their metrics."""
    rows = await connection.execute(select(*_RUN_COLUMNS).order_by(drift_runs.c.started_at.desc()).limit(limit))
    return [_run(row) for row in rows.mappings()]


async def read_run(connection: AsyncConnection, run_id: uuid.UUID) -> DriftRun:
    """Return a run with its metrics.

    Raises:
        RunUnknown: there is none with this id.
    """
    rows = await connection.execute(select(*_RUN_COLUMNS).where(drift_runs.c.run_id == run_id))
    found = rows.mappings().one_or_none()
    if found is None:
        raise RunUnknown(f"expected the id of a run, found {run_id}; `drift-jobs list` shows them")
    return await _with_metrics(connection, found)


async def read_html(connection: AsyncConnection, run_id: uuid.UUID) -> str:
    """Return the page of a run.

    Raises:
        RunUnknown: there is none with this id, or its report was removed.
    """
    packed = await connection.scalar(select(drift_runs.c.report_html).where(drift_runs.c.run_id == run_id))
    if packed is None:
        raise RunUnknown(f"expected the id of a run with a report, found {run_id}; `drift-jobs list` shows the runs")
    return gzip.decompress(packed).decode()


async def _with_metrics(connection: AsyncConnection, found: RowMapping) -> DriftRun:
    run = _run(found)
    columns = [column for column in drift_metrics.c if column.name != "run_id"]
    rows = await connection.execute(
        select(*columns)
        .where(drift_metrics.c.run_id == run.run_id)
        .order_by(drift_metrics.c.segment, drift_metrics.c.family.desc(), drift_metrics.c.metric)
    )
    return replace(run, metrics=tuple(MetricRow(**row) for row in rows.mappings()))


def _run(row: RowMapping) -> DriftRun:
    return DriftRun(**{**row, "details": msgspec.convert(row["details"], Details)})


def _packed(report: str) -> bytes:
    return gzip.compress(report.encode(), mtime=0)
