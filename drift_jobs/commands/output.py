"""What a command says and leaves: progress, a line for each outcome, notices of alarms, files."""

import datetime as dt
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Self

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from sqlalchemy.ext.asyncio import AsyncEngine

from drift_jobs.commands.endings import MENDABLE, failure_line
from drift_jobs.http_client import odd_exemptions
from drift_jobs.nights.notices import KEPT, due_notices, post_due
from drift_jobs.nights.plan import Tell
from drift_jobs.reporting.console import run_line, write_json
from drift_jobs.reporting.notification import ATTEMPTS, NotificationFailed
from drift_jobs.runs import DriftRun, Failed, Outcome, StoredRun
from drift_jobs.settings import DriftSettings
from drift_jobs.storage.results import read_html


class OutcomePrinter(msgspec.Struct, frozen=True, kw_only=True):
    """Says what was found as soon as it is there, and posts notices of alarms."""

    say: Callable[[str], None]
    complain: Callable[[str], None]
    tell: Tell
    notify_url: str | None

    async def report(self, engine: AsyncEngine, outcomes: AsyncIterator[Outcome]) -> list[Outcome]:
        """Return the outcomes after printing each as soon as it is there, and posting the alarms among them.

        Alarms of earlier runs that no receiver has taken are posted first, each tried once.
        """
        await self.post_late(engine)
        reported = []
        async for outcome in outcomes:
            self._say(outcome)
            if self.notify_url is not None and isinstance(outcome, StoredRun) and outcome.is_new:
                await self._post(engine, outcome.run.run_id, self.notify_url)
            reported.append(outcome)
        return reported

    def _say(self, outcome: Outcome) -> None:
        if isinstance(outcome, Failed):
            said = failure_line(outcome.error)
            self.complain(f"could not be judged: {outcome.window}, model version {outcome.version}: {said}")
        elif outcome.run.verdict == "not_judged":
            self.complain(run_line(outcome.run))
        else:
            self.say(run_line(outcome.run))

    async def post_late(self, engine: AsyncEngine) -> None:
        """Post once each what no receiver has taken, until one of them finds the receiver or Postgres away."""
        if self.notify_url is None:
            return
        for run_id in await self._due(engine):
            if not await self._post(engine, run_id, self.notify_url, is_late=True):
                return

    async def _due(self, engine: AsyncEngine) -> list[uuid.UUID]:
        try:
            return await due_notices(engine, dt.datetime.now(dt.UTC))
        except MENDABLE as error:
            self.complain(f"notices that are due could not be read: {failure_line(error)}")
            return []

    async def _post(self, engine: AsyncEngine, run_id: uuid.UUID, url: str, *, is_late: bool = False) -> bool:
        """Post the notice of a run if it is due, and return whether others are worth trying.

        Whatever becomes of it, judging goes on.
        """
        try:
            run = await post_due(engine, run_id, url, attempts=1 if is_late else ATTEMPTS)
        except NotificationFailed as error:
            self.complain(f"{error}; each run tries it again for {KEPT.days} days")
            return not error.is_away
        except MENDABLE as error:
            self.complain(f"the notice of run {run_id} stays due: {failure_line(error)}")
            return False
        if run and is_late:
            self.say(f"posted late: {run_line(run)}")
        return True


# `typer.echo` would write past the bars of `Progress`, in the middle of their line.
def _print(line: str) -> None:
    print(line, flush=True)


def _print_error(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def outcome_printer(
    settings: DriftSettings,
    tell: Tell,
    say: Callable[[str], None] = _print,
    complain: Callable[[str], None] = _print_error,
) -> OutcomePrinter:
    """Return what says what a command found: runs on stdout, what cannot be judged on stderr, unless told otherwise."""
    if settings.notify_url or settings.service_url:
        for line in odd_exemptions():
            complain(line)
    url = settings.notify_url.get_secret_value() if settings.notify_url else None
    return OutcomePrinter(say=say, complain=complain, tell=tell, notify_url=url)


class Progress:
    """Takes `(what, done, total)`, also from another thread. A context manager, which clears the bars at its end."""

    def __init__(self) -> None:
        """Nothing is shown before the first step."""
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        # Lines on stdout go above the bars, unless they go to a file.
        self._bars = Bars(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty())
        self._is_terminal = console.is_terminal
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Clear the bars."""
        if self._tasks:  # without a terminal rich would print an empty line
            self._bars.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show that `done` of `total` parts of `what` are done."""
        if not self._is_terminal:
            if done == 0:
                print(f"{what} ({total:,})", file=sys.stderr, flush=True)
            return
        self._bars.start()
        task = self._tasks.get(what)
        if task is None:
            task = self._tasks[what] = self._bars.add_task(what, total=total)
        self._bars.update(task, completed=done, visible=done < total)


async def write_files(engine: AsyncEngine, runs: Sequence[DriftRun], html: Path | None, json: Path | None) -> None:
    """Write the pages and the metrics of the runs where they were asked for."""
    if html:
        async with engine.connect() as connection:
            pages = [await read_html(connection, one.run_id) for one in runs]
        for path, page in zip(_html_paths(html, runs), pages, strict=True):
            path.write_text(page, encoding="utf-8")
            typer.echo(f"wrote {path}", err=True)
    if json:
        write_json(json, runs)


def _html_paths(html: Path, runs: Sequence[DriftRun]) -> list[Path]:
    """Return where each run's page goes: `html` itself for one, `name-VERSION.html` for several."""
    if len(runs) == 1:
        return [html]
    return [html.with_stem(f"{html.stem}-{one.model_version}") for one in runs]
