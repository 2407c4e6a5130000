"""What the cells of ratings and times mean."""

import datetime as dt

import polars as pl
import pytest

from sentiment_api.review_files.values import TimestampParser, parse_ratings

_MOMENT = dt.datetime(2024, 1, 5, 10, 30, tzinfo=dt.UTC)


def test_only_whole_ratings_from_1_to_5_are_ratings() -> None:
    """Numbers with a fraction of 0 count as whole; blanks around them are no fault."""
    cells = pl.Series(["5", " 4.0 ", "1e0", "4.5", "0", "6", "five", "", None])
    assert parse_ratings(cells).to_list() == [5, 4, 1, *[None] * 6]


@pytest.mark.parametrize(
    ("number", "unit"),
    [
        ("1704450600", "seconds"),
        ("1704450600.0", "seconds"),
        ("1704450600000", "milliseconds"),
        ("1704450600000000", "microseconds"),
        ("1704450600000000000", "nanoseconds"),
        ("2024-01-05T10:30", "ISO 8601"),
        (" ", None),
        ("0", None),
        ("20240105103000", None),
        ("17044506", None),
        ("1850-01-05", None),
        ("yesterday", None),
    ],
)
def test_the_length_of_a_number_tells_its_unit(number: str, unit: str | None) -> None:
    """Seconds to nanoseconds since 1970 are told by magnitude; numbers between them and far years are no times."""
    timestamps = TimestampParser()
    assert timestamps.parse(pl.Series([number])).to_list() == [_MOMENT if unit else None]
    assert timestamps.units - {"ISO 8601"} == {unit} - {None, "ISO 8601"}
