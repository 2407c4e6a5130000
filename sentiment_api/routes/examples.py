"""The replies that OpenAPI shows as examples. All of them are made up."""

import datetime as dt
from typing import Any, Final
from uuid import UUID

from sentiment_api.schemas.drift import DriftMetric, DriftReport, DriftReportPage, DriftReportSummary
from sentiment_api.schemas.limits import LIMITS
from sentiment_api.schemas.predictions import (
    BatchReply,
    Feedback,
    FeedbackReply,
    ItemProblem,
    LoggedPrediction,
    Prediction,
    PredictionPage,
)
from sentiment_api.schemas.problems import FieldProblem, Problem
from sentiment_api.schemas.service import HealthReply, LogHealth, ModelName, ModelReply

_MODEL: Final = ModelName("starter", "0123456789ab")
_PREDICTION_ID: Final = UUID("019ac8b2-7c00-7000-8000-000000000002")
_ANSWER: Final[dict[str, Any]] = {
    "prediction_id": _PREDICTION_ID,
    "label": "negative",
    "score": 0.97,
    "probabilities": {"negative": 0.97, "positive": 0.03},
    "model": _MODEL,
    "tokens": 11,
    "truncated": False,
}
PREDICTION: Final = Prediction(**_ANSWER)
BATCH: Final = BatchReply(
    [
        PREDICTION,
        ItemProblem(
            Problem(
                "/problems/invalid",
                "The request does not match the schema",
                422,
                "The request does not match the schema; see errors.",
                errors=[FieldProblem("items[1].text", "String should have at least 1 character")],
            )
        ),
    ]
)
LOGGED: Final = LoggedPrediction(
    **_ANSWER,
    state="stored",
    created_at=dt.datetime(2026, 11, 21, 9, 30, 2, tzinfo=dt.UTC),
    source="api",
    product_id="B0042",
    timestamp=dt.datetime(2026, 11, 21, 9, 30, tzinfo=dt.UTC),
    text="Broke after two days.",
    metadata={"shop": "de"},
    latency_ms=4.2,
    feedback=Feedback(dt.datetime(2026, 11, 23, 8, 0, tzinfo=dt.UTC), 1, "negative"),
)
PAGE: Final = PredictionPage([LOGGED], None)
FEEDBACK_STORED: Final = FeedbackReply(_PREDICTION_ID, "stored")
FEEDBACK_PENDING: Final = FeedbackReply(_PREDICTION_ID, "pending")
MODEL: Final = ModelReply(
    name=_MODEL.name,
    version=_MODEL.version,
    labels=["negative", "positive"],
    engine="cpu",
    max_tokens=512,
    limits=LIMITS,
    training={
        "created_at": "2026-10-01T12:00:00+00:00",
        "base": "models/starter",
        "data_hash": "72329c7fdc2091a3187191b16e30d60e4ccd12be10dcc9a680ff32cd8020b596",
        "rows": {"train": 17183, "validation": 1587},
        "metrics": {"all": {"n": 5991, "accuracy": 0.956, "macro_f1": 0.923}},
    },
    shadow=None,
)
LIVE: Final = HealthReply("live")
STOPPED: Final = HealthReply("engine stopped")
_LOG: Final = LogHealth(
    spool_bytes=0,
    lag_s=0.0,
    database="up",
    reason=None,
    defect=None,
    spooled=2150,
    shipped=2150,
    retries=0,
    set_aside=0,
    left_out=0,
    dropped=0,
    newer=0,
    last_error=None,
)
READY: Final = HealthReply("ready", _LOG)
DRAINING: Final = HealthReply("draining", _LOG)
_RUN_ID: Final = UUID("019ac8b2-7c00-7000-8000-000000000001")
_RUN: Final[dict[str, Any]] = {
    "run_id": _RUN_ID,
    "revision": 2,
    "window_start": dt.datetime(2026, 11, 21, tzinfo=dt.UTC),
    "window_end": dt.datetime(2026, 11, 22, tzinfo=dt.UTC),
    "reference": "baseline:2026-10-01T00:00:00Z..2026-10-29T00:00:00Z",
    "model": _MODEL,
    "started_at": dt.datetime(2026, 11, 23, 2, 0, 0, tzinfo=dt.UTC),
    "finished_at": dt.datetime(2026, 11, 23, 2, 0, 14, tzinfo=dt.UTC),
    "n_current": 2150,
    "n_reference": 31400,
    "verdict": "watch",
    "reason": "1 of 15 tests found a change: label_share down (effect 0.07, floor 0.05)",
    "page": f"/drift/reports/{_RUN_ID}.html",
}
_METRIC: Final = DriftMetric(
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
DRIFT_REPORT: Final = DriftReport(
    **_RUN,
    details={"alarming": True, "timezone": "UTC", "coverage": [{"days": 1, "rows": 2150, "labelled": 301}]},
    metrics=[_METRIC],
)
DRIFT_REPORTS: Final = DriftReportPage([DriftReportSummary(**_RUN)], None)
