"""Reads spreadsheets: xlsx, xls and ods."""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.libraries import calamine, pl
from sentiment_api.review_files.options import ReadOptions
from sentiment_api.review_files.readers.headers import column_names, header_index
from sentiment_api.review_files.readers.inputs import Input
from sentiment_api.review_files.tables import BATCH_ROWS, CellBatch

_HEADER_ROWS = 50


def spreadsheet_tables(source: Input, options: ReadOptions) -> list["SheetTable"]:
    """Return the sheet that holds the reviews: the one that `options` names, or the only one with rows.

    Raises:
        ReviewFileInvalid: the file is damaged, or several sheets have rows.
    """
    with source.path() as path:
        try:
            book = calamine.load_workbook(str(path))
            sheets = {
                name: book.get_sheet_by_name(name).to_python() for name in _chosen(book.sheet_names, source, options)
            }
        except (calamine.CalamineError, OSError) as error:
            raise ReviewFileInvalid(f"cannot read {source.name}: {error}; save it once more as xlsx or csv") from error
    tables = [table for name, rows in sheets.items() if (table := _table(source, name, rows, options)) is not None]
    if len(tables) != 1:
        names = ", ".join(repr(table.sheet) for table in tables) or "none"
        raise ReviewFileInvalid(
            f"expected one sheet with a header and rows in {source.name}, found {names}; name it with --sheet"
        )
    return tables


def _chosen(names: Sequence[str], source: Input, options: ReadOptions) -> list[str]:
    if options.sheet is None:
        return list(names)
    if options.sheet in names:
        return [options.sheet]
    if options.sheet.isdigit() and 1 <= int(options.sheet) <= len(names):
        return [names[int(options.sheet) - 1]]
    raise ReviewFileInvalid(f"{source.name} has no sheet {options.sheet!r}; it has {', '.join(map(repr, names))}")


def _table(source: Input, sheet: str, rows: Sequence[Sequence[Any]], options: ReadOptions) -> "SheetTable | None":
    texts = [[_text(value) or "" for value in row] for row in rows]
    if options.header:
        return SheetTable(source, sheet, column_names(options.header), list(enumerate(texts, start=1)), 0)
    index = header_index(texts[:_HEADER_ROWS])
    if index is None:
        return None
    numbered = [(number, row) for number, row in enumerate(texts[index + 1 :], start=1) if any(row)]
    return SheetTable(source, sheet, column_names(texts[index]), numbered, index) if numbered else None


class SheetTable:
    """The rows of one sheet. They are in memory: a sheet has a million at most."""

    def __init__(
        self, source: Input, sheet: str, columns: list[str], rows: list[tuple[int, list[str]]], title_rows: int
    ) -> None:
        self.name, self.category, self.columns = source.name, source.category, columns
        self.sheet = sheet
        self._rows, self._title_rows = rows, title_rows

    @property
    def form(self) -> dict[str, Any]:
        """See `ReviewTable`."""
        return {"form": "spreadsheet", "sheet": self.sheet} | (
            {"title_rows": self._title_rows} if self._title_rows else {}
        )

    def batches(self, columns: Sequence[str]) -> Iterator[CellBatch]:
        """See `ReviewTable`."""
        places = {name: self.columns.index(name) for name in columns}
        for begin in range(0, len(self._rows), BATCH_ROWS):
            some = self._rows[begin : begin + BATCH_ROWS]
            cells = {
                name: pl.Series([row[place] if place < len(row) else "" for _, row in some], dtype=pl.String)
                for name, place in places.items()
            }
            frame = pl.DataFrame(cells).with_columns(pl.all().replace("", None))
            yield CellBatch(frame, [number for number, _ in some], 0, (begin + len(some)) / len(self._rows))


def _text(value: Any) -> str | None:  # noqa: ANN401 - whatever a sheet holds
    """Return a cell as people write it: sheets keep whole numbers as floats."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.date | dt.datetime):
        return value.isoformat()
    return None if value is None else str(value)
