"""What the spool holds, as msgpack: records of predictions, feedback and shadow answers, and their rows in Postgres.

Each kind keeps the number of the format that it came with: a release leaves what is newer than it knows alone.
"""

import datetime as dt
from typing import Any
from uuid import UUID

import msgspec

from sentiment_api.database.partitions import created_at
from sentiment_api.errors import RecordNewer

RECORD_FORMAT = 2
"""The newest that this release knows. 1: predictions and feedback; 2: shadow answers, too."""


class PredictionRecord(msgspec.Struct, frozen=True, kw_only=True, tag="prediction"):
    """Everything that is kept about one prediction."""

    format: int = 1
    prediction_id: UUID
    request_id: str
    idempotency_key: str | None
    source: str
    api_key_name: str | None
    product_id: str | None
    event_timestamp: dt.datetime | None
    text: str | None
    text_hash: bytes
    metadata: dict[str, Any] | None
    descriptors: dict[str, Any]
    descriptors_version: int
    tokens: int
    truncated: bool
    logits: list[float]
    label: str
    score: float
    probabilities: dict[str, float]
    embedding: list[float]
    model_name: str
    model_version: str
    engine: str
    latency_ms: float

    def row(self) -> dict[str, Any]:
        """Return the values of the row in `predictions`, by column."""
        return {
            **{name: getattr(self, name) for name in self.__struct_fields__ if name != "format"},
            "created_at": created_at(self.prediction_id),
            "metadata": None if self.metadata is None else _json(self.metadata),
            "descriptors": _json(self.descriptors),
            "probabilities": _json(self.probabilities),
        }


class FeedbackRecord(msgspec.Struct, frozen=True, kw_only=True, tag="feedback"):
    """Everything that is kept about one feedback."""

    format: int = 1
    feedback_id: UUID
    prediction_id: UUID
    rating: int | None
    label: str | None
    request_id: str

    def row(self) -> dict[str, Any]:
        """Return the values of the row in `feedback`, by column."""
        return {
            **{name: getattr(self, name) for name in self.__struct_fields__ if name != "format"},
            "received_at": created_at(self.feedback_id),
        }


class ShadowRecord(msgspec.Struct, frozen=True, kw_only=True, tag="shadow"):
    """What a shadow model says of a text that was predicted. The text is the prediction's to keep, or not."""

    format: int = 2
    prediction_id: UUID
    model_name: str
    model_version: str
    engine: str
    logits: list[float]
    label: str
    score: float
    probabilities: dict[str, float]
    latency_ms: float
    processor_ms: float

    def row(self) -> dict[str, Any]:
        """Return the values of the row in `shadow_predictions`, by column."""
        return {
            **{name: getattr(self, name) for name in self.__struct_fields__ if name != "format"},
            "created_at": created_at(self.prediction_id),
            "probabilities": _json(self.probabilities),
        }


Record = PredictionRecord | FeedbackRecord | ShadowRecord


def kind_of(record: Record) -> str:
    """Return `prediction`, `feedback` or `shadow`."""
    return str(record.__struct_config__.tag)


class _Format(msgspec.Struct):
    """What every record of every release has."""

    format: int


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)
_format_decoder = msgspec.msgpack.Decoder(_Format)


def encode(record: Record) -> bytes:
    """Return the record as msgpack."""
    return _encoder.encode(record)


def decode(payload: bytes) -> Record:
    """Return the record that `encode` wrote, in this release or an older one.

    Raises:
        RecordNewer: a newer release wrote it.
        msgspec.DecodeError: the bytes are no record.
    """
    try:
        record = _decoder.decode(payload)
    except msgspec.DecodeError as error:
        raise _reason(payload) or error from None
    if record.format > RECORD_FORMAT:
        raise _newer(record.format)
    return record


def _reason(payload: bytes) -> RecordNewer | None:
    """Return why a payload cannot be decoded, if that is because it is newer."""
    try:
        found = _format_decoder.decode(payload).format
    except msgspec.DecodeError:
        return None
    return _newer(found) if found > RECORD_FORMAT else None


def _newer(found: int) -> RecordNewer:
    return RecordNewer(f"expected a record of format {RECORD_FORMAT} or older, found {found}")


def _json(value: dict[str, Any]) -> str:
    return msgspec.json.encode(value).decode()
