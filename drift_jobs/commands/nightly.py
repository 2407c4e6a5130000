"""`nightly`: one day of the shop, what came late to the week before it, the golden texts, and the log's upkeep."""

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from drift_jobs.commands import Html, Json, MinRows, Model, NotifyOn, NotifyUrl, Reference, Sample, ServiceUrl, Zone
from drift_jobs.commands.endings import EXIT_CODES, exit_code, runs_of, until_done, write_files
from drift_jobs.commands.failures import MENDABLE, failure_line
from drift_jobs.commands.output import Output, output_to_terminal
from drift_jobs.commands.progress import Progress
from drift_jobs.nights.golden import check_golden
from drift_jobs.nights.night import judge_night
from drift_jobs.nights.plan import JudgingPlan, Outcome, plan_of
from drift_jobs.runs import MetricRow
from drift_jobs.settings import DriftSettings
from drift_jobs.storage.references import AUTO
from drift_jobs.windows import check_is_over, day_window, parse_date, yesterday
from sentiment_api.database.connection import connected
from sentiment_api.database.partitions import drop_old_months, make_next_months
from sentiment_api.settings import read_settings

EXAMPLES = f"""\b
Examples:
  drift-jobs nightly --timezone Europe/Paris
  drift-jobs nightly --date 2026-11-21 --html report.html
  drift-jobs nightly --service-url http://127.0.0.1:8000 --notify-url https://hooks.example.com/drift

\b
{EXIT_CODES}
"""


def nightly(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    date: Annotated[str | None, typer.Option(help="YYYY-MM-DD; by default yesterday.")] = None,
    reference: Reference = AUTO,
    sample: Sample = None,
    model: Model = None,
    timezone: Zone = None,
    min_rows: MinRows = None,
    html: Html = None,
    json: Json = None,
    service_url: ServiceUrl = None,
    notify_url: NotifyUrl = None,
    notify_on: NotifyOn = None,
) -> None:
    """Judge one day of the shop, from its midnight to the next, and drop months older than SENTIMENT_KEEP.

    A day with few rows is judged together with the days before it, 28 at most. Days of the week before are judged again
    when rows or feedback came late to them; what was said of them stays as an earlier revision.
    """
    settings = read_settings(
        DriftSettings,
        model=model,
        timezone=timezone,
        drift_min_rows=min_rows,
        drift_sample=sample,
        service_url=service_url,
        notify_url=notify_url,
        notify_on=notify_on,
    )
    plan = plan_of(settings, reference)
    now = dt.datetime.now(dt.UTC)
    day = parse_date(date) if date else yesterday(now, plan.zone)
    check_is_over(day_window(day, plan.zone), now, plan.zone)
    outcomes = until_done(_judged(settings, plan, day, html, json))
    raise typer.Exit(exit_code(outcomes))


async def _judged(
    settings: DriftSettings, plan: JudgingPlan, day: dt.date, html: Path | None, json: Path | None
) -> list[Outcome]:
    with Progress() as tell:
        output = output_to_terminal(settings, tell)
        await maintain(settings, output)
        golden = await ask_golden(settings, plan, output)
        async with connected(settings) as engine:
            outcomes = await judged_night(engine, plan, day, output, golden)
            await write_files(engine, runs_of(outcomes), html, json)
    return outcomes


async def judged_night(
    engine: AsyncEngine, plan: JudgingPlan, day: dt.date, output: Output, golden: MetricRow | None
) -> list[Outcome]:
    """Judge a night and say what was found."""
    return await output.hear(engine, judge_night(engine, plan, day, output.tell, golden))


async def ask_golden(settings: DriftSettings, plan: JudgingPlan, output: Output) -> MetricRow | None:
    """Return what the service says of the golden texts, or None when its address was not given."""
    if settings.service_url is None:
        return None
    row = await check_golden(plan.bundle, settings.service_url, settings.service_key)
    if row.verdict == "not_judged":
        output.complain(f"the golden texts could not be compared: {row.note}")
    return row


async def maintain(settings: DriftSettings, output: Output) -> None:
    """Make the next months of the prediction log and drop what is too old. Judging goes on when that fails."""
    try:
        async with connected(settings, command_timeout_s=None) as engine:
            await make_next_months(engine)
            for month in await drop_old_months(engine, settings.keep):
                output.complain(f"dropped {month}, older than {settings.keep.days} days")
    except MENDABLE as error:
        output.complain(f"the prediction log could not be maintained: {failure_line(error)}")
