"""What becomes of outcomes: a line for each as soon as it is there, and notices of alarms."""

import datetime as dt
import sys
import uuid
from collections.abc import AsyncIterator, Callable

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from drift_jobs.commands.failures import MENDABLE, failure_line
from drift_jobs.nights.notices import KEPT, due_notices, post_due
from drift_jobs.nights.plan import Failed, Outcome, StoredRun, Tell
from drift_jobs.reporting.console import run_line
from drift_jobs.reporting.notification import ATTEMPTS, NotificationFailed
from drift_jobs.settings import DriftSettings


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """Where a command says what it found."""

    say: Callable[[str], None]
    complain: Callable[[str], None]
    tell: Tell
    notify_url: str | None

    async def hear(self, engine: AsyncEngine, outcomes: AsyncIterator[Outcome]) -> list[Outcome]:
        """Return the outcomes after saying each as soon as it is there, and posting those that are alarms.

        Alarms of earlier runs that no receiver has taken are posted first, each tried once.
        """
        await self.post_late(engine)
        heard = []
        async for outcome in outcomes:
            self._say(outcome)
            if self.notify_url is not None and isinstance(outcome, StoredRun) and outcome.is_new:
                await self._post(engine, outcome.run.run_id, self.notify_url)
            heard.append(outcome)
        return heard

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


def output_to_terminal(settings: DriftSettings, tell: Tell) -> Output:
    """Return where a command that ends says what it found: runs on stdout, what cannot be judged on stderr."""
    return output_to(settings, _print, _print_error, tell)


# `typer.echo` would write past the bars of `Progress`, in the middle of their line.
def _print(line: str) -> None:
    print(line, flush=True)


def _print_error(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def output_to(
    settings: DriftSettings, say: Callable[[str], None], complain: Callable[[str], None], tell: Tell
) -> Output:
    """Return where a command says what it found."""
    url = settings.notify_url.get_secret_value() if settings.notify_url else None
    return Output(say=say, complain=complain, tell=tell, notify_url=url)
