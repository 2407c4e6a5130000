"""How windows and days are read."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from drift_jobs.errors import WindowInvalid
from drift_jobs.windows import (
    check_is_over,
    day_window,
    parse_date,
    parse_moment,
    parse_window,
    time_zone,
    window_between,
    yesterday,
)

UTC = ZoneInfo("UTC")
PARIS = ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    ("day", "hours"), [(dt.date(2026, 3, 29), 23), (dt.date(2026, 10, 25), 25), (dt.date(2026, 11, 21), 24)]
)
def test_days_follow_the_clocks(day: dt.date, hours: int) -> None:
    """A day lasts 23 or 25 hours when the shop's clocks change, else 24."""
    window = day_window(day, PARIS)
    assert window.end - window.start == dt.timedelta(hours=hours)


def test_a_day_begins_at_the_shops_midnight() -> None:
    """The window is in UTC and half open: one day ends where the next begins."""
    window = day_window(dt.date(2026, 11, 21), PARIS)
    assert str(window) == "2026-11-20T23:00:00Z..2026-11-21T23:00:00Z"
    assert day_window(dt.date(2026, 11, 22), PARIS).start == window.end


@pytest.mark.parametrize(("zone", "expected"), [("Pacific/Auckland", 21), ("America/Los_Angeles", 20)])
def test_yesterday_is_the_shops_own(zone: str, expected: int) -> None:
    """At one moment it is another day on the other side of the world."""
    now = dt.datetime(2026, 11, 21, 23, 30, tzinfo=dt.UTC)
    assert yesterday(now, ZoneInfo(zone)).day == expected


def test_a_written_window_reads_back() -> None:
    """What a window prints is what `parse_window` reads, to the microsecond."""
    window = parse_window("2026-11-01..2026-11-08T12:30:00.000250+01:00", PARIS)
    assert str(window) == "2026-10-31T23:00:00Z..2026-11-08T11:30:00.000250Z"
    assert parse_window(str(window), UTC) == window


def test_the_repeated_hour_is_in_order() -> None:
    """Moments in the hour that clocks repeat are compared as moments and not as clock times."""
    first = dt.datetime(2026, 10, 25, 2, 30, fold=0, tzinfo=PARIS)
    second = dt.datetime(2026, 10, 25, 2, 15, fold=1, tzinfo=PARIS)
    assert window_between(first, second).end - window_between(first, second).start == dt.timedelta(minutes=45)


@pytest.mark.parametrize("written", ["2026-11-01", "2026-11-01..yesterday", "2026-11-08..2026-11-01", "..", ""])
def test_what_is_no_window_is_refused(written: str) -> None:
    """A window without two moments in order is an error of our own."""
    with pytest.raises(WindowInvalid, match="expected"):
        parse_window(written, UTC)


def test_a_window_that_is_not_over_is_refused() -> None:
    """Its rows are still to come; the message has the shop's time, which is what was asked for."""
    day = day_window(dt.date(2026, 11, 21), PARIS)
    check_is_over(day, day.end, PARIS)
    early = day.end - dt.timedelta(seconds=1)
    with pytest.raises(WindowInvalid, match=r"ends at 2026-11-22T00:00:00\+01:00; it is 2026-11-21T23:59:59\+01:00"):
        check_is_over(day, early, PARIS)


@pytest.mark.parametrize("name", ["Mars/Olympus", "Europe", "../etc/passwd", ""])
def test_unknown_time_zones_are_refused(name: str) -> None:
    """Only IANA names are time zones; folders of the zone database are not."""
    with pytest.raises(WindowInvalid, match="IANA"):
        time_zone(name)


def test_what_is_no_date_is_refused() -> None:
    """Dates and times that do not exist are errors of our own."""
    with pytest.raises(WindowInvalid):
        parse_date("2026-02-30")
    with pytest.raises(WindowInvalid):
        parse_moment("noon", UTC)
