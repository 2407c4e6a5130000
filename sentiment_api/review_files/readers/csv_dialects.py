"""How the cells of a text file are divided: delimiter, quotation marks, and where the header is."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.options import ReadOptions
from sentiment_api.review_files.readers.csv_records import CsvDialect, CsvRecord, read_records
from sentiment_api.review_files.readers.headers import column_names, header_index

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_RECORDS = 200


class CsvLayout(NamedTuple):
    """How a file's rows are found."""

    dialect: CsvDialect
    names: list[str]
    first_line: int
    """Where the first row begins, from 1: after the header, and what stands above it."""
    title_rows: int


def find_layout(lines: Sequence[str], name: str, options: ReadOptions) -> CsvLayout:
    """Return the layout of the file `name` that begins with `lines`.

    Raises:
        ReviewFileInvalid: no delimiter divides the lines into cells, or no line names the columns.
    """
    if options.delimiter is not None and len(options.delimiter) != 1:
        raise ReviewFileInvalid(f"expected one character as --delimiter, or tab, found {options.delimiter!r}")
    stated = _stated_delimiter(lines)
    sample = lines[1:] if stated else lines
    delimiter = options.delimiter or stated or _most_regular(sample, name)
    escaped = any('\\"' in line for line in sample) and not _is_well_quoted(sample, CsvDialect(delimiter, "doubled"))
    dialect = CsvDialect(delimiter, "escaped" if escaped else "doubled")
    begun = 2 if stated else 1
    records = [record for record in _sample(sample, dialect, begun) if record.cells]
    rows = [record.cells for record in records]
    if options.header:
        return CsvLayout(dialect, column_names(_fitting(options.header, rows, name)), begun, 0)
    index = header_index(rows[:50])
    if index is None:
        raise ReviewFileInvalid(_no_header(rows, name))
    names = column_names(_with_row_names(rows[index], rows[index + 1 :]))
    return CsvLayout(dialect, names, records[index].line + records[index].lines, index)


def _stated_delimiter(lines: Sequence[str]) -> str | None:
    """Return what the line `sep=;` states, which spreadsheet programs write and read; None if there is none."""
    first = lines[0].strip().removeprefix("\ufeff").strip('"') if lines else ""
    return first[4] if len(first) == 5 and first.lower().startswith("sep=") else None


def _most_regular(lines: Sequence[str], name: str) -> str:
    """Return the delimiter by which most records have the same number of cells, at least two."""
    regular = {delimiter: _regularity(lines, delimiter) for delimiter in _DELIMITERS}
    # Where comma and semicolon fit alike, as in `4,5`, the header has none of the comma.
    best = max(regular, key=lambda delimiter: (regular[delimiter][0], delimiter in lines[0], regular[delimiter][1]))
    if regular[best][1] < 2:
        raise ReviewFileInvalid(
            f"cannot read {name}: expected a header line and rows of at least two cells, found no comma, semicolon, "
            "tab or bar that divides its lines; name what does with --delimiter"
        )
    return best


def _regularity(lines: Sequence[str], delimiter: str) -> tuple[float, int]:
    """Return the share of records with the most common number of cells, to a tenth, and that number."""
    widths = Counter(len(record.cells) for record in _sample(lines, CsvDialect(delimiter, "doubled")))
    width, records = max(widths.items(), key=lambda item: (item[0] > 1, item[1], item[0]), default=(0, 0))
    return (round(records / widths.total(), 1), width) if width > 1 else (0.0, width)


def _sample(lines: Sequence[str], dialect: CsvDialect, first_line: int = 1) -> Iterator[CsvRecord]:
    records = read_records(iter(lines), dialect, first_line=first_line)
    return islice((record for record in records if record.cells or record.is_malformed), _SAMPLE_RECORDS)


def _is_well_quoted(lines: Sequence[str], dialect: CsvDialect) -> bool:
    return not any(record.is_malformed for record in read_records(iter(lines), dialect))


def _fitting(names: tuple[str, ...], rows: Sequence[Sequence[str]], name: str) -> tuple[str, ...]:
    widest = max(map(len, rows), default=0)
    if len(names) < widest:
        raise ReviewFileInvalid(
            f"expected a name for each of the {widest} columns of {name}, found {len(names)} in --columns; names that "
            "are not needed may be empty"
        )
    return names


def _with_row_names(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the header, filled up for the row names of R, whose column has no name in the header."""
    lengths = Counter(map(len, rows))
    is_short = bool(lengths) and lengths.most_common(1)[0][0] == len(header) + 1 and lengths[len(header)] == 0
    return ["", *header] if is_short else list(header)


def _no_header(rows: Sequence[Sequence[str]], name: str) -> str:
    width = max(map(len, rows), default=0)
    longest = [max((len(row[place]) for row in rows if place < len(row)), default=0) for place in range(width)]
    text = longest.index(max(longest)) if longest else 0
    example = ",".join("text" if place == text else "" for place in range(max(width, 2)))
    return (
        f"expected a header line in {name}, found none; name its {width} columns in order, those that are not needed "
        f"empty, such as --columns {example}, with text and rating or label"
    )
