"""`drift-jobs`: the commands, in the order in which they are needed, with their options and help.

What a command does is in `commands`, in the file of its name, which is imported when it is called: help needs none of
the job's packages. Exit codes: 0 none or watch, 1 drift, 2 could not be judged, with the reason as one line on stderr.
"""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from drift_jobs.commands.options import (
    JUDGING,
    NOTICES,
    DryRun,
    Html,
    Json,
    ModelVersion,
    OnlyVersion,
    Reference,
    settings_from,
)
from drift_jobs.runs import Level
from drift_jobs.settings import AUTO, DriftSettings

_EXIT_CODES = "Exit codes: 0 none or watch, 1 drift, 2 could not be judged (and why, on stderr)."

_EXAMPLES = f"""\b
Examples:
  drift-jobs run --start 2026-11-21 --end 2026-11-22 --html report.html
  drift-jobs nightly --timezone Europe/Paris
  drift-jobs schedule --cron "0 2 * * *" --timezone Europe/Paris
  drift-jobs backfill --from 2026-10-01 --to 2026-10-31 --dry-run
  drift-jobs baseline accept 2026-11-01..2026-11-15
  drift-jobs calibrate
  drift-jobs list --verdict drift
Each command has more: drift-jobs COMMAND --help

\b
{_EXIT_CODES}
Settings come from the environment: SENTIMENT_DATABASE_URL or SENTIMENT_DATABASE=embedded, SENTIMENT_MODEL,
SENTIMENT_TIMEZONE, SENTIMENT_DRIFT_MIN_ROWS, SENTIMENT_DRIFT_SAMPLE, SENTIMENT_DRIFT_QUIET_WINDOWS,
SENTIMENT_DRIFT_SEGMENT_KEYS, SENTIMENT_SERVICE_URL, SENTIMENT_SERVICE_KEY, SENTIMENT_NOTIFY_URL,
SENTIMENT_NOTIFY_ON.
"""

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=False)
_baseline = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback(epilog=_EXAMPLES)
def describe() -> None:
    """Say whether inputs, predictions or accuracy have drifted."""


_RUN = f"""\b
Examples:
  drift-jobs run --start 2026-11-21 --end 2026-11-22 --html report.html
  drift-jobs run --start "$(date +%F)"                                     today until now
  drift-jobs run --start 2026-11-21T06:00Z --end 2026-11-21T18:00Z --reference window:2026-11-01..2026-11-08
  drift-jobs run --start 2026-10-01 --end 2026-11-01 --reference bundle --sample 20000 --json october.json

\b
{_EXIT_CODES}
"""


@app.command(epilog=_RUN)
@settings_from(*JUDGING, *NOTICES)
def run(
    settings: DriftSettings,
    start: Annotated[str, typer.Option(help="ISO 8601; without an offset in the shop's time zone.")],
    end: Annotated[str | None, typer.Option(help="Exclusive; by default now, to the second.")] = None,
    reference: Reference = AUTO,
    html: Html = None,
    json: Json = None,
) -> None:
    """Judge the predictions of one window, each model version by itself.

    A prediction is in the window in which it was made. The first run against a reference learns from it what quiet
    windows look like, which takes a processor 10 to 25 seconds.
    """
    from drift_jobs.commands import run  # noqa: PLC0415 - heavy: --help needs none of it

    raise typer.Exit(run.run(settings, reference, start, end, html, json))


_NIGHTLY = f"""\b
Examples:
  drift-jobs nightly --timezone Europe/Paris
  drift-jobs nightly --date 2026-11-21 --html report.html
  drift-jobs nightly --service-url http://127.0.0.1:8000 --notify-url https://hooks.example.com/drift

\b
{_EXIT_CODES}
"""


@app.command(epilog=_NIGHTLY)
@settings_from(*JUDGING, "service_url", *NOTICES)
def nightly(
    settings: DriftSettings,
    date: Annotated[str | None, typer.Option(help="YYYY-MM-DD; by default yesterday.")] = None,
    reference: Reference = AUTO,
    html: Html = None,
    json: Json = None,
) -> None:
    """Judge one day of the shop, from its midnight to the next, and drop months older than SENTIMENT_KEEP.

    A day with few rows is judged together with the days before it, 28 at most. Days of the week before are judged again
    when rows or feedback came late to them; what was said of them stays as an earlier revision.
    """
    from drift_jobs.commands import nightly  # noqa: PLC0415 - heavy: --help needs none of it

    raise typer.Exit(nightly.nightly(settings, reference, date, html, json))


_SCHEDULE = """\b
Examples:
  drift-jobs schedule --cron "0 2 * * *" --timezone Europe/Paris
  drift-jobs schedule --service-url http://127.0.0.1:8000 --notify-url https://hooks.example.com/drift
"""


@app.command(epilog=_SCHEDULE)
@settings_from(*JUDGING, "service_url", *NOTICES)
def schedule(
    settings: DriftSettings,
    cron: Annotated[str, typer.Option(help="Five fields, in the shop's time zone; weekdays as names.")] = "0 2 * * *",
    reference: Reference = AUTO,
) -> None:
    """Judge every night until SIGTERM or SIGINT.

    When last night's time has passed without a run, it is judged at once.
    """
    from drift_jobs.commands import schedule  # noqa: PLC0415 - heavy: --help needs none of it

    schedule.schedule(settings, reference, cron)


_BACKFILL = f"""\b
Examples:
  drift-jobs backfill --from 2026-10-01 --to 2026-10-31 --dry-run
  drift-jobs backfill --from 2026-10-01 --to 2026-10-31 --timezone Europe/Paris

\b
{_EXIT_CODES}
"""


@app.command(epilog=_BACKFILL)
@settings_from(*JUDGING)
def backfill(
    settings: DriftSettings,
    first: Annotated[str, typer.Option("--from", help="The first day, YYYY-MM-DD.")],
    last: Annotated[str, typer.Option("--to", help="The last day; it is judged, too.")],
    reference: Reference = AUTO,
    dry_run: DryRun = False,
) -> None:
    """Judge days of the past as `nightly` would have, the earliest first; a day that fails does not stop the others.

    Days that were judged already get a new revision only if their rows or feedback changed. Nobody is notified. The
    exit code is that of the gravest day.
    """
    from drift_jobs.commands import backfill  # noqa: PLC0415 - heavy: --help needs none of it

    raise typer.Exit(backfill.backfill(settings, reference, first, last, dry_run=dry_run))


_LIST = """\b
Examples:
  drift-jobs list
  drift-jobs list --verdict drift --limit 5
  drift-jobs list --model-version 3f2a9c01b7de
"""


@app.command("list", epilog=_LIST)
@settings_from()
def list_runs(
    settings: DriftSettings,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20,
    model_version: OnlyVersion = None,
    verdict: Annotated[Level | None, typer.Option(help="Only with this one.")] = None,
) -> None:
    """List the last runs."""
    from drift_jobs.commands import stored_runs  # noqa: PLC0415 - heavy: --help needs none of it

    stored_runs.list_runs(settings, limit, model_version, verdict)


_SHOW = """\b
Examples:
  drift-jobs show 0199f0c2-7c1e-7b52-9d3f-0d6a3f1c2b4e
  drift-jobs show 0199f0c2-7c1e-7b52-9d3f-0d6a3f1c2b4e --html report.html
"""


@app.command(epilog=_SHOW)
@settings_from()
def show(
    settings: DriftSettings, run_id: Annotated[str, typer.Argument()], html: Html = None, json: Json = None
) -> None:
    """Show one run with its metrics."""
    from drift_jobs.commands import stored_runs  # noqa: PLC0415 - heavy: --help needs none of it

    stored_runs.show_run(settings, run_id, html, json)


_BASELINE = """\b
Examples:
  drift-jobs baseline accept 2026-11-01..2026-11-15 --dry-run
  drift-jobs baseline accept 2026-11-01..2026-11-15 --timezone Europe/Paris
  drift-jobs baseline show
"""
app.add_typer(_baseline, name="baseline")


@_baseline.callback(epilog=_BASELINE)
def describe_baseline() -> None:
    """Accept a window of your own traffic as what is normal, and show which ones were accepted."""


@_baseline.command("accept", epilog=_BASELINE)
@settings_from("model", "timezone")
def accept_window(
    settings: DriftSettings,
    window: Annotated[str, typer.Argument(metavar="START..END", help="Each side as in `run`; END is exclusive.")],
    model_version: ModelVersion = None,
    dry_run: DryRun = False,
) -> None:
    """Print what a window holds, and compare later windows of the model version with it from now on.

    It holds for `--reference auto` and `--reference baseline`, in windows that start when it has ended.
    """
    from drift_jobs.commands import baseline  # noqa: PLC0415 - heavy: --help needs none of it

    baseline.accept_window(settings, window, model_version, dry_run=dry_run)


@_baseline.command("show", epilog=_BASELINE)
@settings_from()
def show_baselines(settings: DriftSettings, model_version: OnlyVersion = None) -> None:
    """Print the accepted windows, the newest first."""
    from drift_jobs.commands import baseline  # noqa: PLC0415 - heavy: --help needs none of it

    baseline.show_baselines(settings, model_version)


_CALIBRATE = """\b
Examples:
  drift-jobs calibrate
  drift-jobs calibrate --reference bundle --size 500 --size 10000
"""


@app.command(epilog=_CALIBRATE)
@settings_from("model", "timezone")
def calibrate(
    settings: DriftSettings,
    reference: Reference = AUTO,
    size: Annotated[
        list[int] | None, typer.Option(help="Rows of a window; can be repeated.", show_default="500 to 5000")
    ] = None,
) -> None:
    """Learn how large the effects of mere chance are, by windows drawn from the reference, and print what follows.

    Nightly runs do this by themselves when they need it, and find here what was done before. Rates are of quiet windows
    that were judged by what others of them taught; the upper bounds hold with 95 % confidence.
    """
    from drift_jobs.commands import calibrate  # noqa: PLC0415 - heavy: --help needs none of it

    calibrate.calibrate(settings, reference, size)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ends in SystemExit. Errors that an operator can mend are one line and exit code 2."""
    try:
        app(arguments)
    except Exception as error:  # noqa: BLE001 - Python would end with 1, which means drift here
        from drift_jobs.commands import endings  # noqa: PLC0415 - slow: --help needs none of it

        typer.echo(f"drift-jobs: {endings.failure_line(error)}", err=True)
        sys.exit(endings.COULD_NOT_BE_JUDGED)


if __name__ == "__main__":
    main()
