"""What the cells of a ratings file mean: whole ratings from 1 to 5 and moments in UTC, or a refusal."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.formats import ReviewFile
from sentiment_api.review_files.libraries import pl
from sentiment_api.review_files.row_batches import RowBatch

_UTC = pl.Datetime("us", "UTC")
_UNITS = {"seconds": 1_000_000, "milliseconds": 1_000, "microseconds": 1, "nanoseconds": 0.001}
"""Microseconds in each unit of time."""
_DIGITS = {"seconds": (9, 10), "milliseconds": (12, 13), "microseconds": (15, 16), "nanoseconds": (18, 19)}
"""By unit, how long numbers of it are from 1973 (1970 for the shorter) to 2286; the ranges do not meet."""
_NUMBER = r"^-?\d{9,}(\.\d*)?$"
_EARLIEST, _LATEST = dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime(2101, 1, 1, tzinfo=dt.UTC)
_NO_TIME = ("", "0", "0.0")


class TimestampParser:
    """Parses the timestamps of one file: all of its numbers are of one unit."""

    def __init__(self) -> None:
        self.units: set[str] = set()
        """What was seen: units of time, `ISO 8601`, `date type`."""

    @property
    def has_mixed_units(self) -> bool:
        """Whether numbers of several units were seen: 1378252800 beside 1378252800000 is not to be trusted."""
        return len(self.units & _UNITS.keys()) > 1

    def parse(self, values: pl.Series) -> pl.Series:
        """Return the moments, UTC, to the microsecond; null where there is none or where it cannot be read.

        Texts are numbers of a unit that their length tells, or ISO 8601, UTC where they have no offset.
        """
        if values.dtype.is_temporal():
            self.units.add("date type")
            return _within(values.cast(_UTC))
        numbers = values.filter(values.str.contains(_NUMBER).fill_null(value=False))
        if len(numbers) == 0:
            return _within(self._written(values))
        if len(numbers) == len(values):
            return _within(self._counted(values))
        is_number = values.str.contains(_NUMBER)
        frame = pl.DataFrame({"counted": self._counted(values), "written": self._written(values), "is": is_number})
        return _within(frame.select(pl.when("is").then("counted").otherwise("written").alias("timestamp")).to_series())

    def _counted(self, values: pl.Series) -> pl.Series:
        whole = values.str.strip_chars_start("-").str.replace(r"\..*$", "")
        length = whole.str.len_bytes()
        numbers = values.cast(pl.Float64, strict=False)
        micros = pl.Series("timestamp", [None], dtype=pl.Int64).new_from_index(0, len(values))
        for unit, digits in _DIGITS.items():
            is_unit = length.is_in(digits)
            if is_unit.any():
                self.units.add(unit)
                micros = micros.zip_with(
                    ~is_unit.fill_null(value=False), (numbers * _UNITS[unit]).cast(pl.Int64, strict=False)
                )
        return micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")

    def _written(self, values: pl.Series) -> pl.Series:
        moments = pl.Series("timestamp", [_moment(text) for text in values], dtype=_UTC)
        if moments.null_count() < len(moments):
            self.units.add("ISO 8601")
        return moments


def _moment(text: str | None) -> dt.datetime | None:
    """Return the moment that ISO 8601 `text` names, None when it names none; without an offset it is UTC."""
    if not text:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
        return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


def _within(moments: pl.Series) -> pl.Series:
    """Return `moments` without those before 1970 and after 2100, which stand for none."""
    return moments.zip_with(
        ((moments >= _EARLIEST) & (moments < _LATEST)).fill_null(value=False), pl.Series([None], dtype=_UTC)
    )


def parse_ratings(values: pl.Series) -> pl.Series:
    """Return whole ratings from 1 to 5, Int8; null where there is none or where it is another one."""
    numbers = values.str.strip_chars().cast(pl.Float64, strict=False)
    is_whole = numbers.is_in([1.0, 2.0, 3.0, 4.0, 5.0]).fill_null(value=False)
    return numbers.zip_with(is_whole, pl.Series([None], dtype=pl.Float64)).cast(pl.Int8)


class ParsedRows(NamedTuple):
    """The rows of a batch whose rating and time can be told."""

    rows: pl.DataFrame
    """id, text, rating (Int8), product_id, timestamp (UTC, microseconds) and category, which is never null."""
    left_out: dict[str, int]
    """How many rows of the file are not among them, by reason."""


def parse_rows(batch: RowBatch, file: ReviewFile, timestamps: TimestampParser, *, skip_bad_rows: bool) -> ParsedRows:
    """Return the batch's rows with typed values; a rating or a time that is not stated is null.

    `timestamps` is the parser of the whole file: its batches must agree on the unit.

    Raises:
        ReviewFileInvalid: a rating or a time cannot be told, and is not to be skipped; or times have several units.
    """
    raw = batch.rows
    ratings, moments = parse_ratings(raw["rating"]), timestamps.parse(raw["timestamp"])
    if timestamps.has_mixed_units:
        units = " and ".join(sorted(timestamps.units))
        raise ReviewFileInvalid(f"expected times of one unit in {file.source}, found {units}; write them as ISO 8601")
    bad_rating, bad_time = _invalid_ratings(raw["rating"], ratings), _invalid_times(raw["timestamp"], moments)
    if not skip_bad_rows:
        times = "times as numbers or ISO 8601, from 1970 to 2100,"
        for what, cells, bad in (
            ("whole ratings from 1 to 5", raw["rating"], bad_rating),
            (times, raw["timestamp"], bad_time),
        ):
            _refuse_first(what, file.source, cells, bad, batch.numbers)
    rows = raw.select(
        "id", "text", ratings.alias("rating"), "product_id", moments.alias("timestamp"),
        pl.col("category").replace("", None).fill_null(file.name),
    ).filter(~(bad_rating | bad_time))  # fmt: skip
    left_out = {
        "unreadable row": batch.unreadable,
        "rating outside 1 to 5": int(bad_rating.sum()),
        "unreadable time": int((bad_time & ~bad_rating).sum()),
    }
    return ParsedRows(rows, left_out)


def _invalid_ratings(raw: pl.Series, ratings: pl.Series) -> pl.Series:
    """Return which cells hold something that is no whole rating from 1 to 5."""
    return ratings.is_null() & raw.is_not_null() & (raw.str.strip_chars() != "")


def _invalid_times(raw: pl.Series, moments: pl.Series) -> pl.Series:
    """Return which cells hold something that is no moment from 1970 to 2100; 0 and empty ones hold nothing."""
    if raw.dtype.is_temporal():
        return moments.is_null() & raw.is_not_null()
    return moments.is_null() & raw.is_not_null() & ~raw.str.strip_chars().is_in(_NO_TIME)


def _refuse_first(what: str, source: Path, raw: pl.Series, bad: pl.Series, numbers: Sequence[int]) -> None:
    """Raise for the first of the cells `raw` that is `bad`, and name its number in the file."""
    if (index := bad.arg_true()).len() > 0:
        raise ReviewFileInvalid(
            f"expected {what} in {source}, found {_shown(str(raw[index[0]]))} in row {numbers[index[0]]}; mend it or "
            "give --skip-bad-rows to leave such rows out"
        )


def _shown(value: str, longest: int = 24) -> str:
    """Return `value` for a message, or only its length when it could be the text of a review."""
    return repr(value) if len(value) <= longest else f"a text of {len(value)} characters"
