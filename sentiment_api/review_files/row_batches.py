"""What every reader takes and gives: how a file is to be read, and batches of its rows with a column for each role."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from sentiment_api.review_files.columns import ROLES
from sentiment_api.review_files.libraries import pl

BATCH_ROWS = 32_768


class ReadOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How files are to be read."""

    columns: dict[str, str] = {}
    """By role, where the known names do not hold."""
    encoding: str = "utf-8"
    """Of csv, tsv and jsonl files."""
    skip_bad_rows: bool = False
    """Count and leave out what cannot be read, where it would stop the work otherwise."""


class RowBatch(NamedTuple):
    """Some rows of a file, in its order."""

    rows: pl.DataFrame
    """The columns of `ROLES`, null where the file has none: text, but for a timestamp that the file keeps as one."""
    numbers: Sequence[int]
    """Of the rows in the file, from 1: a header does not count; in files of JSON the number of the line."""
    unreadable: int
    """Rows left out since the last batch, because they are no rows at all."""
    share: float
    """Of the file that has been read now, 0 to 1."""


def with_roles(frame: pl.DataFrame, columns: Mapping[str, str]) -> pl.DataFrame:
    """Return the columns of `frame`, whose names `columns` gives by role, in the form of `RowBatch.rows`."""
    return frame.select(_with_role(frame, columns.get(role), role) for role in ROLES)


def _with_role(frame: pl.DataFrame, column: str | None, role: str) -> pl.Expr:
    if column is None:
        return pl.lit(None, pl.String).alias(role)
    if role == "timestamp" and frame.schema[column] in {pl.Date, pl.Datetime}:
        return pl.col(column).alias(role)
    return pl.col(column).cast(pl.String).alias(role)


def as_texts(values: Sequence[object]) -> pl.Series:
    """Return `values` of any types as texts; None stays null."""
    return pl.Series(
        [value if value is None or isinstance(value, str) else str(value) for value in values], dtype=pl.String
    )
