"""What a column of times means: told from all of its values at once, as moments in UTC.

Numbers are seconds to nanoseconds since 1970, or years to seconds written without signs (202201010800), whichever gives
plausible years. In dates of three numbers day or month comes first for the whole column.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.cells.date_patterns import LANGUAGES, PATTERNS, UTC, moments, parts
from sentiment_api.review_files.cells.missing import without_words_for_nothing
from sentiment_api.review_files.libraries import dateparser, pl
from sentiment_api.review_files.options import ReadOptions

EARLIEST = dt.datetime(1990, 1, 1, tzinfo=dt.UTC)
"""Before this nobody reviewed anything on the web."""
YEARS_AHEAD = 10
"""A later time is a mistake; of a wrong unit, if it is a number."""
_DIGITS = r"^\d{8,19}(\.\d*)?$"
_NO_TIME = ("0", "0.0")
_RELATIVE = r"(?i)\b(?:ago|yesterday|today|vor|gestern|heute|il y a|hier|hace|ayer|fa|ieri|há|atrás|ontem)\b"
_MOST_OTHERS = 5_000
"""Different values that are given to the date library, which takes a millisecond for each."""
_SURE = 0.95
"""Of the numbers, how many must be plausible in a unit."""


def _since_1970(micros_in_unit: float) -> Callable[[pl.Series], pl.Series]:
    def read(numbers: pl.Series) -> pl.Series:
        micros = (numbers.cast(pl.Float64, strict=False) * micros_in_unit).cast(pl.Int64, strict=False)
        return micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")

    return read


def _written(form: str) -> Callable[[pl.Series], pl.Series]:
    # A minute is needed for a time to be read: one is written after the hour where there is none.
    def read(numbers: pl.Series) -> pl.Series:
        texts = numbers.str.replace(r"\..*$", "") + (
            "00" if form.endswith("%H") else "0000" if form.endswith("%d") else ""
        )
        full = {"%Y%m%d": "%Y%m%d%H%M", "%Y%m%d%H": "%Y%m%d%H%M"}.get(form, form)
        return texts.str.to_datetime(full, time_unit="us", strict=False).dt.replace_time_zone("UTC")

    return read


_UNITS: dict[str, tuple[tuple[int, ...], Callable[[pl.Series], pl.Series]]] = {
    "seconds": ((9, 10), _since_1970(1e6)),
    "milliseconds": ((12, 13), _since_1970(1e3)),
    "microseconds": ((15, 16), _since_1970(1.0)),
    "nanoseconds": ((18, 19), _since_1970(1e-3)),
    "YYYYMMDD": ((8,), _written("%Y%m%d")),
    "YYYYMMDDhh": ((10,), _written("%Y%m%d%H")),
    "YYYYMMDDhhmm": ((12,), _written("%Y%m%d%H%M")),
    "YYYYMMDDhhmmss": ((14,), _written("%Y%m%d%H%M%S")),
}
"""By unit, how many digits numbers of it have, and what reads them."""


class TimeFormat(NamedTuple):
    """How the times of one column are read."""

    found: list[str]
    """What was seen, for people and records."""
    unit: str | None
    """Of numbers, a key of `_UNITS`."""
    is_day_first: bool
    as_of: dt.datetime | None
    order: tuple[str, ...]
    """The patterns, the most common one first."""

    def moments(self, cells: pl.Series) -> pl.Series:
        """Return the moments, UTC, to the microsecond; null where there is none or it cannot be told."""
        if cells.dtype.is_temporal():
            return plausible(cells.cast(UTC))
        cells = _stated(cells)
        read = pl.Series("timestamp", [None], dtype=UTC).new_from_index(0, len(cells))
        for kind, rows, some in _divided(cells, self.order):
            read = read.scatter(rows, self._read(kind, some))
        return plausible(read)

    def is_unsaid(self, cells: pl.Series) -> pl.Series:
        """Return which cells say no time, `(n,)`: empty ones, zeros, words, `3 days ago` with no day to count from."""
        stated = _stated(cells)
        is_relative = stated.str.contains(_RELATIVE).fill_null(value=False)
        is_word = ~stated.str.contains(r"\d").fill_null(value=False)
        return is_word | is_relative if self.as_of is None else is_word & ~is_relative

    def _read(self, kind: str, cells: pl.Series) -> pl.Series:
        if kind in PATTERNS:
            return moments(parts(cells, kind), is_day_first=self.is_day_first)
        if kind == "digits":
            return _UNITS[self.unit][1](cells) if self.unit else _none(len(cells))
        if kind == "relative" and self.as_of is None:
            return _none(len(cells))
        return _by_library(cells, self.as_of, is_day_first=self.is_day_first)


class TimeEvidence:
    """What the values of a column have shown so far."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self._plausible: Counter[str] = Counter()
        self._first_over_12 = self._second_over_12 = 0
        self._example = ""
        self._is_dotted = True
        self.is_date_type = False

    def observe(self, cells: pl.Series) -> None:
        """Add the cells of some rows."""
        if cells.dtype.is_temporal():
            self.is_date_type = True
            return
        for kind, rows, some in _divided(_stated(cells), self._order()):
            self.kinds[kind] += len(rows)
            if kind == "digits":
                self._observe_digits(some)
            elif kind == "numbers":
                self._observe_numbers(some)

    def _order(self) -> tuple[str, ...]:
        return tuple(sorted(PATTERNS, key=lambda name: -self.kinds[name]))

    def _observe_digits(self, cells: pl.Series) -> None:
        length = cells.str.replace(r"\..*$", "").str.len_bytes()
        for unit, (digits, read) in _UNITS.items():
            if (fits := length.is_in(digits)).any():
                self._plausible[unit] += len(plausible(read(cells.filter(fits)), years_ahead=1).drop_nulls())

    def _observe_numbers(self, cells: pl.Series) -> None:
        found = parts(cells, "numbers")
        first, second = found["a"].cast(pl.Int16), found["b"].cast(pl.Int16)
        self._first_over_12 += int((first > 12).sum())
        self._second_over_12 += int((second > 12).sum())
        self._is_dotted = self._is_dotted and bool((found["s"] == ".").all())
        differing = cells.filter((first != second).fill_null(value=False))
        self._example = self._example or (str(differing[0]) if len(differing) else "")

    def format(self, options: ReadOptions, place: str) -> TimeFormat:
        """Return how the column is read; `place` names it in errors.

        Raises:
            ReviewFileInvalid: several readings fit, or numbers are of several units.
        """
        unit = self._unit(place) if self.kinds["digits"] else None
        is_day_first = self._is_day_first(options, place) if self.kinds["numbers"] else options.dates != "month-first"
        as_of = None if options.as_of is None else dt.datetime.combine(options.as_of, dt.time(), dt.UTC)
        return TimeFormat(self._found(unit, is_day_first=is_day_first), unit, is_day_first, as_of, self._order())

    def _unit(self, place: str) -> str:
        needed = _SURE * self.kinds["digits"]
        units = [unit for unit, rows in self._plausible.items() if rows >= needed and rows > 0]
        if len(units) == 1:
            return units[0]
        seen = sorted(unit for unit, rows in self._plausible.items() if rows > 0)
        found = " and ".join(seen) if seen else "none that gives years from 1990 to now"
        raise ReviewFileInvalid(f"expected times of one unit in {place}, found {found}; write them as ISO 8601")

    def _is_day_first(self, options: ReadOptions, place: str) -> bool:
        if options.dates is not None:
            return options.dates == "day-first"
        if self._first_over_12 and self._second_over_12:
            raise ReviewFileInvalid(
                f"expected dates of one order in {place}, found {self._first_over_12} with the day first and "
                f"{self._second_over_12} with the month first; give --dates day-first or --dates month-first with "
                "--skip-bad-rows to leave the others out"
            )
        if self._first_over_12 or self._second_over_12 or self._is_dotted or not self._example:
            return not self._second_over_12
        readings = " or ".join(
            f"{moments(parts(pl.Series([self._example]), 'numbers'), is_day_first=first)[0]:%d %B %Y}"
            for first in (True, False)
        )
        raise ReviewFileInvalid(
            f"expected dates of a certain order in {place}, found ones such as {self._example!r}, which is {readings}; "
            "say --dates day-first or --dates month-first"
        )

    def _found(self, unit: str | None, *, is_day_first: bool) -> list[str]:
        said = {
            "digits": unit or "",
            "year first": "ISO 8601",
            "numbers": "day first" if is_day_first else "month first",
        }
        kinds = [said.get(kind, kind) for kind, rows in self.kinds.most_common() if rows]
        return (["date type"] if self.is_date_type else []) + kinds


def plausible(moments: pl.Series, years_ahead: int = YEARS_AHEAD) -> pl.Series:
    """Return the moments, null in place of those before 1990 or after the end of the year in `years_ahead` years."""
    latest = dt.datetime(dt.datetime.now(dt.UTC).year + years_ahead + 1, 1, 1, tzinfo=dt.UTC)
    return moments.zip_with(((moments >= EARLIEST) & (moments < latest)).fill_null(value=False), _none(1))


def _none(rows: int) -> pl.Series:
    return pl.Series("timestamp", [None], dtype=UTC).new_from_index(0, rows)


def _stated(cells: pl.Series) -> pl.Series:
    """Return the cells, null where they hold nothing or a zero."""
    cells = without_words_for_nothing(cells)
    return cells.zip_with(~cells.is_in(_NO_TIME).fill_null(value=False), pl.Series([None], dtype=pl.String))


def _divided(cells: pl.Series, order: tuple[str, ...]) -> Iterator[tuple[str, pl.Series, pl.Series]]:
    """Yield the kind of writing, the rows in it and their cells, for each kind that occurs."""
    rows = cells.is_not_null().arg_true()
    first = () if order and cells.str.contains(PATTERNS[order[0]]).all() else ("digits", "relative")
    for kind in (*first, *order):
        if len(rows) == 0:
            return
        some = cells.gather(rows)
        pattern = {"digits": _DIGITS, "relative": _RELATIVE}.get(kind) or PATTERNS[kind]
        fits = some.str.contains(pattern)
        if fits.any():
            yield kind, rows.filter(fits), some.filter(fits)
            rows = rows.filter(~fits)
    if len(rows) > 0:
        yield "others", rows, cells.gather(rows)


def _by_library(cells: pl.Series, as_of: dt.datetime | None, *, is_day_first: bool) -> pl.Series:
    values = cells.unique().to_list()
    if len(values) > _MOST_OTHERS:
        return _none(len(cells))
    settings = {
        "RELATIVE_BASE": as_of or dt.datetime(1900, 1, 1, tzinfo=dt.UTC),  # implausible, so that `3 days ago` is none
        "DATE_ORDER": "DMY" if is_day_first else "MDY",
        "REQUIRE_PARTS": ["year", "month", "day"],
        "TIMEZONE": "UTC",
        "RETURN_AS_TIMEZONE_AWARE": True,
    }
    read = [dateparser.parse(value, languages=LANGUAGES, settings=settings) for value in values]
    return cells.replace_strict(values, pl.Series(read, dtype=UTC), return_dtype=UTC)
