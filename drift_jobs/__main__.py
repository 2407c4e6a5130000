"""The command line `drift-jobs`: judge a window, judge every night, and look at what was found.

Exit codes: 0 none or watch, 1 drift, 2 could not be judged, with the reason as one line on stderr.
"""

import asyncio
import datetime as dt
import logging
import sys
import traceback
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from sqlalchemy.exc import DBAPIError

from drift_jobs.errors import DriftError
from drift_jobs.jobs import Task, judge_window
from drift_jobs.reporting.console import print_metrics, print_runs, run_line, write_json
from drift_jobs.runs import DriftRun
from drift_jobs.schedule import cron_trigger, run_schedule
from drift_jobs.settings import DriftSettings
from drift_jobs.storage.references import BUNDLE, parse_reference
from drift_jobs.storage.results import list_runs, read_html, read_run
from drift_jobs.windows import Window, day_window, parse_date, parse_moment, time_zone, window_between, yesterday
from sentiment_api.bundle import open_bundle
from sentiment_api.database.connection import DATABASE_ERRORS, connected
from sentiment_api.database.partitions import drop_old_months, make_next_months
from sentiment_api.errors import StartupError
from sentiment_api.settings import read_settings

logger = logging.getLogger("drift_jobs")

COULD_NOT_BE_JUDGED = 2
MENDABLE = (DriftError, StartupError, *DATABASE_ERRORS)
"""What an operator can mend: one line, no traceback."""

_EXAMPLES = """\b
Examples:
  drift-jobs run --start 2026-11-21 --end 2026-11-22 --html report.html
  drift-jobs run --start 2026-11-21T06:00Z --end 2026-11-21T18:00Z --reference window:2026-11-01..2026-11-08
  drift-jobs nightly --timezone Europe/Paris
  drift-jobs schedule --cron "0 2 * * *" --timezone Europe/Paris
  drift-jobs list
  drift-jobs show 0199f0c2-7c1e-7b52-9d3f-0d6a3f1c2b4e --html report.html

\b
Exit codes: 0 none or watch, 1 drift, 2 could not be judged (and why, on stderr).
Settings come from the environment: SENTIMENT_DATABASE_URL or SENTIMENT_DATABASE=embedded, SENTIMENT_MODEL,
SENTIMENT_TIMEZONE, SENTIMENT_DRIFT_MIN_ROWS.
"""

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=False)

Reference = Annotated[str, typer.Option(help="bundle, or window:START..END of the prediction log.")]
Model = Annotated[Path | None, typer.Option(help="The bundle's folder.", show_default="SENTIMENT_MODEL")]
Zone = Annotated[str | None, typer.Option(help="IANA name of the shop's time zone.", show_default="SENTIMENT_TIMEZONE")]
MinRows = Annotated[int | None, typer.Option(min=1, help="Fewer rows are not judged.", show_default="500")]
Html = Annotated[Path | None, typer.Option(help="Write the report here; several models get files of their own.")]
Json = Annotated[Path | None, typer.Option("--json", help="Write the runs and their metrics here.")]


@app.callback(epilog=_EXAMPLES)
def describe() -> None:
    """Say whether inputs, predictions or accuracy have drifted."""


@app.command()
def run(
    start: Annotated[str, typer.Option(help="ISO 8601; without an offset in the shop's time zone.")],
    end: Annotated[str, typer.Option(help="Exclusive.")],
    reference: Reference = BUNDLE,
    model: Model = None,
    timezone: Zone = None,
    min_rows: MinRows = None,
    html: Html = None,
    json: Json = None,
) -> None:
    """Judge the predictions of one window."""
    settings = read_settings(DriftSettings, model=model, timezone=timezone, drift_min_rows=min_rows)
    zone = time_zone(settings.timezone)
    window = window_between(parse_moment(start, zone), parse_moment(end, zone))
    runs = asyncio.run(_judge(settings, window, reference))
    _write(settings, runs, html, json)
    _finish(runs)


@app.command()
def nightly(
    date: Annotated[str | None, typer.Option(help="YYYY-MM-DD; by default yesterday.")] = None,
    reference: Reference = BUNDLE,
    model: Model = None,
    timezone: Zone = None,
    min_rows: MinRows = None,
    html: Html = None,
    json: Json = None,
) -> None:
    """Judge one day of the shop, from its midnight to the next, and drop months older than SENTIMENT_KEEP."""
    settings = read_settings(DriftSettings, model=model, timezone=timezone, drift_min_rows=min_rows)
    zone = time_zone(settings.timezone)
    day = parse_date(date) if date else yesterday(dt.datetime.now(dt.UTC), zone)
    say = partial(typer.echo, err=True)
    asyncio.run(_maintain(settings, say, say))
    runs = asyncio.run(_judge(settings, day_window(day, zone), reference))
    _write(settings, runs, html, json)
    _finish(runs)


@app.command()
def schedule(
    cron: Annotated[str, typer.Option(help="Five fields, in the shop's time zone; weekdays as names.")] = "0 2 * * *",
    reference: Reference = BUNDLE,
    model: Model = None,
    timezone: Zone = None,
    min_rows: MinRows = None,
) -> None:
    """Judge every night until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("apscheduler").setLevel(logging.WARNING)  # it announces every step
    settings = read_settings(DriftSettings, model=model, timezone=timezone, drift_min_rows=min_rows)
    zone = time_zone(settings.timezone)
    trigger = cron_trigger(cron, zone)
    open_bundle(settings.model)  # a wrong folder is found now and not at night
    night = partial(_night, settings, zone, reference)
    asyncio.run(run_schedule(trigger, night, lambda first: logger.info("scheduled; the first run is at %s", first)))


@app.command("list")
def list_command(limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20) -> None:
    """List the last runs."""
    print_runs(asyncio.run(_list(read_settings(DriftSettings), limit)))


@app.command()
def show(run_id: Annotated[uuid.UUID, typer.Argument()], html: Html = None, json: Json = None) -> None:
    """Show one run with its metrics."""
    settings = read_settings(DriftSettings)
    found = asyncio.run(_show(settings, run_id))
    typer.echo(run_line(found))
    print_metrics(found.metrics)
    _write(settings, [found], html, json)


async def _judge(settings: DriftSettings, window: Window, reference: str) -> list[DriftRun]:
    against = parse_reference(reference, time_zone(settings.timezone))
    task = Task(open_bundle(settings.model), window, against, settings.drift_min_rows)
    async with connected(settings) as engine:
        return await judge_window(engine, task)


async def _night(settings: DriftSettings, zone: ZoneInfo, reference: str) -> None:
    """Judge yesterday. Whatever happens to one night, the next one gets its turn."""
    await _maintain(settings, logger.info, logger.error)
    try:
        window = day_window(yesterday(dt.datetime.now(dt.UTC), zone), zone)
        for one in await _judge(settings, window, reference):
            logger.info("%s", run_line(one))
    except MENDABLE as error:
        logger.error("could not be judged: %s", _one_line(error))


async def _maintain(settings: DriftSettings, say: Callable[[str], None], complain: Callable[[str], None]) -> None:
    """Make the next months of the prediction log and drop what is too old. Judging goes on when that fails."""
    try:
        async with connected(settings, command_timeout_s=None) as engine:
            await make_next_months(engine)
            for month in await drop_old_months(engine, settings.keep):
                say(f"dropped {month}, older than {settings.keep.days} days")
    except MENDABLE as error:
        complain(f"the prediction log could not be maintained: {_one_line(error)}")


async def _list(settings: DriftSettings, limit: int) -> list[DriftRun]:
    async with connected(settings) as engine, engine.connect() as connection:
        return await list_runs(connection, limit)


async def _show(settings: DriftSettings, run_id: uuid.UUID) -> DriftRun:
    async with connected(settings) as engine, engine.connect() as connection:
        return await read_run(connection, run_id)


async def _pages(settings: DriftSettings, runs: Sequence[DriftRun]) -> list[str]:
    async with connected(settings) as engine, engine.connect() as connection:
        return [await read_html(connection, one.run_id) for one in runs]


def _write(settings: DriftSettings, runs: Sequence[DriftRun], html: Path | None, json: Path | None) -> None:
    if html:
        for path, page in zip(_html_paths(html, runs), asyncio.run(_pages(settings, runs)), strict=True):
            path.write_text(page, encoding="utf-8")
            typer.echo(f"wrote {path}", err=True)
    if json:
        write_json(json, runs)


def _html_paths(html: Path, runs: Sequence[DriftRun]) -> list[Path]:
    """Return where each run's page goes: `html` itself for one, `name-VERSION.html` for several."""
    if len(runs) == 1:
        return [html]
    return [html.with_stem(f"{html.stem}-{one.model_version}") for one in runs]


def _finish(runs: Sequence[DriftRun]) -> None:
    """Print the runs, those that could not be judged on stderr, and end with the exit code of the gravest."""
    for one in runs:
        typer.echo(run_line(one), err=one.verdict == "not_judged")
    raise typer.Exit(exit_code(runs))


def exit_code(runs: Sequence[DriftRun]) -> int:
    """Return 1 when any run drifted, else 2 when any could not be judged, else 0."""
    verdicts = {one.verdict for one in runs}
    return 1 if "drift" in verdicts else COULD_NOT_BE_JUDGED if "not_judged" in verdicts else 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ends in SystemExit. Errors that an operator can mend are one line and exit code 2."""
    try:
        app(arguments)
    except MENDABLE as error:
        typer.echo(f"drift-jobs: {_one_line(error)}", err=True)
        sys.exit(COULD_NOT_BE_JUDGED)
    except Exception as error:  # noqa: BLE001 - Python would end with 1, which means drift here
        # The kind and the place, not the message: it may quote a row.
        place = traceback.extract_tb(error.__traceback__)[-1]
        typer.echo(f"drift-jobs: a defect, {type(error).__name__} at {place.filename}:{place.lineno}", err=True)
        sys.exit(COULD_NOT_BE_JUDGED)


def _one_line(error: Exception) -> str:
    """Return what an operator may read. The server's own messages are left out: they can carry values of rows."""
    sqlstate = getattr(getattr(error, "orig", None) or error, "sqlstate", None)
    if sqlstate == "42P01":  # undefined_table
        return "the database is not migrated; run `sentiment-api db upgrade` with the same SENTIMENT_DATABASE settings"
    if sqlstate is not None or isinstance(error, DBAPIError):
        return f"Postgres refused, SQLSTATE {sqlstate or 'unknown'}"
    if isinstance(error, OSError):
        return f"{type(error).__name__}: {error.strerror or 'Postgres or a file cannot be reached'}"
    return " ".join(str(error).split())


if __name__ == "__main__":
    main()
