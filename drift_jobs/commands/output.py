"""What becomes of outcomes: a line for each as soon as it is there, and a notice of new alarms."""

import sys
from collections.abc import AsyncIterator, Callable
from typing import Literal

import msgspec

from drift_jobs.commands.failures import failure_line
from drift_jobs.reporting.console import run_line
from drift_jobs.reporting.notification import NotificationFailed, is_at_least, is_graver, notify
from drift_jobs.runs import DriftRun
from drift_jobs.settings import DriftSettings
from drift_jobs.tasks import Failed, Judged, Outcome, Tell


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """Where a command says what it found."""

    say: Callable[[str], None]
    complain: Callable[[str], None]
    tell: Tell
    notify_url: str | None
    notify_on: Literal["watch", "drift"]

    async def hear(self, outcomes: AsyncIterator[Outcome]) -> list[Outcome]:
        """Return the outcomes after saying each as soon as it is there, and posting those that are new alarms."""
        heard = []
        async for outcome in outcomes:
            self._say(outcome)
            if self.notify_url is not None and isinstance(outcome, Judged) and is_news(outcome, self.notify_on):
                await self._notify(outcome.run, self.notify_url)
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

    async def _notify(self, run: DriftRun, url: str) -> None:
        try:
            await notify(run, url)
        except NotificationFailed as error:
            self.complain(str(error))


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
    return Output(say=say, complain=complain, tell=tell, notify_url=url, notify_on=settings.notify_on)


def is_news(outcome: Judged, least: Literal["watch", "drift"]) -> bool:
    """Return whether a run is at least so grave, and graver than the revision before it: an alarm is told once."""
    is_graver_now = outcome.is_new and is_graver(outcome.run.verdict, outcome.before)
    return is_graver_now and is_at_least(outcome.run.verdict, least)
