"""What a calibration asks of its reference."""

from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from drift_jobs.errors import ReferenceUnavailable
from drift_jobs.floors import calibration_for
from drift_jobs.storage.bundle_reference import bundle_frame
from drift_jobs.storage.references import Resolved, Written
from drift_jobs.tasks import Plan
from sentiment_api.bundle import Bundle


@pytest.mark.anyio
async def test_a_reference_without_rows_is_refused(engine: AsyncEngine, bundle: Bundle) -> None:
    """A file that holds no rows is told in words, and nothing is drawn from it."""
    plan = Plan(bundle=bundle, reference=Written("bundle"), zone=ZoneInfo("UTC"), min_rows=100, sample=10_000)
    empty = Resolved(name="bundle", state="abc", frame=bundle_frame(bundle).iloc[:0])
    with pytest.raises(ReferenceUnavailable, match="expected rows in the reference bundle, found none"):
        await calibration_for(engine, plan, bundle.manifest.version, empty, 100, lambda *_: None)
