"""From the settings of a command to how it judges."""

from drift_jobs.nights.plan import JudgingPlan
from drift_jobs.settings import DriftSettings
from drift_jobs.storage.references import parse_reference
from drift_jobs.windows import time_zone
from sentiment_api.model.bundle import open_bundle


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
