"""Predictions: of one review and of many, feedback on them, and what was logged about them."""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal, Self
from uuid import UUID

import msgspec
from pydantic import Field, model_validator

from sentiment_api.database.tables import CUSTOMER_SOURCES, Source
from sentiment_api.schemas.fields import Metadata, QueryTime, ShortText, StrictRequest, Text, Timestamp
from sentiment_api.schemas.limits import MAX_BATCH_ITEMS, MAX_METADATA_KEYS, MAX_PAGE, MAX_TEXT_CHARACTERS
from sentiment_api.schemas.problems import Problem
from sentiment_api.schemas.service import ModelName


class PredictRequest(StrictRequest):
    """One review."""

    text: Text = Field(
        description=f"The review, 1 to {MAX_TEXT_CHARACTERS:,} characters after stripping.",
        examples=["Broke after two days."],
    )
    product_id: ShortText | None = Field(default=None, description="Of the reviewed product.", examples=["B0042"])
    timestamp: Timestamp | None = Field(
        default=None,
        description="When the review was written, with an offset.",
        examples=["2026-11-21T09:30:00+01:00"],
    )
    metadata: Metadata | None = Field(
        default=None,
        description=f"Up to {MAX_METADATA_KEYS} scalar values, kept with the prediction.",
        examples=[{"shop": "de"}],
    )
    long_text: Literal["truncate", "window"] = Field(
        default="truncate",
        description="What becomes of a text with more tokens than the model reads: `truncate` reads its beginning and "
        "says so, `window` reads all of it in overlapping windows and costs as much as they do.",
    )


class BatchRequest(StrictRequest):
    """Several reviews. Each item is checked on its own, as a `PredictRequest`: one bad item fails alone.

    A lone surrogate is the exception: it fails the whole body, as the body is then no text.
    """

    items: list[Any] = Field(min_length=1, max_length=MAX_BATCH_ITEMS)


class DocumentedBatchRequest(StrictRequest):
    """What OpenAPI shows for a `BatchRequest`: the items as they must be to be answered, each on its own."""

    items: list[PredictRequest] = Field(min_length=1, max_length=MAX_BATCH_ITEMS)


class FeedbackRequest(StrictRequest):
    """What the customer said of the product in the end: the stars, the label, or both."""

    prediction_id: UUID = Field(
        description="Of the prediction, as its reply had it.", examples=["019ac8b2-7c00-7000-8000-000000000002"]
    )
    rating: int | None = Field(default=None, ge=1, le=5, description="The stars, 1 to 5.", examples=[1])
    label: ShortText | None = Field(
        default=None, description="One of the model's labels, which GET /model lists.", examples=["negative"]
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.rating is None and self.label is None:
            raise ValueError("expected a rating, a label or both")
        return self


class PredictionsQuery(StrictRequest):
    """Which logged predictions, and how many at once."""

    product_id: ShortText | None = Field(default=None, description="Only those of this product.")
    label: ShortText | None = Field(default=None, description="The label that the model gave.")
    source: Source | None = Field(
        default=None,
        description=f"Where they came from; by default all that customers sent: {', '.join(CUSTOMER_SOURCES)}.",
    )
    from_: QueryTime | None = Field(
        default=None, alias="from", description="Predictions made at this time or later, as in RFC 3339, with offset."
    )
    to: QueryTime | None = Field(default=None, description="Predictions made before this time.")
    cursor: UUID | None = Field(default=None, description="`next` of the page before.")
    limit: int = Field(default=50, ge=1, le=MAX_PAGE, description="The most that a page holds.")


class Prediction(msgspec.Struct, frozen=True):
    """The sentiment of one review."""

    prediction_id: UUID
    label: str
    score: float
    """Calibrated probability of the label, 0 to 1."""
    probabilities: dict[str, float]
    model: ModelName
    tokens: int
    """Tokens that the model read."""
    truncated: bool
    """Whether the review was longer than the model reads."""


class ItemProblem(msgspec.Struct, frozen=True):
    """Why one item of a batch has no prediction."""

    error: Problem


# No Struct: msgspec cannot describe a union of Structs for OpenAPI, and a tag would be a field on the wire.
@dataclass(frozen=True)
class BatchReply:
    """For each item, in order, a prediction or an error."""

    results: list[Prediction | ItemProblem]


class FeedbackReply(msgspec.Struct, frozen=True):
    """What became of the feedback."""

    prediction_id: UUID
    state: str
    """`stored` when Postgres holds the prediction, `pending` while it may still arrive."""


class Feedback(msgspec.Struct, frozen=True):
    """Feedback as it is kept."""

    received_at: dt.datetime
    rating: int | None
    label: str | None


class LoggedPrediction(msgspec.Struct, frozen=True, kw_only=True):
    """What was logged about one prediction."""

    state: str
    """`stored` in Postgres, or still `spooled`."""
    prediction_id: UUID
    created_at: dt.datetime
    source: str
    product_id: str | None
    timestamp: dt.datetime | None
    text: str | None
    metadata: dict[str, Any] | None
    label: str
    score: float
    probabilities: dict[str, float]
    tokens: int
    truncated: bool
    model: ModelName
    latency_ms: float
    feedback: Feedback | None


class PredictionPage(msgspec.Struct, frozen=True):
    """Logged predictions that Postgres holds, newest first."""

    predictions: list[LoggedPrediction]
    next: UUID | None
    """The cursor of the page that follows, null on the last one."""
