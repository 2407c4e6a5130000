"""Taking a product out of the drift job's results, when it is erased."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import RowMapping, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sentiment_api.database.drift_segments import product_segment, shown_segment
from sentiment_api.database.tables import drift_metrics, drift_runs

ERASED_REASON: Final = "erased: it named a product"


async def forget_product(connection: AsyncConnection, product_id: str) -> None:
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
