"""How review files are to be read, where that is not to be found out."""

import datetime as dt
import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from sentiment_api.errors import ReviewFileInvalid

ROLES = ("text", "title", "rating", "label", "product_id", "timestamp", "category", "id")
"""What a column can be."""
DateOrder = Literal["day-first", "month-first"]


class ReadOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a user settles; None and empty values are found out from the files."""

    columns: dict[str, str] = {}
    """By role, where the known names do not hold."""
    header: tuple[str, ...] = ()
    """Names of the columns, in order, of files without a header."""
    delimiter: str | None = None
    """Between the cells of csv files."""
    encoding: str | None = None
    """Of csv and JSON files."""
    sheet: str | None = None
    """Of spreadsheets, by name or by number from 1."""
    query: str | None = None
    """In SQL, where the source is the URL of a database."""
    scale: tuple[float, float] | None = None
    """The worst and the best rating."""
    dates: DateOrder | None = None
    """What comes first in dates such as 3/4/2024."""
    as_of: dt.date | None = None
    """The day from which `3 months ago` counts."""
    join_title: bool = True
    """Whether a review's title is put before its text."""
    skip_bad_rows: bool = False
    """Count and leave out what cannot be read, where it would stop the work otherwise."""


def without_password(source: str) -> str:
    """Return what a user names, as it may be shown: a URL without its password, also a mistyped one."""
    return re.sub(r"(:/{1,2}[^:/@\s]+):[^@\s]*@", r"\1:***@", source)


def parse_named(options: Sequence[str]) -> dict[str, str]:
    """Return the columns by role that options such as `text=Body` name.

    Raises:
        ReviewFileInvalid: an option has another form, or names no role.
    """
    pairs = dict(option.partition("=")[::2] for option in options)
    if wrong := [role for role, name in pairs.items() if role not in ROLES or not name]:
        raise ReviewFileInvalid(f"expected --column ROLE=NAME with a role of {', '.join(ROLES)}, found {wrong[0]!r}")
    return pairs
