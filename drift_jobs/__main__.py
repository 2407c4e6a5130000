"""`drift-jobs`: the commands, in the order in which they are needed.

Exit codes: 0 none or watch, 1 drift, 2 could not be judged, with the reason as one line on stderr.
"""

import sys
from collections.abc import Sequence

import typer

from drift_jobs.commands import backfill, baseline, calibrate, nightly, run, schedule, show
from drift_jobs.commands import list as list_runs
from drift_jobs.commands.endings import COULD_NOT_BE_JUDGED, EXIT_CODES
from drift_jobs.commands.failures import failure_line

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
{EXIT_CODES}
Settings come from the environment: SENTIMENT_DATABASE_URL or SENTIMENT_DATABASE=embedded, SENTIMENT_MODEL,
SENTIMENT_TIMEZONE, SENTIMENT_DRIFT_MIN_ROWS, SENTIMENT_DRIFT_SAMPLE, SENTIMENT_DRIFT_QUIET_WINDOWS,
SENTIMENT_DRIFT_SEGMENT_KEYS, SENTIMENT_SERVICE_URL, SENTIMENT_SERVICE_KEY, SENTIMENT_NOTIFY_URL,
SENTIMENT_NOTIFY_ON.
"""

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=False)


@app.callback(epilog=_EXAMPLES)
def describe() -> None:
    """Say whether inputs, predictions or accuracy have drifted."""


app.command(epilog=run.EXAMPLES)(run.run)
app.command(epilog=nightly.EXAMPLES)(nightly.nightly)
app.command(epilog=schedule.EXAMPLES)(schedule.schedule)
app.command(epilog=backfill.EXAMPLES)(backfill.backfill)
app.command("list", epilog=list_runs.EXAMPLES)(list_runs.list_command)
app.command(epilog=show.EXAMPLES)(show.show)
app.add_typer(baseline.app, name="baseline")
app.command(epilog=calibrate.EXAMPLES)(calibrate.calibrate)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ends in SystemExit. Errors that an operator can mend are one line and exit code 2."""
    try:
        app(arguments)
    except Exception as error:  # noqa: BLE001 - Python would end with 1, which means drift here
        typer.echo(f"drift-jobs: {failure_line(error)}", err=True)
        sys.exit(COULD_NOT_BE_JUDGED)


if __name__ == "__main__":
    main()
