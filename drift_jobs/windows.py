"""Windows of time: how they are written, and which one a day of the shop is. What lies in them is read elsewhere."""

import datetime as dt
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from drift_jobs.errors import WindowInvalid


class Window(msgspec.Struct, frozen=True):
    """A half-open interval `[start, end)` in UTC."""

    start: dt.datetime
    end: dt.datetime

    def __str__(self) -> str:
        """Return `START..END`, which `parse_window` reads."""
        return f"{_written(self.start)}..{_written(self.end)}"


def window_between(start: dt.datetime, end: dt.datetime) -> Window:
    """Return the window of two moments with a time zone, moved to UTC.

    Raises:
        WindowInvalid: the end is not after the start.
    """
    window = Window(start.astimezone(dt.UTC), end.astimezone(dt.UTC))
    if window.end <= window.start:
        raise WindowInvalid(
            f"expected a window that ends after its start, found {start.isoformat()}..{end.isoformat()}"
        )
    return window


def check_is_over(window: Window, now: dt.datetime, zone: ZoneInfo) -> None:
    """Do nothing when a window is over: rows of a later one are still to come, and it would stand for the latest.

    Raises:
        WindowInvalid: it ends after `now`.
    """
    if window.end > now:
        found, today = (moment.astimezone(zone).isoformat(timespec="seconds") for moment in (window.end, now))
        raise WindowInvalid(f"expected a window that is over, found one that ends at {found}; it is {today}")


def parse_window(written: str, zone: ZoneInfo) -> Window:
    """Return the window written `START..END`; each side as `parse_moment` reads it.

    Raises:
        WindowInvalid: it is written differently, or ends before it starts.
    """
    start, separator, end = written.partition("..")
    if not separator:
        raise WindowInvalid(f"expected START..END, found {written!r}")
    return window_between(parse_moment(start, zone), parse_moment(end, zone))


def parse_moment(written: str, zone: ZoneInfo) -> dt.datetime:
    """Return an ISO 8601 date or date and time; without an offset it is meant in `zone`, a date alone is its midnight.

    Raises:
        WindowInvalid: it cannot be read.
    """
    try:
        moment = dt.datetime.fromisoformat(written)
    except ValueError as error:
        raise WindowInvalid(f"expected a date or time such as 2026-11-22T00:00:00Z, found {written!r}") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def parse_date(written: str) -> dt.date:
    """Return a date written YYYY-MM-DD.

    Raises:
        WindowInvalid: it cannot be read.
    """
    try:
        return dt.date.fromisoformat(written)
    except ValueError as error:
        raise WindowInvalid(f"expected a date such as 2026-11-22, found {written!r}") from error


def time_zone(name: str) -> ZoneInfo:
    """Return the time zone with the IANA name `name`.

    Raises:
        WindowInvalid: there is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: the name of a folder, such as Europe
        raise WindowInvalid(f"expected an IANA time zone such as Europe/Paris, found {name!r}") from error


def day_window(day: dt.date, zone: ZoneInfo) -> Window:
    """Return the calendar day `day` of `zone`: 24 hours, or 23 or 25 when its clocks change."""
    start, end = (dt.datetime.combine(date, dt.time(), zone) for date in (day, day + dt.timedelta(days=1)))
    return window_between(start, end)


def yesterday(now: dt.datetime, zone: ZoneInfo) -> dt.date:
    """Return the last calendar day of `zone` that is over at `now`."""
    return now.astimezone(zone).date() - dt.timedelta(days=1)


def _written(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
