"""`run`: one window, from a moment to another."""

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from drift_jobs.commands import Html, Json, MinRows, Model, NotifyOn, NotifyUrl, Reference, Sample, Zone
from drift_jobs.commands.endings import EXIT_CODES, exit_code, runs_of, until_done, write_files
from drift_jobs.commands.output import output_to_terminal
from drift_jobs.commands.progress import Progress
from drift_jobs.nights.night import judge_window
from drift_jobs.nights.plan import JudgingPlan, Outcome, plan_of
from drift_jobs.settings import DriftSettings
from drift_jobs.storage.references import AUTO
from drift_jobs.windows import Window, check_is_over, parse_moment, window_between
from sentiment_api.database.connection import connected
from sentiment_api.settings import read_settings

EXAMPLES = f"""\b
Examples:
  drift-jobs run --start 2026-11-21 --end 2026-11-22 --html report.html
  drift-jobs run --start "$(date +%F)"                                     today until now
  drift-jobs run --start 2026-11-21T06:00Z --end 2026-11-21T18:00Z --reference window:2026-11-01..2026-11-08
  drift-jobs run --start 2026-10-01 --end 2026-11-01 --reference bundle --sample 20000 --json october.json

\b
{EXIT_CODES}
"""


def run(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    start: Annotated[str, typer.Option(help="ISO 8601; without an offset in the shop's time zone.")],
    end: Annotated[str | None, typer.Option(help="Exclusive; by default now, to the second.")] = None,
    reference: Reference = AUTO,
    sample: Sample = None,
    model: Model = None,
    timezone: Zone = None,
    min_rows: MinRows = None,
    html: Html = None,
    json: Json = None,
    notify_url: NotifyUrl = None,
    notify_on: NotifyOn = None,
) -> None:
    """Judge the predictions of one window, each model version by itself.

    A prediction is in the window in which it was made. The first run against a reference learns from it what quiet
    windows look like, which takes a processor 10 to 25 seconds.
    """
    settings = read_settings(
        DriftSettings,
        model=model,
        timezone=timezone,
        drift_min_rows=min_rows,
        drift_sample=sample,
        notify_url=notify_url,
        notify_on=notify_on,
    )
    plan = plan_of(settings, reference)
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    window = window_between(parse_moment(start, plan.zone), parse_moment(end, plan.zone) if end else now)
    check_is_over(window, now, plan.zone)
    outcomes = until_done(_judged(settings, plan, window, html, json))
    raise typer.Exit(exit_code(outcomes))


async def _judged(
    settings: DriftSettings, plan: JudgingPlan, window: Window, html: Path | None, json: Path | None
) -> list[Outcome]:
    async with connected(settings) as engine:
        with Progress() as tell:
            output = output_to_terminal(settings, tell)
            outcomes = await output.hear(engine, judge_window(engine, plan, window, tell))
        await write_files(engine, runs_of(outcomes), html, json)
    return outcomes
