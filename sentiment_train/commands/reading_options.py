"""Options of commands that read review files: what is found out unless a user settles it."""

import datetime as dt
from typing import Annotated, Final, Literal

import msgspec
import typer

from sentiment_api.review_files.options import ReadOptions, parse_named
from sentiment_train.commands.option_groups import OptionGroup

READING: Final[OptionGroup] = {
    "column": typer.Option(
        metavar="ROLE=NAME",
        help="A column that is not recognised, such as text=Body. Roles: text, title, rating, label, product_id, "
        "timestamp, category, id. May be given several times.",
    ),
    "columns": typer.Option(metavar="NAME,NAME,...", help="The columns in order, of files without a header line."),
    "scale": typer.Option(help="Of the ratings: the best one, such as 10, or worst:best, such as 0:4 or 6:1."),
    "dates": typer.Option(help="What comes first in dates such as 3/4/2024."),
    "as_of": typer.Option(metavar="DATE", help="The day from which `3 months ago` counts."),
    "join_title": typer.Option("--title/--no-title", help="Put a review's title before its text."),
    "encoding": typer.Option(help="Of csv and JSON files, such as latin-1."),
    "delimiter": typer.Option(help="Between the cells of csv files."),
    "sheet": typer.Option(help="Of spreadsheets, by name or number."),
    "query": typer.Option(help="In SQL, where the source is the URL of a database."),
    "skip_bad_rows": typer.Option(
        "--skip-bad-rows", help="Leave out and count rows that cannot be read; else they are an error."
    ),
}
SOURCES_HELP = (
    "Files, folders, patterns, - for standard input, or a database's URL with --query. Csv, JSON, parquet, xlsx, ods; "
    "packed or not."
)


class ReadingOptions(msgspec.Struct, frozen=True):
    """What a user settles of files, as options."""

    column: list[str] | None = None
    columns: str | None = None
    scale: str | None = None
    dates: Literal["day-first", "month-first"] | None = None
    as_of: str | None = None
    join_title: bool = True
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    query: str | None = None
    skip_bad_rows: bool = False

    def read(self) -> ReadOptions:
        """Return the options in the readers' own form.

        Raises:
            ReviewFileInvalid: `column` names no role.
            BadParameter: another option has a form of its own.
        """
        return ReadOptions(
            columns=parse_named(self.column or []),
            header=tuple(self.columns.split(",")) if self.columns else (),
            scale=None if self.scale is None else _scale(self.scale),
            dates=self.dates,
            as_of=None if self.as_of is None else _day(self.as_of),
            join_title=self.join_title,
            encoding=self.encoding,
            delimiter={"tab": "\t", "\\t": "\t"}.get(self.delimiter or "", self.delimiter),
            sheet=self.sheet,
            query=self.query,
            skip_bad_rows=self.skip_bad_rows,
        )


def _scale(text: str) -> tuple[float, float]:
    worst, _, best = text.rpartition(":")
    try:
        ends = (float(worst) if worst else {"5": 1.0}.get(best, 0.0), float(best))
    except ValueError:
        ends = (0.0, 0.0)
    if ends[0] == ends[1]:
        raise typer.BadParameter(f"expected --scale BEST or WORST:BEST, such as 10 or 0:4, found {text!r}")
    return ends


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"expected --as-of YYYY-MM-DD, found {text!r}") from error


Sources = Annotated[list[str], typer.Argument(help=SOURCES_HELP)]
