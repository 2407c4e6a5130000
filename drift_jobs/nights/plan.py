"""What is to be judged, by what, and what became of it: the words between the commands, the nights and the jobs."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

import msgspec

from drift_jobs.judging.calibration import QUIET_WINDOWS
from drift_jobs.runs import DriftRun, Level, MetricRow
from drift_jobs.storage.references import WantedReference
from drift_jobs.windows import Window
from sentiment_api.model.bundle import Bundle

Tell = Callable[[str, int, int], None]
"""Hears how far a long step has come: what it is, how much of it is done, and how much there is."""


class JudgingPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How windows are judged: the same for all windows of a command."""

    bundle: Bundle
    reference: WantedReference
    zone: ZoneInfo
    """The shop's."""
    min_rows: int
    """With fewer rows on either side nothing is judged."""
    sample: int
    """Of larger windows so many rows are judged."""
    quiet_windows: int = QUIET_WINDOWS
    """How many a calibration draws."""
    segment_keys: tuple[str, ...] = ()
    """Keys of the metadata whose values are segments, beside the products."""
    notify_on: Level | None = None
    """The least verdict of which a notice is due; None when nobody is to be told."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One window of one model version: the unit of work."""

    window: Window
    version: str
    versions: int = 1
    """Model versions that are judged in the same night: each may use that part of the alarms."""
    golden: MetricRow | None = None
    """What the service said of the golden texts, when it was asked and serves this version."""


class StoredRun(msgspec.Struct, frozen=True):
    """A run that is stored now."""

    run: DriftRun
    is_new: bool
    """False when it was there before, and judging the window again gave the same."""
    before: Level | None = None
    """The verdict of the revision before it."""
    is_late: bool = False
    """Whether it is of an earlier night, whose rows or feedback came late."""


class Failed(msgspec.Struct, frozen=True):
    """A task that could not be done. The others went on."""

    window: Window
    version: str
    error: Exception
    is_late: bool = False


Outcome = StoredRun | Failed
