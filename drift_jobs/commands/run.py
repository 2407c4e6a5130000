"""`run`: one window, from a moment to another."""

import datetime as dt
from pathlib import Path

from drift_jobs.commands.endings import exit_code, runs_of, until_done
from drift_jobs.commands.output import Progress, outcome_printer, write_files
from drift_jobs.nights.night import judge_window
from drift_jobs.nights.plan import JudgingPlan, plan_of
from drift_jobs.runs import Outcome
from drift_jobs.settings import DriftSettings
from drift_jobs.windows import Window, check_is_over, parse_moment, window_between
from sentiment_api.database.connection import connected


def run(
    settings: DriftSettings, reference: str, start: str, end: str | None, html: Path | None, json: Path | None
) -> int:
    """Judge a window, write the files that were asked for, and return the exit code."""
    plan = plan_of(settings, reference)
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    window = window_between(parse_moment(start, plan.zone), parse_moment(end, plan.zone) if end else now)
    check_is_over(window, now, plan.zone)
    return exit_code(until_done(_judged(settings, plan, window, html, json)))


async def _judged(
    settings: DriftSettings, plan: JudgingPlan, window: Window, html: Path | None, json: Path | None
) -> list[Outcome]:
    async with connected(settings) as engine:
        with Progress() as tell:
            printer = outcome_printer(settings, tell)
            outcomes = await printer.report(engine, judge_window(engine, plan, window, tell))
        await write_files(engine, runs_of(outcomes), html, json)
    return outcomes
