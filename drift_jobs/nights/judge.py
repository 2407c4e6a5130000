"""The unit of work: judge one window of one model version, and keep the result. In a transaction, under a lock.

What a window is judged by is gathered in `evidence` and put together in `findings`; which windows are judged is said in
`nights`.
"""

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils.compat import uuid7

from drift_jobs.nights.assessment import find
from drift_jobs.nights.floors import calibration_for
from drift_jobs.nights.golden import golden_of, prevailing
from drift_jobs.nights.inputs import Evidence, Uncalibrated, gather_evidence, nights_before, terms_of
from drift_jobs.nights.plan import JudgingPlan, StoredRun, Task, Tell
from drift_jobs.reporting.evidently_report import Description, describe
from drift_jobs.reporting.notification import is_to_be_told
from drift_jobs.reporting.summary import report_page
from drift_jobs.runs import DriftRun, MetricRow, RunVerdict, same_outcome
from drift_jobs.storage.counts import input_state
from drift_jobs.storage.references import ChosenReference, choose
from drift_jobs.storage.results import is_due, latest_run, latest_state, lock, remember_state, store_run
from drift_jobs.windows import Window

_PART: Final = "; "


class _Before(NamedTuple):
    """What is known of a window before it is judged."""

    state: str
    """A text that changes with whatever its verdict depends on."""
    latest: DriftRun | None
    """What was said of it last."""
    golden: MetricRow | None
    """What holds of the golden texts."""
    nights: Sequence[DriftRun]
    """What was said of the two nights before it."""


async def judge_version(engine: AsyncEngine, plan: JudgingPlan, task: Task, tell: Tell) -> StoredRun:
    """Return the run on a window of a model version, after storing it when it says something new.

    Judging a window again returns the run that is there, unless rows or feedback came since: then a further revision is
    stored. Two that start at once store one run. A window that cannot be judged, or a version without a reference,
    gives a run that is not judged and says why.
    """
    started_at = dt.datetime.now(dt.UTC)
    while isinstance(found := await _attempt(engine, plan, task, started_at), Uncalibrated):
        # Between the attempts, in which others wait for the lock: it can take minutes.
        await calibration_for(engine, plan, task.version, found.reference, found.size, tell)
    return found


async def _attempt(
    engine: AsyncEngine, plan: JudgingPlan, task: Task, started_at: dt.datetime
) -> StoredRun | Uncalibrated:
    """Judge the window, as far as it is known what quiet ones look like."""
    async with engine.begin() as connection:  # by itself: storing a baseline holds up whoever stores one, too
        chosen = await choose(connection, plan.bundle, task.version, plan.reference, task.window, zone=plan.zone)
    async with engine.begin() as connection:
        await lock(connection, task.window, f"{task.version} {chosen.name}")
        before = await _look_up(connection, plan, task, chosen)
        if before.latest is not None and await _holds(connection, before.latest, before):
            return StoredRun(before.latest, is_new=False, before=before.latest.verdict)
        evidence = await gather_evidence(connection, plan, task, chosen, started_at)
        if isinstance(evidence, Uncalibrated):
            return evidence
        # In a thread: a signal to stop must be heard while the numbers are worked out.
        terms = terms_of(plan, task, evidence, before.nights)
        verdict = await asyncio.to_thread(find, evidence.inputs, terms, before.golden)
        return await _keep(connection, plan, task, before, evidence, verdict)


async def _look_up(connection: AsyncConnection, plan: JudgingPlan, task: Task, chosen: ChosenReference) -> _Before:
    nights = await nights_before(connection, plan, task.window, task.version, chosen.name)
    own = _own_state(await input_state(connection, task.window, task.version), nights)
    latest = await latest_run(connection, task.window, task.version, chosen.name)
    return _Before(_state(plan, chosen, own), latest, prevailing(task.golden, latest), nights)


async def _keep(
    connection: AsyncConnection, plan: JudgingPlan, task: Task, before: _Before, evidence: Evidence, verdict: RunVerdict
) -> StoredRun:
    """Return the run that is there when it holds, else a new one, after storing it."""
    latest = before.latest
    if latest is not None and same_outcome(latest, verdict):
        await remember_state(connection, latest.run_id, before.state)
        return StoredRun(latest, is_new=False, before=latest.verdict)
    if latest is not None and _says_less(verdict, latest, evidence):
        # Its state stays as well: what came late is judged as soon as there is something to compare with again.
        return StoredRun(latest, is_new=False, before=latest.verdict)
    run = _run(task, evidence, latest, verdict)
    await _store(connection, plan, run, before, evidence)
    return StoredRun(run, is_new=True, before=latest.verdict if latest else None)


def _says_less(verdict: RunVerdict, latest: DriftRun, evidence: Evidence) -> bool:
    """Return whether a window that was judged cannot be judged now, and only for what it would be compared with."""
    lacks_other_side = bool(evidence.inputs.lacking)
    return lacks_other_side and verdict.verdict == "not_judged" and latest.verdict != "not_judged"


def window_part(state: str) -> str:
    """Return what the state that a run was stored with says of its own window: an `own_state`."""
    return state.partition(_PART)[0]


async def own_state(
    connection: AsyncConnection, plan: JudgingPlan, window: Window, version: str, reference: str
) -> str:
    """Return a text that changes with the rows of the window, their feedback, and alarms of the two nights before."""
    nights = await nights_before(connection, plan, window, version, reference)
    return _own_state(await input_state(connection, window, version), nights)


def _own_state(rows_and_feedback: str, nights: Sequence[DriftRun]) -> str:
    alarms = [str(run.run_id) for run in nights if any(row.verdict in ("watch", "drift") for row in run.metrics)]
    return ", after ".join((rows_and_feedback, *alarms))


def _state(plan: JudgingPlan, chosen: ChosenReference, own: str) -> str:
    """Return a text that changes with whatever a verdict depends on, but for the golden texts."""
    bounds = f"{plan.min_rows} to {plan.sample} rows, {plan.quiet_windows} quiet windows"
    return _PART.join((own, f"reference {chosen.state}", bounds, f"segments {', '.join(plan.segment_keys)}"))


async def _holds(connection: AsyncConnection, latest: DriftRun, before: _Before) -> bool:
    """Return whether judging again would start from the same.

    Not where there was nothing to compare with: a file that was missing may be there by now, and no state tells.
    """
    if not latest.n_reference or golden_of(latest) != before.golden:
        return False
    window = Window(latest.window_start, latest.window_end)
    return await latest_state(connection, window, latest.model_version, latest.reference) == before.state


def _run(task: Task, evidence: Evidence, latest: DriftRun | None, verdict: RunVerdict) -> DriftRun:
    return DriftRun(
        run_id=uuid7(),
        revision=1 if latest is None else latest.revision + 1,
        window_start=task.window.start,
        window_end=task.window.end,
        reference=evidence.reference.name,
        model_name=evidence.inputs.model_name,
        model_version=task.version,
        started_at=evidence.inputs.now,
        finished_at=dt.datetime.now(dt.UTC),
        **{name: getattr(verdict, name) for name in RunVerdict.__struct_fields__},
    )


async def _store(
    connection: AsyncConnection, plan: JudgingPlan, run: DriftRun, before: _Before, evidence: Evidence
) -> None:
    """Store a run with its page, and whether somebody is to be told of it: in one transaction nothing gets lost."""
    description = await _described(evidence)
    page, left_out, failure = (
        (description.html, description.left_out, description.failure) if description else ("", (), "")
    )
    await store_run(
        connection,
        run,
        html=report_page(run, page or None, left_out, evidence.earlier, failure),
        snapshot=description.snapshot or None if description else None,
        input_state=before.state,
        notice_due=await _is_to_be_told(connection, plan, run, before.latest),
    )


async def _described(evidence: Evidence) -> Description | None:
    """Return what Evidently says of both sides; None when one of them cannot be read."""
    current, reference = evidence.inputs.current, evidence.inputs.reference
    if current is None or reference is None:
        return None
    return await asyncio.to_thread(describe, current, reference, evidence.inputs.labels)


async def _is_to_be_told(
    connection: AsyncConnection, plan: JudgingPlan, run: DriftRun, latest: DriftRun | None
) -> bool:
    before = latest.verdict if latest else None
    owed = before if latest and await is_due(connection, latest.run_id) else None
    return is_to_be_told(run.verdict, least=plan.notify_on, before=before, owed=owed)
