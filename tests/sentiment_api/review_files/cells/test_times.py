"""A column of times is understood as a whole: unit, order of day and month, zones, names of months."""

import datetime as dt

import polars as pl
import pytest

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.cells.times import TimeEvidence
from sentiment_api.review_files.options import ReadOptions


def _read(cells: list[str | None], options: ReadOptions | None = None) -> list[dt.datetime | None]:
    evidence, column = TimeEvidence(), pl.Series(cells, dtype=pl.String)
    evidence.observe(column)
    return list(evidence.format(options or ReadOptions(), "shop.csv, column 'date'").moments(column))


def _at(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> dt.datetime:
    return dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("1704450600", _at(2024, 1, 5, 10, 30)),
        ("1704450600.0", _at(2024, 1, 5, 10, 30)),
        ("1704450600000", _at(2024, 1, 5, 10, 30)),
        ("1704450600000000", _at(2024, 1, 5, 10, 30)),
        ("1704450600000000000", _at(2024, 1, 5, 10, 30)),
        ("873532800", _at(1997, 9, 6, 8)),
        ("20220101", _at(2022, 1, 1)),
        ("2022010108", _at(2022, 1, 1, 8)),
        ("202201010800", _at(2022, 1, 1, 8)),
        ("20220101080030", _at(2022, 1, 1, 8, 0, 30)),
        ("2024-01-05", _at(2024, 1, 5)),
        ("2024-01-05T07:00:00.250-02:00", dt.datetime(2024, 1, 5, 9, 0, 0, 250_000, tzinfo=dt.UTC)),
        ("2024/1/5 7:05", _at(2024, 1, 5, 7, 5)),
        ("31-Jul-18", _at(2018, 7, 31)),
        ("26th November 2017", _at(2017, 11, 26)),
        ("May 3, 2020", _at(2020, 5, 3)),
        ("Reviewed in the United States on May 3, 2020", _at(2020, 5, 3)),
        ("Tuesday, 3 January 2023 at 9:30 PM", _at(2023, 1, 3, 21, 30)),
        ("Tue, 03 Jan 2023 09:30:00 GMT", _at(2023, 1, 3, 9, 30)),
        ("Tue Jan 03 09:30:00 +0100 2023", _at(2023, 1, 3, 8, 30)),
        ("3. März 2023", _at(2023, 3, 3)),
        ("3 de enero de 2023", _at(2023, 1, 3)),
        ("1er août 2020", _at(2020, 8, 1)),
        ("14 dicembre 2021", _at(2021, 12, 14)),
        ("7 de fevereiro de 2022", _at(2022, 2, 7)),
        ("31.01.2023 14:30", _at(2023, 1, 31, 14, 30)),
        ("1/31/23 12:07 AM", _at(2023, 1, 31, 0, 7)),
        ("2023-01-03 09:30:00 PST", _at(2023, 1, 3, 17, 30)),
        ("2023-07-03 09:30:00 Europe/Berlin", _at(2023, 7, 3, 7, 30)),
        ("2019-4", _at(2019, 4, 1)),
        ("May 2020", _at(2020, 5, 1)),
    ],
)
def test_times_are_read_as_people_write_them(written: str, moment: dt.datetime) -> None:
    """Without a zone they are UTC."""
    assert _read([written]) == [moment]


@pytest.mark.parametrize(
    "cell", ["", " ", "0", "NA", "\\N", "missing", "yesterday", "30/02/2023", "2202-01-05", "1850-01-05"]
)
def test_what_is_no_time_is_null(cell: str) -> None:
    """Nothing is guessed: no word, no day that does not exist, and no year in which nobody reviewed."""
    assert _read([cell, "2024-01-05"]) == [None, _at(2024, 1, 5)]


def test_the_whole_column_tells_day_from_month() -> None:
    """One day above 12 decides for all rows."""
    assert _read(["1/3/2023", "1/31/2023"]) == [_at(2023, 1, 3), _at(2023, 1, 31)]
    assert _read(["1/3/2023", "31/1/2023"]) == [_at(2023, 3, 1), _at(2023, 1, 31)]


def test_an_order_that_cannot_be_told_is_asked_for() -> None:
    """Both readings and the option are named; two orders in one column are refused."""
    with pytest.raises(
        ReviewFileInvalid, match="'3/4/2024', which is 03 April 2024 or 04 March 2024; say --dates day-first"
    ):
        _read(["3/4/2024", "5/5/2024"])
    assert _read(["3/4/2024"], ReadOptions(dates="month-first")) == [_at(2024, 3, 4)]
    with pytest.raises(ReviewFileInvalid, match="dates of one order in"):
        _read(["31/1/2023", "1/31/2023"])


def test_numbers_of_two_units_are_refused() -> None:
    """One of the two must be wrong, and nobody can tell which."""
    with pytest.raises(ReviewFileInvalid, match="found milliseconds and seconds"):
        _read(["1704450600", "1704450600000"])


def test_relative_times_count_from_a_day_that_is_given() -> None:
    """Without it they are none."""
    assert _read(["3 months ago", "a month ago"]) == [None, None]
    assert _read(["3 months ago", "vor 2 Tagen"], ReadOptions(as_of=dt.date(2024, 6, 1))) == [
        _at(2024, 3, 1),
        _at(2024, 5, 30),
    ]
