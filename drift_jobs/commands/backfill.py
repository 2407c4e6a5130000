"""`backfill`: days of the past, one by one."""

import datetime as dt

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from drift_jobs.commands.endings import COULD_NOT_BE_JUDGED, MENDABLE, exit_code, failure_line, until_done
from drift_jobs.commands.output import OutcomePrinter, Progress, outcome_printer
from drift_jobs.errors import WindowInvalid
from drift_jobs.nights.night import day_tasks, judge_day
from drift_jobs.nights.plan import JudgingPlan, plan_of
from drift_jobs.nights.state import Task
from drift_jobs.runs import Outcome
from drift_jobs.settings import DriftSettings
from drift_jobs.storage.counts import count_rows
from drift_jobs.storage.history import judged_versions
from drift_jobs.windows import check_is_over, day_window, parse_date
from sentiment_api.database.connection import connected


def backfill(settings: DriftSettings, reference: str, first: str, last: str, *, dry_run: bool) -> int:
    """Judge the days from `first` to `last`, or with `dry_run` print them, and return the gravest day's exit code."""
    settings = settings.model_copy(update={"notify_url": None})
    plan = plan_of(settings, reference)
    days = _days(parse_date(first), parse_date(last))
    check_is_over(day_window(days[-1], plan.zone), dt.datetime.now(dt.UTC), plan.zone)
    return until_done(_previewed(settings, plan, days) if dry_run else _judged(settings, plan, days))


def _days(first: dt.date, last: dt.date) -> list[dt.date]:
    if last < first:
        raise WindowInvalid(f"expected --to on or after --from, found {last} before {first}")
    return [first + dt.timedelta(days=number) for number in range((last - first).days + 1)]


async def _judged(settings: DriftSettings, plan: JudgingPlan, days: list[dt.date]) -> int:
    outcomes: list[Outcome] = []
    failed = 0
    async with connected(settings) as engine:
        with Progress() as tell:
            printer = outcome_printer(settings, tell)
            for number, day in enumerate(days):
                tell("days judged", number, len(days))
                found = await _day(engine, plan, day, printer)
                outcomes += found
                failed += not found
    return exit_code(outcomes) or (COULD_NOT_BE_JUDGED if failed else 0)


async def _day(engine: AsyncEngine, plan: JudgingPlan, day: dt.date, printer: OutcomePrinter) -> list[Outcome]:
    """Judge a day; none of its outcomes when not even its versions could be read."""
    try:
        return await printer.report(engine, judge_day(engine, plan, day, printer.tell))
    except MENDABLE as error:
        printer.complain(f"could not be judged: {day}: {failure_line(error)}")
        return []


async def _previewed(settings: DriftSettings, plan: JudgingPlan, days: list[dt.date]) -> int:
    async with connected(settings) as engine:
        for day in days:
            for task in await day_tasks(engine, plan, day):
                typer.echo(f"{day}: {await _preview(engine, plan, day, task)}")
    return 0


async def _preview(engine: AsyncEngine, plan: JudgingPlan, day: dt.date, task: Task) -> str:
    async with engine.connect() as connection:
        rows = await count_rows(connection, task.window, task.version)
        known = task.version in await judged_versions(connection, day_window(day, plan.zone), plan.reference)
    return f"{task.window}, model version {task.version}, {rows:,} rows" + (", judged before" if known else "")
