"""What the drift job found, as clients ask for it."""

import datetime as dt
from typing import Any, Literal
from uuid import UUID

import msgspec
from pydantic import Field

from sentiment_api.schemas.fields import ShortText, StrictRequest
from sentiment_api.schemas.limits import MAX_PAGE
from sentiment_api.schemas.service import ModelName

Level = Literal["none", "watch", "drift", "not_judged"]


class DriftReportsQuery(StrictRequest):
    """Which drift reports, and how many at once."""

    model_version: ShortText | None = Field(default=None, description="Only those on this version of the model.")
    before: UUID | None = Field(default=None, description="`next` of the page before.")
    limit: int = Field(default=20, ge=1, le=MAX_PAGE, description="The most that a page holds.")


class DriftMetric(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of a drift run. What could not be computed is null."""

    metric: str
    segment: str
    """Empty for the whole window, else `KEY:VALUE`, such as `product:B0042`."""
    family: str
    """`inputs`, `predictions`, `accuracy`, `estimates` or `model`."""
    value: float | None
    """In the current window."""
    lower: float | None
    """Of the 95 % interval of the value."""
    upper: float | None
    reference_value: float | None
    effect: float | None
    """What is compared with the floor."""
    p_value: float | None
    adjusted_p: float | None
    floor: float | None
    threshold: float | None
    detectable: float | None
    """The smallest effect that 8 of 10 such windows would have shown."""
    direction: Literal["up", "down", "none"]
    verdict: Level
    n: int
    """Rows of the current window that the metric could use."""
    note: str


class DriftReportSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the drift job: what it judged, and the verdict."""

    run_id: UUID
    revision: int
    """1, then one more each time that the window was judged again."""
    window_start: dt.datetime
    window_end: dt.datetime
    """Exclusive."""
    reference: str
    model: ModelName
    started_at: dt.datetime
    finished_at: dt.datetime
    n_current: int
    n_reference: int
    verdict: Level
    reason: str
    """One line, for a person."""
    page: str | None
    """The path of the report that people look at; null when it was removed."""


class DriftReport(DriftReportSummary, frozen=True, kw_only=True):
    """One run of the drift job with everything that it found."""

    details: dict[str, Any]
    """The back-test, label coverage and causes, as the job stores them: each may be absent."""
    metrics: list[DriftMetric]
    """Those of the whole window first, then segment by segment."""


class DriftReportPage(msgspec.Struct, frozen=True):
    """Drift runs without their metrics, the latest window first, of each what was judged last first."""

    reports: list[DriftReportSummary]
    next: UUID | None
    """What `before` is for the page that follows, null on the last one."""
