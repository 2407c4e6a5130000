"""The field types of requests, and the strict base class of their models.

Postgres can store whatever these accept: strings without NUL and lone surrogates, finite numbers that all JSON readers
read alike, and times in years that both sides support.
"""

import datetime as dt
import math
import re
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import to_json

from sentiment_api.schemas.limits import MAX_METADATA_BYTES, MAX_METADATA_KEYS, MAX_TEXT_CHARACTERS

_LARGEST_INTEGER = 2**53  # beyond it JSON readers with doubles disagree about the number
_YEARS = (1970, 2100)
_DATE_AND_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]")
_PLUS_LOST = re.compile(r"(.*\d) (\d{2}:\d{2})")


def _storable(text: str) -> str:
    """Refuse the only characters that Postgres cannot store."""
    if "\x00" in text:
        raise ValueError("must not contain the character NUL (U+0000)")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must not contain lone surrogates (U+D800 to U+DFFF)")
    return text


def _written_as_date(timestamp: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Require a date: pydantic reads numbers, and strings of digits, as Unix time."""
    if not isinstance(timestamp, str) or not _DATE_AND_TIME.match(timestamp):
        raise ValueError("must be a time as in RFC 3339, such as 2026-11-01T09:30:00+01:00")
    return timestamp


def _with_plus(timestamp: Any) -> Any:  # noqa: ANN401 - any value of a query
    """Restore the plus of an offset: in a query, an unencoded plus is a blank."""
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
# Not strict, since the value was checked to be a string: a strict validator would accept only a Python datetime.
Timestamp = Annotated[
    AwareDatetime, Field(strict=False), BeforeValidator(_written_as_date), AfterValidator(_known_year)
]
QueryTime = Annotated[Timestamp, BeforeValidator(_with_plus)]
Metadata = Annotated[dict[str, Any], Field(max_length=MAX_METADATA_KEYS), AfterValidator(_storable_metadata)]


class StrictRequest(BaseModel):
    """A request with the fields of its model and no others, without conversion of types or input in errors."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)
