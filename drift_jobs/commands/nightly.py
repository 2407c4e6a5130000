"""`nightly`: the log's upkeep, the golden texts, what came late to the week before, and one day of the shop."""

import datetime as dt
from pathlib import Path

from drift_jobs.commands.endings import MENDABLE, exit_code, failure_line, runs_of, until_done
from drift_jobs.commands.output import OutcomePrinter, Progress, outcome_printer, write_files
from drift_jobs.nights.golden import check_golden
from drift_jobs.nights.night import judge_night
from drift_jobs.nights.plan import JudgingPlan, plan_of
from drift_jobs.runs import MetricRow, Outcome
from drift_jobs.settings import DriftSettings
from drift_jobs.windows import check_is_over, day_window, parse_date, yesterday
from sentiment_api.database.connection import connected
from sentiment_api.database.partitions import drop_old_months, make_next_months


def nightly(settings: DriftSettings, reference: str, date: str | None, html: Path | None, json: Path | None) -> int:
    """Judge a night, yesterday's unless a date is given, write the files asked for, and return the exit code."""
    plan = plan_of(settings, reference)
    now = dt.datetime.now(dt.UTC)
    day = parse_date(date) if date else yesterday(now, plan.zone)
    check_is_over(day_window(day, plan.zone), now, plan.zone)
    return exit_code(until_done(_judged(settings, plan, day, html, json)))


async def _judged(
    settings: DriftSettings, plan: JudgingPlan, day: dt.date, html: Path | None, json: Path | None
) -> list[Outcome]:
    with Progress() as tell:
        printer = outcome_printer(settings, tell)
        await maintain(settings, printer)
        golden = await ask_golden(settings, plan, printer)
        async with connected(settings) as engine:
            outcomes = await printer.report(engine, judge_night(engine, plan, day, tell, golden))
            await write_files(engine, runs_of(outcomes), html, json)
    return outcomes


async def maintain(settings: DriftSettings, printer: OutcomePrinter) -> None:
    """Make the next months of the prediction log and drop what is too old. Judging goes on when that fails."""
    try:
        async with connected(settings, command_timeout_s=None) as engine:
            await make_next_months(engine)
            for month in await drop_old_months(engine, settings.keep):
                printer.complain(f"dropped {month}, older than {settings.keep.days} days")
    except MENDABLE as error:
        printer.complain(f"the prediction log could not be maintained: {failure_line(error)}")


async def ask_golden(settings: DriftSettings, plan: JudgingPlan, printer: OutcomePrinter) -> MetricRow | None:
    """Return what the service says of the golden texts, or None when its address was not given."""
    if settings.service_url is None:
        return None
    row = await check_golden(plan.bundle, settings.service_url, settings.service_key)
    if row.verdict == "not_judged":
        printer.complain(f"the golden texts could not be compared: {row.note}")
    return row
