"""What the drift job stores in Postgres: how it names segments, what the service reads, what an erasure takes out.

The job writes these tables by its own code. Nothing here reads a report but the function that was asked for it:
reports are large.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, Select, delete, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from sentiment_api.database.queries import read_rows
from sentiment_api.database.tables import drift_metrics, drift_runs

ERASED_REASON: Final = "erased: it named a product"
SHOWN_CHARACTERS: Final = 80
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_NOT_READ = ("report_html", "report_json", "input_state", "notice_due")
_COLUMNS = [
    *(column for column in drift_runs.c if column.name not in _NOT_READ),
    drift_runs.c.report_html.is_not(None).label("has_page"),
]
# By window first: an old night that is judged again is no news of last night. Revisions are counted for each reference
# of a window by itself, so of one window it is the time that tells which verdict is the newest.
_PLACE = (drift_runs.c.window_end, drift_runs.c.finished_at, drift_runs.c.run_id)
_NEWEST_FIRST = [column.desc() for column in _PLACE]


def product_segment(product_id: str) -> str:
    """Return the segment of a product, as the tables have it."""
    return f"product:{product_id}"


def shown_segment(segment: str) -> str:
    """Return a segment as people are shown it: in one line, at most 80 characters, without what steers a terminal.

    Line breaks, escape characters, and those that turn the direction of writing are replaced.
    """
    clean = "".join(each if each.isprintable() else _REPLACEMENT for each in segment)
    return clean if len(clean) <= SHOWN_CHARACTERS else f"{clean[: SHOWN_CHARACTERS - 1]}…"


async def latest_drift_run(engine: AsyncEngine, model_version: str) -> Mapping[str, Any] | None:
    """Return the run on the latest window of `model_version` that was judged last, None when there is none.

    The latest window is the one that ends last, whoever asked for it and whatever it is compared with: one that was
    judged by hand up to this minute stays the latest until a night ends after it. The columns are those of
    `drift_runs` without the reports, and has_page.

    Raises:
        DatabaseAway: Postgres does not answer in time.
    """
    rows = await read_rows(engine, _runs().where(drift_runs.c.model_version == model_version).limit(1))
    return rows[0] if rows else None


async def last_drift_success(engine: AsyncEngine, model_version: str) -> dt.datetime | None:
    """Return when the last run of `model_version` finished that could be judged, on any window; None without one.

    Raises:
        DatabaseAway: Postgres does not answer in time.
    """
    last = select(func.max(drift_runs.c.finished_at).label("finished_at"))
    judged = last.where(drift_runs.c.model_version == model_version, drift_runs.c.verdict != "not_judged")
    found: dt.datetime | None = (await read_rows(engine, judged))[0]["finished_at"]
    return found


async def find_drift_run(engine: AsyncEngine, run_id: UUID) -> Mapping[str, Any] | None:
    """Return a run with the columns of `latest_drift_run`, None when there is none with this id.

    Raises:
        DatabaseAway: Postgres does not answer in time.
    """
    rows = await read_rows(engine, _runs().where(drift_runs.c.run_id == run_id))
    return rows[0] if rows else None


async def select_drift_runs(
    engine: AsyncEngine, model_version: str | None, before: Mapping[str, Any] | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Return runs of one model version or of all, newest first: the latest window, of it what was judged last.

    `before` is a run; then only those that come after it in this order.

    Raises:
        DatabaseAway: Postgres does not answer in time.
    """
    query = _runs().limit(limit)
    if model_version is not None:
        query = query.where(drift_runs.c.model_version == model_version)
    if before is not None:
        query = query.where(tuple_(*_PLACE) < tuple_(*(before[column.name] for column in _PLACE)))
    return await read_rows(engine, query)


async def find_drift_metrics(engine: AsyncEngine, run_id: UUID) -> Sequence[Mapping[str, Any]]:
    """Return the metrics of a run: first those of the whole window, then segment by segment.

    Raises:
        DatabaseAway: Postgres does not answer in time.
    """
    table = drift_metrics.c
    order = (table.segment, table.family.desc(), table.metric)
    columns = [column for column in table if column.name != "run_id"]
    return await read_rows(engine, select(*columns).where(table.run_id == run_id).order_by(*order))


async def find_drift_page(engine: AsyncEngine, run_id: UUID) -> bytes | None:
    """Return the page of a run as it is stored, compressed with gzip; None when there is none.

    Raises:
        DatabaseAway: Postgres does not answer in time.
    """
    rows = await read_rows(engine, select(drift_runs.c.report_html).where(drift_runs.c.run_id == run_id))
    return rows[0]["report_html"] if rows else None


def _runs() -> Select[Any]:
    return select(*_COLUMNS).order_by(*_NEWEST_FIRST)


async def erase_product_from_runs(connection: AsyncConnection, product_id: str) -> None:
    """Delete the metrics of the product, and take it out of the runs that name it; their verdicts stay.

    Such a run loses its reports, which are not rewritten, the product among its causes, and its reason where that
    names the product. Commit is the caller's.
    """
    segment = product_segment(product_id)
    named = delete(drift_metrics).where(drift_metrics.c.segment == segment).returning(drift_metrics.c.run_id)
    run_ids = set(await connection.scalars(named))
    columns = (drift_runs.c.run_id, drift_runs.c.reason, drift_runs.c.details)
    runs = select(*columns).where(drift_runs.c.run_id.in_(run_ids)).with_for_update()
    for run in (await connection.execute(runs)).mappings().all():
        statement = update(drift_runs).where(drift_runs.c.run_id == run["run_id"])
        await connection.execute(statement.values(_without(run, segment)))


def _without(run: RowMapping, segment: str) -> dict[str, Any]:
    """Return the columns of a run that change."""
    # As the judge writes it: METRIC of SEGMENT DIRECTION (effect ...).
    is_named = f" of {shown_segment(segment)} " in run["reason"]
    return {
        "reason": ERASED_REASON if is_named else run["reason"],
        "details": _without_cause(run["details"], segment),
        "report_html": None,
        "report_json": None,
    }


def _without_cause(details: Mapping[str, Any], segment: str) -> Mapping[str, Any]:
    causes = details.get("causes")
    if not causes or "segments" not in causes:
        return details
    kept = [change for change in causes["segments"] if change["segment"] != segment]
    return {**details, "causes": {**causes, "segments": kept}}
