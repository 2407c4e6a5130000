"""Finds what the drift job has stored: the list of its runs, one run, the latest one, and the page of a run."""

import asyncio
import gzip
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.drift_results import (
    find_drift_metrics,
    find_drift_page,
    find_drift_run,
    latest_drift_run,
    select_drift_runs,
)
from sentiment_api.errors import DriftReportUnknown, FieldError, RequestInvalid
from sentiment_api.schemas.drift import DriftMetric, DriftReport, DriftReportPage, DriftReportsQuery, DriftReportSummary
from sentiment_api.schemas.service import ModelName
from sentiment_api.use_cases.look_up_turns import LookUpTurns

NO_SUCH_REPORT = "No drift report has this id; GET /drift/reports lists them."


class LookUpDrift:
    """The use case."""

    def __init__(self, engine: AsyncEngine, turns: LookUpTurns, executor: Executor, model_version: str) -> None:
        """`model_version` is the one that serves. `executor` unpacks pages, so that the event loop does not."""
        self._engine = engine
        self._turns = turns
        self._executor = executor
        self._model_version = model_version

    async def page(self, query: DriftReportsQuery) -> DriftReportPage:
        """Return the newest runs that the query asks for.

        Raises:
            RequestInvalid: `before` is no run.
            DatabaseAway: Postgres does not answer in time.
            LookUpsOverloaded: too many others look something up.
        """
        async with self._turns.turn():
            before = None if query.before is None else await find_drift_run(self._engine, query.before)
            if query.before is not None and before is None:
                raise RequestInvalid([FieldError("before", "expected `next` of a page; begin again without it")])
            rows = await select_drift_runs(self._engine, query.model_version, before, query.limit + 1)
        found = [DriftReportSummary(**_summary(row)) for row in rows[: query.limit]]
        return DriftReportPage(found, found[-1].run_id if len(rows) > query.limit else None)

    async def find(self, run_id: UUID) -> DriftReport:
        """Return a run with its metrics and details.

        Raises:
            DriftReportUnknown: there is none with this id.
            DatabaseAway: Postgres does not answer in time.
            LookUpsOverloaded: too many others look something up.
        """
        async with self._turns.turn():
            return await self._find(run_id)

    async def _find(self, run_id: UUID) -> DriftReport:
        run = await find_drift_run(self._engine, run_id)
        if run is None:
            raise DriftReportUnknown(NO_SUCH_REPORT)
        return await self._report(run)

    async def latest(self) -> DriftReport:
        """Return the run on the latest window of the model that serves, as it was judged last.

        Raises:
            DriftReportUnknown: there is none yet.
            DatabaseAway: Postgres does not answer in time.
            LookUpsOverloaded: too many others look something up.
        """
        async with self._turns.turn():
            run = await latest_drift_run(self._engine, self._model_version)
            if run is not None:
                return await self._report(run)
        remedy = "`drift-jobs nightly` makes the first; GET /drift/reports lists those of other models."
        raise DriftReportUnknown(f"No drift report yet on the model that serves, {self._model_version}; {remedy}")

    async def html(self, run_id: UUID, *, packed: bool) -> bytes:
        """Return the page of a run, compressed with gzip if it may be `packed`.

        Raises:
            DriftReportUnknown: there is no run with this id, or its page was removed.
            DatabaseAway: Postgres does not answer in time.
            LookUpsOverloaded: too many others look something up.
        """
        async with self._turns.turn():
            page = await find_drift_page(self._engine, run_id)
            if page is None:
                await self._find(run_id)
        if page is None:
            raise DriftReportUnknown("The page of this report was removed; without .html its path gives the figures.")
        if packed:
            return page
        return await asyncio.get_running_loop().run_in_executor(self._executor, gzip.decompress, page)

    async def _report(self, run: Mapping[str, Any]) -> DriftReport:
        rows = await find_drift_metrics(self._engine, run["run_id"])
        return DriftReport(**_summary(run), details=run["details"], metrics=[DriftMetric(**row) for row in rows])


def _summary(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a summary."""
    same = {name: row[name] for name in DriftReportSummary.__struct_fields__ if name not in ("model", "page")}
    page = f"/drift/reports/{row['run_id']}.html" if row["has_page"] else None
    return same | {"model": ModelName(row["model_name"], row["model_version"]), "page": page}
