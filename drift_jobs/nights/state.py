"""The state of a window: what is known before its rows are read, and decides whether it has to be judged."""

import datetime as dt
from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from drift_jobs.nights.golden import golden_of, prevailing
from drift_jobs.nights.plan import JudgingPlan
from drift_jobs.runs import DriftRun, MetricRow, is_alarm
from drift_jobs.storage.counts import input_state
from drift_jobs.storage.history import runs_on
from drift_jobs.storage.references import ChosenReference, choose_reference
from drift_jobs.storage.results import latest_run, latest_state
from drift_jobs.windows import Window, day_window
from sentiment_api.database.erasures import last_erased_product

_NIGHTS_BEFORE: Final = 2
"""Watch on two of three nights in the same direction is drift."""
_MILLISECOND: Final = dt.timedelta(milliseconds=1)
_PART: Final = "; "


class WindowState(msgspec.Struct, frozen=True, kw_only=True):
    """One window of one model version, as the database shows it at one moment.

    Two states are equal exactly when judging the window would start from the same, golden texts left out.
    """

    window: Window
    version: str
    reference: ChosenReference
    inputs: str
    """Changes with the window's rows and feedback, alarms of the nights before, the reference's rows and the bounds."""
    latest: DriftRun | None
    """The last revision of the run on this window."""
    latest_inputs: str | None
    """The `inputs` that the last revision was stored with."""
    erased_products: int
    """Changes when a product is erased: a run that names it must not be stored any more."""
    nights: tuple[DriftRun, ...]
    """The runs of the two nights before, if the window is a whole day."""

    @property
    def came_late(self) -> bool:
        """Return whether the window's own part changed since it was judged.

        False without a reference: what was said of the window stays, and is judged when the reference is back.
        """
        if self.latest_inputs is None or self.reference.lacking:
            return False
        return _own_part(self.latest_inputs) != _own_part(self.inputs)

    def still_holds(self, golden: MetricRow | None) -> bool:
        """Return whether judging again would start from the same as the last revision; `golden` is tonight's row.

        False where that revision had nothing to compare with: a missing file may be there by now, and no state tells.
        """
        if self.latest is None or not self.latest.n_reference:
            return False
        return golden_of(self.latest) == prevailing(golden, self.latest) and self.latest_inputs == self.inputs


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One window of one model version that is to be judged: the unit of work."""

    state: WindowState
    versions: int = 1
    """Model versions that are judged in the same night: each may use that part of the alarms."""
    golden: MetricRow | None = None
    """What the service said of the golden texts, when it was asked and serves this version."""

    @property
    def window(self) -> Window:
        """Return the window."""
        return self.state.window

    @property
    def version(self) -> str:
        """Return the model version."""
        return self.state.version


async def read_state(connection: AsyncConnection, plan: JudgingPlan, window: Window, version: str) -> WindowState:
    """Return the state of a window.

    `auto` may store the version's first traffic as its baseline; commit is the caller's.
    """
    chosen = await choose_reference(connection, plan.bundle, version, plan.reference, window, zone=plan.zone)
    nights = await _nights_before(connection, plan, window, version, chosen.name)
    rows_and_feedback = await input_state(connection, window, version)
    # Before the run: one stored in between has other inputs than these, and the window is judged again.
    latest_inputs = await latest_state(connection, window, version, chosen.name)
    return WindowState(
        window=window,
        version=version,
        reference=chosen,
        inputs=_inputs(plan, chosen, rows_and_feedback, nights),
        latest=await latest_run(connection, window, version, chosen.name),
        latest_inputs=latest_inputs,
        erased_products=await last_erased_product(connection),
        nights=tuple(nights),
    )


async def _nights_before(
    connection: AsyncConnection, plan: JudgingPlan, window: Window, version: str, reference: str
) -> list[DriftRun]:
    """Return the runs of the two nights before `window` that were judged; a night is one whole day of the shop.

    Windows of other lengths have no such rule, and do not count for it: two hours of one day are not two nights, and
    small days that were extended backwards hold the same rows as each other.
    """
    tonight = (window.end - _MILLISECOND).astimezone(plan.zone).date()
    if window != day_window(tonight, plan.zone):
        return []
    nights = [day_window(tonight - dt.timedelta(days=number + 1), plan.zone) for number in range(_NIGHTS_BEFORE)]
    return [run for run in await runs_on(connection, nights, version, reference) if run.verdict != "not_judged"]


def _inputs(plan: JudgingPlan, chosen: ChosenReference, rows_and_feedback: str, nights: Sequence[DriftRun]) -> str:
    alarms = [str(run.run_id) for run in nights if any(is_alarm(row.verdict) for row in run.metrics)]
    own = ", after ".join((rows_and_feedback, *alarms))
    bounds = f"{plan.min_rows} to {plan.sample} rows, {plan.quiet_windows} quiet windows"
    return _PART.join((own, f"reference {chosen.state}", bounds, f"segments {', '.join(plan.segment_keys)}"))


def _own_part(inputs: str) -> str:
    """Return what is said of the window itself: its rows, their feedback, and alarms of the nights before."""
    return inputs.partition(_PART)[0]
