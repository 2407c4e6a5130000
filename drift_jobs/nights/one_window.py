"""One window of one model version, from what is known of it to what is stored: the unit of work of a night.

It is resolved once, worked out outside of any transaction, and stored in a short one under a lock, if the state that it
was worked out from is still the state. Which windows are judged is said in `night`.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from drift_jobs.errors import WindowUnsettled
from drift_jobs.nights.assessment import Assessment, assess
from drift_jobs.nights.notices import needs_notice
from drift_jobs.nights.plan import JudgingPlan, Tell
from drift_jobs.nights.resolved import ResolvedWindow, resolve_window
from drift_jobs.nights.state import Task, WindowState, read_state
from drift_jobs.runs import DriftRun, StoredRun
from drift_jobs.storage.results import is_notice_due, lock_window, remember_state, store_run
from sentiment_api.database.partitions import hold_off_erasures

ATTEMPTS: Final = 3
"""A window whose rows change each time is stored by the last attempt: the next look at it finds that they changed."""

Assess = Callable[[ResolvedWindow], Assessment]


async def judge_version(
    engine: AsyncEngine, plan: JudgingPlan, task: Task, tell: Tell, assess: Assess = assess
) -> StoredRun:
    """Return the run on a window of a model version, after storing it when it says something new.

    Judging a window again returns the run that is there, unless rows or feedback came since: then a further revision is
    stored. Two that start at once store one run. A window that cannot be judged, or a version without a reference,
    gives a run that is not judged and says why.

    Raises:
        WindowUnsettled: each time that it was worked out, meanwhile another run on it was stored or a product erased.
    """
    for attempt in range(1, ATTEMPTS + 1):
        if task.state.still_holds(task.golden):
            task = replace(task, state=await _current_state(engine, plan, task))
        if task.state.latest is not None and task.state.still_holds(task.golden):
            return _unchanged(task.state.latest)
        window = await resolve_window(engine, plan, task, tell)
        # In a thread: a signal to stop must be heard while the numbers are worked out.
        assessment = await asyncio.to_thread(assess, window)
        found = await _keep(engine, plan, assessment, is_last=attempt == ATTEMPTS)
        if isinstance(found, StoredRun):
            return found
        task = replace(task, state=found)
    raise WindowUnsettled(
        f"expected that {task.window} is judged by one job at a time and that no product is erased meanwhile, found "
        f"otherwise {ATTEMPTS} times in a row; judge it again when the other jobs and erasures are done"
    )


async def _current_state(engine: AsyncEngine, plan: JudgingPlan, task: Task) -> WindowState:
    """Return the state as it is now: the task's was read before the night's other windows were judged."""
    async with engine.begin() as connection:
        return await read_state(connection, plan, task.window, task.version)


async def _keep(
    engine: AsyncEngine, plan: JudgingPlan, assessment: Assessment, *, is_last: bool
) -> StoredRun | WindowState:
    """Return what is stored, or the state that the window has by now when it is not the one that was worked on.

    The last attempt is also stored where only the rows moved on, and no product was erased.
    """
    known = assessment.state
    async with engine.begin() as connection:
        await lock_window(connection, known.window, f"{known.version} {known.reference.name}")
        await hold_off_erasures(connection)
        state = await read_state(connection, plan, known.window, known.version)
        if state != known and not (is_last and _differ_in_rows_alone(state, known)):
            return state
        return await _store(connection, plan, assessment)


def _differ_in_rows_alone(state: WindowState, known: WindowState) -> bool:
    now, then = ((each.reference.name, each.latest, each.erased_products) for each in (state, known))
    return now == then


async def _store(connection: AsyncConnection, plan: JudgingPlan, assessment: Assessment) -> StoredRun:
    """Store a run that says something new, and whether somebody is to be told of it: in one transaction."""
    latest, inputs = assessment.state.latest, assessment.state.inputs
    if latest is not None and assessment.news != "new":
        # One that says less leaves the state as well: what came late is judged when there is something to compare with.
        if assessment.news == "same":
            await remember_state(connection, latest.run_id, inputs)
        return _unchanged(latest)
    await store_run(
        connection,
        assessment.run,
        html=assessment.html,
        snapshot=assessment.snapshot,
        input_state=inputs,
        notice_due=await _is_notice_due(connection, plan, assessment),
    )
    return StoredRun(assessment.run, is_new=True, before=latest.verdict if latest else None)


def _unchanged(run: DriftRun) -> StoredRun:
    return StoredRun(run, is_new=False, before=run.verdict)


async def _is_notice_due(connection: AsyncConnection, plan: JudgingPlan, assessment: Assessment) -> bool:
    latest = assessment.state.latest
    before = latest.verdict if latest else None
    owed = before if latest and await is_notice_due(connection, latest.run_id) else None
    return needs_notice(assessment.run.verdict, least=plan.notify_on, before=before, owed=owed)
