"""Reads text files of rows and cells: csv, tsv, and what spreadsheets and databases write in their place."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from operator import itemgetter
from typing import Any

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.libraries import pl
from sentiment_api.review_files.options import ReadOptions
from sentiment_api.review_files.readers.csv_dialects import CsvLayout, find_layout
from sentiment_api.review_files.readers.csv_records import (
    BLOCK_LINES,
    CsvDialect,
    CsvRecord,
    CsvRows,
    read_blocks,
    unquoted,
)
from sentiment_api.review_files.readers.encodings import TextForm, open_text, text_form
from sentiment_api.review_files.readers.inputs import Input
from sentiment_api.review_files.tables import BATCH_ROWS, CellBatch

_SAMPLE_LINES = 1_000
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_REPLACED = "\ufffd"
"""What stands for bytes that are not in the file's encoding."""


def csv_tables(source: Input, options: ReadOptions) -> list["CsvTable"]:
    """Return the one table of the file.

    Raises:
        ReviewFileInvalid: its encoding, delimiter or header cannot be found out.
    """
    form = text_form(source, options.encoding, may_be_damaged=options.skip_bad_rows)
    with open_text(source, form) as (lines, _):
        layout = find_layout(list(islice(lines, _SAMPLE_LINES)), source.name, options)
    return [CsvTable(source, form, _settled(source, form, layout), options)]


def _settled(source: Input, form: TextForm, layout: CsvLayout) -> CsvLayout:
    """Return the layout with the quoting that fits the whole file.

    Tab-separated files rarely quote, so a mark is a character there if every line has its cells that way. In others it
    is one if quoted cells do not close while every line has its cells without quoting.
    """
    if not form.has_quotes:
        return layout
    plain = layout._replace(dialect=layout.dialect._replace(quoting="none"))
    if layout.dialect.delimiter == "\t" and _fits(source, form, plain):
        return plain
    return layout if _fits(source, form, layout) or not _fits(source, form, plain) else plain


def _fits(source: Input, form: TextForm, layout: CsvLayout) -> bool:
    """Whether every record of the file has a cell for each column, and closes its quotation marks."""
    width = len(layout.names)
    with _blocks(source, form, layout) as (blocks, _):
        records = (block for block in blocks if isinstance(block, CsvRecord))
        return all(len(record.cells) == width for record in records if record.cells or record.is_malformed)


class CsvTable:
    """The rows of a text file."""

    def __init__(self, source: Input, form: TextForm, layout: CsvLayout, options: ReadOptions) -> None:
        self.name, self.category, self.columns = source.name, source.category, layout.names
        self._source, self._form, self._layout = source, form, layout
        self._skip_bad_rows = options.skip_bad_rows

    @property
    def form(self) -> dict[str, Any]:
        """See `ReviewTable`."""
        dialect = self._layout.dialect
        quoting = {"doubled": "quoted where needed", "escaped": "quoted, with backslashes", "none": "not quoted"}
        found: dict[str, Any] = {
            "form": "csv",
            "encoding": self._form.encoding,
            "delimiter": _NAMES.get(dialect.delimiter, dialect.delimiter),
        }
        if self._source.packed:
            found["packed"] = self._source.packed
        if self._form.has_quotes:
            found["cells"] = quoting[dialect.quoting]
        if self._layout.title_rows:
            found["title_rows"] = self._layout.title_rows
        return found

    def batches(self, columns: Sequence[str]) -> Iterator[CellBatch]:
        """See `ReviewTable`: a row with more or fewer cells than the header stops the work, or is counted.

        Raises:
            ReviewFileInvalid: also when the lines of the rows are not as many as the file has.
        """
        pick = _picker([self._layout.names.index(name) for name in columns], self._layout.dialect)
        held: list[tuple[str, ...]] = []
        numbers: list[int] = []
        number = unreadable = 0
        with _blocks(self._source, self._form, self._layout) as (blocks, share):
            line = 0
            for block in blocks:
                if isinstance(block, CsvRows) and not self._form.is_damaged:
                    held += map(pick, block.rows)
                    numbers += range(number + 1, number + 1 + len(block.rows))
                    number, line = number + len(block.rows), block.line + len(block.rows) - 1
                else:
                    for record in _one_by_one(block):
                        line = record.line + record.lines - 1
                        if not record.cells and not record.is_malformed:
                            continue
                        number += 1
                        if (cells := self._fitted(record, number)) is None:
                            unreadable += 1
                        else:
                            held.append(pick(cells))
                            numbers.append(number)
                if len(held) >= BATCH_ROWS - BLOCK_LINES:
                    yield CellBatch(_frame(held, columns), numbers, unreadable, share())
                    held, numbers, unreadable = [], [], 0
        self._reconcile(line or self._layout.first_line - 1)
        if held or unreadable:
            yield CellBatch(_frame(held, columns), numbers, unreadable, 1.0)

    def _fitted(self, record: CsvRecord, number: int) -> list[str] | None:
        """Return the cells of the record, None if it is to be left out."""
        width, cells = len(self._layout.names), record.cells
        if len(cells) == width and not (self._form.is_damaged and _REPLACED in "".join(cells)):
            return cells
        if len(cells) > width and not any(cells[width:]):
            return cells[:width]
        if not self._skip_bad_rows:
            raise ReviewFileInvalid(f"{self.name}: {self._fault(record, number)}")
        return None

    def _fault(self, record: CsvRecord, number: int) -> str:
        where = f"row {number}, in line {record.line},"
        remedy = "mend it, or give --skip-bad-rows to leave it out"
        if record.is_malformed:
            what = "a quotation mark that does not close where its cell ends, or a cell of more than 100,000 characters"
            return f"{where} has {what}; {remedy}"
        if len(record.cells) == len(self._layout.names):
            return f"{where} has bytes that are not {self._form.encoding}; {remedy}, or name the --encoding"
        return f"{where} has {len(record.cells)} cells where the header has {len(self._layout.names)}; {remedy}"

    def _reconcile(self, lines: int) -> None:
        if lines != self._form.lines:
            raise ReviewFileInvalid(
                f"expected {self._form.lines} lines in {self.name}, read {lines}; did the file change meanwhile?"
            )


def _picker(places: list[int], dialect: CsvDialect) -> Any:  # noqa: ANN401 - itemgetter's result has no type of use
    """Return what takes the cells at `places` from a record, as a tuple."""
    if dialect.quoting == "none":
        return lambda cells: tuple(unquoted(cells[place]) for place in places)
    if len(places) == 1:
        return lambda cells: (cells[places[0]],)
    return itemgetter(*places)


def _frame(rows: list[tuple[str, ...]], columns: Sequence[str]) -> pl.DataFrame:
    cells = zip(*rows, strict=True) if rows else [()] * len(columns)
    frame = pl.DataFrame(
        {name: pl.Series(values, dtype=pl.String) for name, values in zip(columns, cells, strict=True)}
    )
    return frame.with_columns(pl.all().replace("", None))


def _one_by_one(block: CsvRows | CsvRecord) -> Iterator[CsvRecord]:
    if isinstance(block, CsvRecord):
        yield block
    else:
        yield from (CsvRecord(line, 1, cells) for line, cells in enumerate(block.rows, start=block.line))


@contextmanager
def _blocks(source: Input, form: TextForm, layout: CsvLayout) -> Iterator[tuple[Iterator[CsvRows | CsvRecord], Any]]:
    """Yield the records after the header, and what tells how much of the file has been read."""
    with open_text(source, form) as (lines, share):
        begun = islice(lines, layout.first_line - 1, None)
        yield read_blocks(begun, layout.dialect, len(layout.names), layout.first_line), share
