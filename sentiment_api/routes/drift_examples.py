"""What OpenAPI shows as examples of the drift job's results. All of it is made up."""

import datetime as dt
from typing import Any
from uuid import UUID

import msgspec
from litestar.openapi.spec import Example

from sentiment_api.schemas.drift import DriftMetric, DriftReport, DriftReportPage, DriftReportSummary
from sentiment_api.schemas.service import ModelName

_RUN = UUID("019ac8b2-7c00-7000-8000-000000000001")
_FACTS: dict[str, Any] = {
    "run_id": _RUN,
    "revision": 2,
    "window_start": dt.datetime(2026, 11, 21, tzinfo=dt.UTC),
    "window_end": dt.datetime(2026, 11, 22, tzinfo=dt.UTC),
    "reference": "baseline:2026-10-01T00:00:00Z..2026-10-29T00:00:00Z",
    "model": ModelName("starter", "0123456789ab"),
    "started_at": dt.datetime(2026, 11, 23, 2, 0, 0, tzinfo=dt.UTC),
    "finished_at": dt.datetime(2026, 11, 23, 2, 0, 14, tzinfo=dt.UTC),
    "n_current": 2150,
    "n_reference": 31400,
    "verdict": "watch",
    "reason": "1 of 15 tests found a change: label_share down (effect 0.07, floor 0.05)",
    "page": f"/drift/reports/{_RUN}.html",
}
_METRIC = DriftMetric(
    metric="label_share",
    segment="",
    family="predictions",
    value=0.71,
    lower=None,
    upper=None,
    reference_value=0.78,
    effect=0.07,
    p_value=0.0004,
    adjusted_p=0.021,
    floor=0.05,
    threshold=0.03,
    detectable=0.061,
    direction="down",
    verdict="watch",
    n=2150,
    note="",
)
_DETAILS = {"alarming": True, "timezone": "UTC", "coverage": [{"days": 1, "rows": 2150, "labelled": 301}]}

REPORT = Example(value=msgspec.to_builtins(DriftReport(**_FACTS, details=_DETAILS, metrics=[_METRIC])))
LIST = Example(value=msgspec.to_builtins(DriftReportPage([DriftReportSummary(**_FACTS)], None)))
