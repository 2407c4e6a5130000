"""Records of csv text, never wrong in silence: a quotation mark that does not close costs one line, not all after it.

Python's csv module divides the text, in its strict mode. Where it stops, the line with which the record began is
malformed, and reading goes on with the next line. A record that runs over several lines is looked at once more: if its
lines are rows themselves, a quotation mark swallowed them.
"""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Literal, NamedTuple

Quoting = Literal["doubled", "escaped", "none"]
"""Marks inside quoted cells are doubled, or have a backslash before them; or nothing is quoted."""
_MANY_LINES = 20
BLOCK_LINES = 1_000
"""Lines that are read at once."""
_ATTEMPTS = 20
"""Blocks that may turn out not to be plain before a file is read record by record."""


class CsvDialect(NamedTuple):
    """How a line is divided into cells."""

    delimiter: str
    quoting: Quoting


class CsvRecord(NamedTuple):
    """One record of the text; a blank line is one without cells."""

    line: int
    """Where it begins, from 1."""
    lines: int
    """How many it takes."""
    cells: list[str]
    """Empty for a malformed one."""
    is_malformed: bool = False
    """Its quotation marks do not close, or close too late."""


class CsvRows(NamedTuple):
    """Records that take one line each and have a cell for each column."""

    line: int
    """Where the first begins, from 1."""
    rows: list[list[str]]


def read_blocks(
    lines: Iterator[str], dialect: CsvDialect, width: int, first_line: int = 1
) -> Iterator[CsvRows | CsvRecord]:
    """Yield the records as `read_records` does, many at once where they are plain: five times as fast.

    A block of lines in which anything is out of the ordinary is read record by record. So is the rest of a file after
    a few of them.
    """
    line, attempts = first_line, _ATTEMPTS
    while block := list(islice(lines, BLOCK_LINES)):
        if attempts and (rows := _plain_rows(block, dialect, width)) is not None:
            yield CsvRows(line, rows)
            line += len(block)
            continue
        attempts -= attempts > 0
        ends = line + len(block)
        replayed: deque[str] = deque()
        for record in read_records(chain(block, lines), dialect, width, line, replayed):
            yield record
            line = record.line + record.lines
            if line >= ends and attempts and not replayed and not record.is_malformed:
                break


def _plain_rows(block: list[str], dialect: CsvDialect, width: int) -> list[list[str]] | None:
    """Return the cells of each line, None if one has not `width` of them, or is no record by itself."""
    try:
        rows = list(_reader(iter(block), dialect))
    except csv.Error:
        return None
    return rows if len(rows) == len(block) and set(map(len, rows)) == {width} else None


def read_records(
    lines: Iterator[str],
    dialect: CsvDialect,
    width: int | None = None,
    first_line: int = 1,
    replayed: deque[str] | None = None,
) -> Iterator[CsvRecord]:
    """Yield the records of the text whose lines, with their ends, are `lines`.

    Of `width` cells are records that swallowed other rows told by them: one of several lines that has another number of
    cells is malformed. `replayed` holds the lines that are to be read once more.
    """
    replayed = deque() if replayed is None else replayed
    pending: list[str] = []
    line = first_line

    def fed() -> Iterator[str]:
        while True:
            while replayed:
                pending.append(replayed.popleft())
                yield pending[-1]
            if (following := next(lines, None)) is None:
                return
            pending.append(following)
            yield following

    while True:
        reader = _reader(fed(), dialect)
        try:
            for cells in reader:
                taken = len(pending)
                if taken > 1 and (len(cells) != (width or len(cells)) or _swallowed(pending, len(cells), dialect)):
                    break
                yield CsvRecord(line, taken, cells)
                line += taken
                pending.clear()
            else:
                return
        except csv.Error:
            pass
        yield CsvRecord(line, 1, [], is_malformed=True)
        line += 1
        replayed.extendleft(reversed(pending[1:]))
        pending.clear()


def _reader(lines: Iterator[str], dialect: CsvDialect) -> Iterator[list[str]]:
    if dialect.quoting == "none":
        # Such a line has a field for each delimiter, whatever else it holds.
        return (line.rstrip("\r\n").split(dialect.delimiter) if line.strip("\r\n") else [] for line in lines)
    escape = "\\" if dialect.quoting == "escaped" else None
    return csv.reader(lines, delimiter=dialect.delimiter, doublequote=escape is None, escapechar=escape, strict=True)


def _swallowed(lines: Sequence[str], width: int, dialect: CsvDialect) -> bool:
    """Whether a record of several lines looks like several records, of `width` cells.

    The lines after the first are looked at, but for a last one that only closes the quotation: it has an odd number of
    marks. In a text that a customer wrote over several lines hardly one divides into just as many cells.
    """
    inner = lines[1:-1] if lines[-1].count('"') % 2 else lines[1:]
    if width < 2 or not inner:
        return False
    alike = [line for line in inner if line.count(dialect.delimiter) == width - 1]
    if len(alike) < len(inner) and (len(inner) <= _MANY_LINES or len(alike) <= len(inner) / 2):
        return False
    return any(sign.isdigit() for line in alike for sign in line)


def unquoted(cell: str) -> str:
    """Return a cell of a file that does not quote without the marks of one that is quoted well all the same."""
    if len(cell) < 2 or cell[0] != '"' or cell[-1] != '"':
        return cell
    inner = cell[1:-1].replace('""', "\0")
    return cell if '"' in inner else inner.replace("\0", '"')
