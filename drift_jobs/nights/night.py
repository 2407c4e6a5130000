"""The night as a story: what came late to the days before, the day itself, each model version by itself."""

import datetime as dt
from collections.abc import AsyncIterator, Sequence

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncEngine

from drift_jobs.nights.one_window import judge_version
from drift_jobs.nights.plan import JudgingPlan, Tell
from drift_jobs.nights.state import Task, WindowState, read_state
from drift_jobs.runs import Failed, MetricRow, Outcome
from drift_jobs.storage.counts import count_rows, extended_start, versions_in
from drift_jobs.storage.history import judged_versions, judged_windows, was_judging
from drift_jobs.windows import Window, day_window

LATE_DAYS = 7
"""Rows and feedback that come later than so many days change no verdict any more."""


async def judge_night(
    engine: AsyncEngine, plan: JudgingPlan, day: dt.date, tell: Tell, golden: MetricRow | None = None
) -> AsyncIterator[Outcome]:
    """Judge again what came late to the days before, the earliest first, and then the day."""
    async for outcome in judge_late(engine, plan, day, tell):
        yield outcome
    async for outcome in judge_day(engine, plan, day, tell, golden):
        yield outcome


async def judge_late(engine: AsyncEngine, plan: JudgingPlan, day: dt.date, tell: Tell) -> AsyncIterator[Outcome]:
    """Judge the days of the week before `day` again whose rows or feedback came since, and those that were missed.

    The earliest first, since an alarm of theirs counts for the two nights after it. Windows that were judged already
    are judged against the reference that they would be judged by now. The others are skipped quickly: their rows are
    counted and not read.
    """
    for number in range(LATE_DAYS, 0, -1):
        earlier = day - dt.timedelta(days=number)
        for task in [*await _late_tasks(engine, plan, earlier), *await _missed_tasks(engine, plan, earlier)]:
            yield replace(await _attempt(engine, plan, task, tell), is_late=True)


async def judge_day(
    engine: AsyncEngine, plan: JudgingPlan, day: dt.date, tell: Tell, golden: MetricRow | None = None
) -> AsyncIterator[Outcome]:
    """Judge each model version of a day of the shop; one with few rows together with the days before.

    `golden` is what the service said of the golden texts; it belongs to the bundle's version.
    """
    for task in await day_tasks(engine, plan, day, golden):
        yield await _attempt(engine, plan, task, tell)


async def judge_window(engine: AsyncEngine, plan: JudgingPlan, window: Window, tell: Tell) -> AsyncIterator[Outcome]:
    """Judge each model version that has rows in the window; without any, the bundle's, which is then not judged."""
    for task in await window_tasks(engine, plan, window):
        yield await _attempt(engine, plan, task, tell)


async def is_done(engine: AsyncEngine, plan: JudgingPlan, day: dt.date) -> bool:
    """Return whether each model version that `judge_day` would judge has a run on the whole day."""
    window = day_window(day, plan.zone)
    versions = await _versions(engine, plan, window)
    async with engine.connect() as connection:
        return await judged_versions(connection, window, plan.reference) >= set(versions)


async def window_tasks(engine: AsyncEngine, plan: JudgingPlan, window: Window) -> list[Task]:
    """Return what `judge_window` judges."""
    windows = [(window, version) for version in await _versions(engine, plan, window)]
    return await _sharing_alarms(engine, plan, await _states(engine, plan, windows))


async def day_tasks(
    engine: AsyncEngine, plan: JudgingPlan, day: dt.date, golden: MetricRow | None = None
) -> list[Task]:
    """Return what `judge_day` judges."""
    window = day_window(day, plan.zone)
    versions = await _versions(engine, plan, window, golden)
    async with engine.begin() as connection:
        starts = [
            await extended_start(connection, version, window, plan.zone, min_rows=plan.min_rows) for version in versions
        ]
    windows = [(Window(start, window.end), version) for version, start in zip(versions, starts, strict=True)]
    tasks = await _sharing_alarms(engine, plan, await _states(engine, plan, windows))
    served = plan.bundle.manifest.version
    return [replace(task, golden=golden if task.version == served else None) for task in tasks]


async def _late_tasks(engine: AsyncEngine, plan: JudgingPlan, day: dt.date) -> list[Task]:
    async with engine.connect() as connection:
        windows = await judged_windows(connection, day_window(day, plan.zone).end)
    states = await _states(engine, plan, windows)
    if not any(state.came_late for state in states):
        return []
    return [task for task in await _sharing_alarms(engine, plan, states) if task.state.came_late]


async def _missed_tasks(engine: AsyncEngine, plan: JudgingPlan, day: dt.date) -> list[Task]:
    missed = await _missed_versions(engine, plan, day_window(day, plan.zone))
    return [task for task in await day_tasks(engine, plan, day) if task.version in missed] if missed else []


async def _missed_versions(engine: AsyncEngine, plan: JudgingPlan, window: Window) -> set[str]:
    """Return the versions with rows on a day and no run: they came when the database was back, or nothing was judged.

    Days before the very first run were not missed.
    """
    async with engine.begin() as connection:
        if not await was_judging(connection, window.end, plan.reference):
            return set()
        return set(await versions_in(connection, window)) - await judged_versions(connection, window, plan.reference)


async def _versions(
    engine: AsyncEngine, plan: JudgingPlan, window: Window, golden: MetricRow | None = None
) -> list[str]:
    """Return the versions with rows in the window; the bundle's, too, when there are none or its golden texts moved."""
    async with engine.begin() as connection:
        found = list(await versions_in(connection, window))
    served = plan.bundle.manifest.version
    has_moved = golden is not None and golden.verdict == "drift"
    return [*found, served] if served not in found and (has_moved or not found) else found


async def _states(engine: AsyncEngine, plan: JudgingPlan, windows: Sequence[tuple[Window, str]]) -> list[WindowState]:
    """Return the state of each window and model version.

    Nothing is stored, not even the baseline that `auto` would make: a preview asks, too.
    """
    states = []
    for window, version in windows:
        async with engine.connect() as connection:
            states.append(await read_state(connection, plan, window, version))
    return states


async def _sharing_alarms(engine: AsyncEngine, plan: JudgingPlan, states: Sequence[WindowState]) -> list[Task]:
    """Return the tasks of one night, which share the alarms that a night may bring.

    Only versions with enough rows and a reference have a share: a version that a canary sent one request must not make
    the others harder of hearing.
    """
    async with engine.connect() as connection:
        judgeable = {
            state.version
            for state in states
            if not state.reference.lacking
            and await count_rows(connection, state.window, state.version) >= plan.min_rows
        }
    return [Task(state=state, versions=max(1, len(judgeable))) for state in states]


async def _attempt(engine: AsyncEngine, plan: JudgingPlan, task: Task, tell: Tell) -> Outcome:
    """Judge one version. Whatever fails with it never costs the others; the command says what it was."""
    try:
        return await judge_version(engine, plan, task, tell)
    except Exception as error:  # noqa: BLE001 - as above
        return Failed(task.window, task.version, error)
