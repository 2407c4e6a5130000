"""What customers said in the end."""

import datetime as dt
from typing import Self
from uuid import UUID

import msgspec
from pydantic import Field, model_validator

from sentiment_api.schemas.fields import ShortText, StrictRequest


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
