"""The ways in which dates are written, as patterns over whole columns, and the moments that they name."""

import datetime as dt
from collections.abc import Iterable
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sentiment_api.review_files.libraries import default_loader, pl, pop_tz_offset_from_string

UTC = pl.Datetime("us", "UTC")
LANGUAGES = ["en", "de", "fr", "es", "it", "pt"]
"""Of the names of months, and of words such as `3 months ago`."""
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_CLOCK = r"(?<H>\d{1,2}):(?<M>\d{2})(?::(?<S>\d{2})(?:[.,](?<F>\d+))?)?"
_ZONE = r"(?<Z>Z|[+-]\d{2}(?::?\d{2})?|[A-Z]{2,5}|[A-Z][a-z]+/[A-Z][A-Za-z_]+)"
_TIME = rf"(?:(?:T|,?\s+(?:at\s+|um\s+|à\s+)?){_CLOCK}\s*(?<P>[AaPp]\.?[Mm]\.?)?)?\s*{_ZONE}?(?:\s*\([^()]*\))?\s*$"
_WORDS_BEFORE = r"^\s*(?:\p{L}[^\d]*?\s)?"
_ORDINAL = r"(?:st|nd|rd|th|er|º|ª|°|\.)?"
PATTERNS: dict[str, str] = {
    "year first": r"^\s*(?<y>\d{4})[-/.](?<m>\d{1,2})[-/.](?<d>\d{1,2})" + _TIME,
    "numbers": r"^\s*(?<a>\d{1,2})(?<s>[-/.])\s?(?<b>\d{1,2})[-/.]\s?(?<y>\d{4}|\d{2})" + _TIME,
    "named month": _WORDS_BEFORE
    + rf"(?<d>\d{{1,2}}){_ORDINAL}[\s/.,-]*(?:de\s+|of\s+)?(?<n>\p{{L}}{{3,10}})\.?[\s/.,-]+"
    + r"(?:del?\s+|of\s+)?(?<y>\d{4}|\d{2})"
    + _TIME,
    "named month first": _WORDS_BEFORE
    + r"(?<n>\p{L}{3,10})\.?\s+(?<d>\d{1,2})(?:st|nd|rd|th)?,?\s+(?<y>\d{4})"
    + _TIME,
    "year last": rf"^\s*\p{{L}}{{3}},? (?<n>\p{{L}}{{3}}) +(?<d>\d{{1,2}}) {_CLOCK} (?:{_ZONE} )?(?<y>\d{{4}})\s*$",
    "month": r"^\s*(?<y>\d{4})[-/](?<m>\d{1,2})\s*$",
    "named month alone": r"^\s*(?<n>\p{L}{3,10})\.?,?\s+(?<y>\d{4})\s*$",
}
"""By name: y year, m month, n its name, d day, a and b day and month in either order, s what divides them, H, M, S, F
clock, P half of the day, Z zone."""
_FIELDS = ("y", "m", "n", "d", "a", "b", "s", "H", "M", "S", "F", "P", "Z")


@cache
def month_numbers() -> dict[str, int]:
    """Return the months, 1 to 12, by their names in lower case, in full and short, in all of `LANGUAGES`."""
    numbers: dict[str, int] = {"sept": 9}
    for language in LANGUAGES:
        info = default_loader.get_locale(language).info
        for number, month in enumerate(_MONTHS, start=1):
            numbers |= dict.fromkeys((name.lower().rstrip(".") for name in info[month]), number)
    return numbers


def parts(cells: pl.Series, pattern: str) -> pl.DataFrame:
    """Return what `PATTERNS[pattern]` finds in each cell, `(n, fields)` text, null where it does not match."""
    found = cells.str.extract_groups(PATTERNS[pattern]).struct.unnest()
    return found.with_columns(pl.lit(None, pl.String).alias(name) for name in _FIELDS if name not in found.columns)


def moments(found: pl.DataFrame, *, is_day_first: bool) -> pl.Series:
    """Return the moments, UTC, that parts name; null where they name none. Without a zone it is UTC."""
    day, month = ("a", "b") if is_day_first else ("b", "a")
    names = month_numbers()
    year = pl.col("y").cast(pl.Int32, strict=False)
    numbers = found.select(
        pl.when(pl.col("y").str.len_bytes() == 2).then(year + pl.when(year < 70).then(2000).otherwise(1900))
        .otherwise(year).alias("year"),
        pl.coalesce(
            pl.col("m").cast(pl.Int8, strict=False),
            pl.col("n").str.to_lowercase().replace_strict(names, default=None, return_dtype=pl.Int8),
            pl.col(month).cast(pl.Int8, strict=False),
        ).alias("month"),
        pl.coalesce(pl.col("d", day).cast(pl.Int8, strict=False), pl.lit(1)).alias("day"),
        _hour().alias("hour"),
        pl.col("M", "S").cast(pl.Int8, strict=False).fill_null(0),
        ("0." + pl.col("F")).cast(pl.Float64, strict=False).fill_null(0.0).alias("F"),
        pl.col("Z"),
    )  # fmt: skip
    return _in_utc(numbers)


def _hour() -> pl.Expr:
    hour = pl.col("H").cast(pl.Int8, strict=False)
    is_afternoon = pl.col("P").str.to_lowercase().str.starts_with("p")
    twelve = pl.when(is_afternoon).then(hour % 12 + 12).otherwise(hour % 12)
    return pl.when(pl.col("P").is_null()).then(hour).otherwise(twelve).fill_null(0)


def _in_utc(numbers: pl.DataFrame) -> pl.Series:
    """Return the moments of valid numbers, null for others such as the 30th of February."""
    text = pl.format(
        "{}-{}-{} {}:{}:{}",
        *(pl.col(name).cast(pl.String).str.zfill(width) for name, width in
          (("year", 4), ("month", 2), ("day", 2), ("hour", 2), ("M", 2), ("S", 2))),
    )  # fmt: skip
    local = text.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    local = local + pl.duration(microseconds=(pl.col("F") * 1e6).round().cast(pl.Int64))
    zones = numbers["Z"].drop_nulls().unique().to_list()
    known = [(pl.col("Z").is_null(), local.dt.replace_time_zone("UTC"))]
    known += [(pl.col("Z") == zone, expression) for zone, expression in _zone_expressions(zones, local)]
    moment = pl.coalesce(pl.when(is_it).then(expression) for is_it, expression in known)
    return numbers.select(moment.cast(UTC).alias("timestamp")).to_series()


def _zone_expressions(zones: Iterable[str], local: pl.Expr) -> list[tuple[str, pl.Expr]]:
    found = []
    for zone in zones:
        if "/" in zone:
            if _is_zone(zone):
                place = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
                found.append((zone, place.dt.convert_time_zone("UTC")))
        elif (offset := _offset(zone)) is not None:
            found.append((zone, (local - offset).dt.replace_time_zone("UTC")))
    return found


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return False
    return True


def _offset(zone: str) -> dt.timedelta | None:
    """Return what a zone such as `+02:00`, `Z` or `CEST` is ahead of UTC, None if it is unknown."""
    if zone[0] in "+-":
        hours, minutes = int(zone[1:3]), int(zone[-2:]) if len(zone) > 3 else 0
        return dt.timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)
    info = pop_tz_offset_from_string(f"1 {'UTC' if zone == 'Z' else zone}")[1]
    return None if info is None else info.utcoffset(None)
