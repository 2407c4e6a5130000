"""How a command's windows are judged: one frozen plan, made from its settings."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

import msgspec

from drift_jobs.judging.calibration import QUIET_WINDOWS
from drift_jobs.runs import Level
from drift_jobs.settings import DriftSettings
from drift_jobs.storage.references import WantedReference, parse_reference
from drift_jobs.windows import time_zone
from sentiment_api.model.bundle import Bundle, open_bundle

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


def plan_of(settings: DriftSettings, reference: str) -> JudgingPlan:
    """Return how windows are judged.

    Raises:
        DriftError, OperatorError: the reference, the time zone or the bundle cannot be read.
    """
    zone = time_zone(settings.timezone)
    return JudgingPlan(
        bundle=open_bundle(settings.model),
        reference=parse_reference(reference, zone),
        zone=zone,
        min_rows=settings.drift_min_rows,
        sample=settings.drift_sample,
        quiet_windows=settings.drift_quiet_windows,
        segment_keys=settings.drift_segment_keys,
        notify_on=settings.notify_on if settings.notify_url else None,
    )
