"""What goes over the wire: pydantic models in, msgspec Structs out.

Whatever these models accept, Postgres can store: no NUL and no lone surrogate in any string, numbers finite and of a
size that JSON readers share, times within the years of the calendar that both sides know.
"""

import datetime as dt
import math
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import msgspec
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import to_json

MAX_TEXT_CHARACTERS = 20_000
MAX_BATCH_ITEMS = 256
MAX_SINGLE_BYTES = 1 << 20
MAX_BATCH_BYTES = 8 << 20
MAX_METADATA_KEYS = 32
MAX_METADATA_BYTES = 4096
MAX_PAGE = 200
_LARGEST_INTEGER = 2**53  # beyond it JSON readers with doubles disagree about the number
_YEARS = (1970, 2100)
_DATE_AND_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]")
_PLUS_LOST = re.compile(r"(.*\d) (\d{2}:\d{2})")


def _storable(text: str) -> str:
    """Postgres stores every string but these."""
    if "\x00" in text:
        raise ValueError("must not contain the character NUL (U+0000)")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must not contain lone surrogates (U+D800 to U+DFFF)")
    return text


def _written_as_date(timestamp: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Insist on a date: pydantic takes numbers, and strings of digits, for Unix time."""
    if not isinstance(timestamp, str) or not _DATE_AND_TIME.match(timestamp):
        raise ValueError("must be a time as in RFC 3339, such as 2026-11-01T09:30:00+01:00")
    return timestamp


def _with_plus(timestamp: Any) -> Any:  # noqa: ANN401 - any value of a query
    """Put back the plus of an offset: in a query it stands for a blank, unless the client has encoded it."""
    lost = _PLUS_LOST.fullmatch(timestamp) if isinstance(timestamp, str) else None
    return f"{lost[1]}+{lost[2]}" if lost else timestamp


def _known_year(moment: dt.datetime) -> dt.datetime:
    if not _YEARS[0] <= moment.year <= _YEARS[1]:
        raise ValueError(f"must lie in the years {_YEARS[0]} to {_YEARS[1]}")
    return moment


def _storable_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    for key, value in metadata.items():
        _storable(key)
        if isinstance(value, str):
            _storable(value)
        elif isinstance(value, float) and not math.isfinite(value):
            raise ValueError("numbers must be finite")
        elif isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
            raise ValueError("integers must lie within 2**53 of zero")
        elif not isinstance(value, int | float | None):
            raise ValueError("values must be strings, numbers, booleans or null")
    if len(to_json(metadata)) > MAX_METADATA_BYTES:
        raise ValueError(f"must be at most {MAX_METADATA_BYTES} bytes as JSON")
    return metadata


Storable = AfterValidator(_storable)
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TEXT_CHARACTERS), Storable]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=200), Storable]
# Lax behind the check for a string: a strict validator would take only what Python calls a datetime there.
Timestamp = Annotated[
    AwareDatetime, Field(strict=False), BeforeValidator(_written_as_date), AfterValidator(_known_year)
]
QueryTime = Annotated[Timestamp, BeforeValidator(_with_plus)]
Metadata = Annotated[dict[str, Any], Field(max_length=MAX_METADATA_KEYS), AfterValidator(_storable_metadata)]


class _Request(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class PredictRequest(_Request):
    """One review."""

    text: Text = Field(description="The review, 1 to 20,000 characters after stripping.")
    product_id: ShortText | None = None
    timestamp: Timestamp | None = Field(default=None, description="When the review was written, with an offset.")
    metadata: Metadata | None = Field(default=None, description="Up to 32 scalar values, kept with the prediction.")
    long_text: Literal["truncate", "window"] = Field(
        default="truncate",
        description="What becomes of a text with more tokens than the model reads: `truncate` reads its beginning and "
        "says so, `window` reads all of it in overlapping windows and costs as much as they do.",
    )


class BatchRequest(_Request):
    """Several reviews. Each item is checked on its own, as a `PredictRequest`: one bad item fails alone.

    A lone surrogate is the exception: it fails the whole body, as the body is then no text.
    """

    items: list[Any] = Field(min_length=1, max_length=MAX_BATCH_ITEMS)


class DocumentedBatchRequest(_Request):
    """What OpenAPI shows for a `BatchRequest`: the items as they must be to be answered, each on its own."""

    items: list[PredictRequest] = Field(min_length=1, max_length=MAX_BATCH_ITEMS)


class FeedbackRequest(_Request):
    """What the customer said of the product in the end: the stars, the label, or both."""

    prediction_id: UUID
    rating: int | None = Field(default=None, ge=1, le=5, description="The stars, 1 to 5.")
    label: ShortText | None = Field(default=None, description="One of the model's labels, which GET /model lists.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.rating is None and self.label is None:
            raise ValueError("expected a rating, a label or both")
        return self


class PredictionsQuery(_Request):
    """Which logged predictions, and how many at once."""

    product_id: ShortText | None = None
    label: ShortText | None = Field(default=None, description="The label that the model gave.")
    source: Literal["api", "hf", "v2", "console", "golden", "bench"] | None = Field(
        default=None, description="Where they came from; by default all that customers sent: api, hf and v2."
    )
    from_: QueryTime | None = Field(
        default=None, alias="from", description="Predictions made at this time or later, as in RFC 3339, with offset."
    )
    to: QueryTime | None = Field(default=None, description="Predictions made before this time.")
    cursor: UUID | None = Field(default=None, description="`next` of the page before.")
    limit: int = Field(default=50, ge=1, le=MAX_PAGE)


class DriftReportsQuery(_Request):
    """Which drift reports, and how many at once."""

    model_version: ShortText | None = Field(default=None, description="Only those on this version of the model.")
    before: UUID | None = Field(default=None, description="`next` of the page before.")
    limit: int = Field(default=20, ge=1, le=MAX_PAGE)


class ModelName(msgspec.Struct, frozen=True):
    """Which model gave an answer."""

    name: str
    version: str


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


class FieldProblem(msgspec.Struct, frozen=True):
    """One field that failed."""

    path: str
    message: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str = ""
    errors: list[FieldProblem] = []


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


class ShadowHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How the shadow model does, which answers nobody and on which readiness does not hang."""

    state: str
    """`loading`, `ready`, `disabled` when it failed and was given up until the next start, or `stopped`."""
    name: str | None
    """Null until it is loaded, as its version."""
    version: str | None
    share: float
    """Of customers' predictions that it is to score."""
    waiting: int
    """Texts that wait for it."""
    reason: str | None
    """Why it is disabled."""


class ModelReply(msgspec.Struct, frozen=True):
    """The model that serves, and what it takes."""

    name: str
    version: str
    labels: list[str]
    engine: str
    max_tokens: int
    limits: dict[str, int]
    training: dict[str, Any]
    """When it was made, from which base and data, and its main figures; the bundle's own record has more."""
    shadow: ShadowHealth | None
    """The model that scores beside it for comparison; null without one."""


class LogHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How the prediction log does. Counts are records since the start of the process."""

    spool_bytes: int
    lag_s: float | None
    """Age of the oldest record that Postgres does not hold; null while the spool cannot be read."""
    database: str
    """`up`, `away`, `refuses` when it answers and will not store, or `unknown` before the first attempt."""
    spooled: int
    shipped: int
    retries: int
    """Attempts to ship that failed and were, or will be, made again."""
    set_aside: int
    """Refused by Postgres as data; `sentiment-api set-aside list` shows what waits."""
    left_out: int
    """Erased while they were spooled, or older than what is kept."""
    dropped: int
    """Lost because the spool was full; only with SENTIMENT_SPOOL_FULL=drop_oldest."""
    newer: int
    """Waiting for a newer release, which wrote them."""
    last_error: str | None
    """The SQLSTATE or the kind of the last failure to ship."""


class HealthReply(msgspec.Struct, frozen=True):
    """Whether the process can answer predictions."""

    status: str
    prediction_log: LogHealth | None = None
    shadow: ShadowHealth | None = None
    """Null without a shadow model."""
