"""Reads csv and tsv files, plain or zipped, with Arrow: in blocks, every cell as text.

As text because a product id such as 0439023483 is no number. A csv cell may hold line breaks when it is quoted. Tsv
does not quote (https://www.iana.org/assignments/media-types/text/tab-separated-values): a mark that opens a cell and
never closes is a character. What programs quote all the same, within one line, is told by its form.
"""

import codecs
import csv
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.decoding import UnzippedFile, is_zipped
from sentiment_api.review_files.libraries import pa, pl
from sentiment_api.review_files.row_batches import BATCH_ROWS, ReadOptions, RowBatch, with_roles

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_BLOCK_BYTES = 2 << 20
"""Read at once; a row must be shorter. Arrow reads up to 32 of them ahead."""
_WRONG_ROW = re.compile(r"Row #([0-9]+): Expected ([0-9]+) columns, got ([0-9]+)")
"""In Arrow's message, which counts the header and goes on to quote the row."""
_QUOTED = r'^"(?:[^"]|"")*"$'


def csv_columns(source: Path, options: ReadOptions) -> list[str]:
    """Return the names in the header.

    Raises:
        ReviewFileInvalid: there is no header.
    """
    header = _header(source, options)
    if not header.strip():
        raise ReviewFileInvalid(f"cannot read {source}: expected a header line, found none")
    parsing = _parse_options(source, header)
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if parsing.quote_char else csv.QUOTE_NONE
    # Not with Arrow: its thread may outlive Python, and aborts the process when it gives Python's bytes back then.
    try:
        return next(csv.reader([header], delimiter=parsing.delimiter, quoting=quoting))
    except csv.Error as error:
        raise ReviewFileInvalid(f"cannot read {source}: expected a header line, found something else") from error


def csv_batches(source: Path, options: ReadOptions, columns: Mapping[str, str]) -> Iterator[RowBatch]:
    """Yield the rows of the file.

    Raises:
        ReviewFileInvalid: a row has more or fewer cells than the header.
    """
    wrong: list[int] = []

    def skip(row: Any) -> str:  # noqa: ANN401 - pyarrow is untyped
        wrong.append(row.number)
        return "skip"

    first = 1
    # Arrow's threads hold it too: what is said of their files in `_opened` holds for this.
    parsing = _parse_options(source, _header(source, options), skip if options.skip_bad_rows else None)
    unquoted = [] if parsing.quote_char else [_unquoted(column) for column in columns.values()]
    with _opened(source) as (file, share):
        try:
            for block in _reader(file, options, columns, parsing):
                frame = pl.DataFrame(pa.Table.from_batches([block])).with_columns(unquoted)
                for part in with_roles(frame, columns).iter_slices(BATCH_ROWS):
                    yield RowBatch(part, range(first, first + len(part)), len(wrong), share())
                    first += len(part) + len(wrong)
                    wrong.clear()
            if wrong:
                none = pl.DataFrame(schema=dict.fromkeys(columns.values(), pl.String))
                yield RowBatch(with_roles(none, columns), (), len(wrong), 1.0)
        except pa.ArrowInvalid as error:
            if (found := _WRONG_ROW.search(str(error))) is None:
                raise
            number, expected, cells = map(int, found.groups())
            raise ReviewFileInvalid(
                f"{source}: row {number - 1} has {cells} cells where the header has {expected}; mend it or give "
                "--skip-bad-rows to leave it out"
            ) from error


def _unquoted(column: str) -> pl.Expr:
    """Return the cells without the quotes of those that are quoted well: all inner marks doubled."""
    cell = pl.col(column)
    inner = cell.str.strip_prefix('"').str.strip_suffix('"').str.replace_all('""', '"', literal=True)
    return pl.when(cell.str.contains(_QUOTED)).then(inner).otherwise(cell).alias(column)


@contextmanager
def _opened(source: Path) -> Iterator[tuple[Any, Callable[[], float]]]:
    """Yield an open file of Arrow's, unzipped, and what tells how much of it has been read.

    Not a file of Python's: Arrow reads ahead in a thread of its own, and a process that ends with an error while that
    thread waits for Python's lock is aborted (4 of 450 times on a busy machine). Other encodings than UTF-8 are still
    decoded by Python there.
    """
    with pa.OSFile(str(source)) as raw:
        size = max(raw.size(), 1)
        with pa.CompressedInputStream(raw, "gzip") if is_zipped(source) else nullcontext(raw) as file:
            yield file, lambda: min(1.0, raw.tell() / size)


def _reader(file: Any, options: ReadOptions, columns: Mapping[str, str], parsing: Any) -> Any:  # noqa: ANN401 - pyarrow is untyped
    names = list(columns.values())
    return pa.csv.open_csv(
        file,
        read_options=pa.csv.ReadOptions(block_size=_BLOCK_BYTES, encoding=options.encoding, use_threads=False),
        parse_options=parsing,
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            include_columns=names,
            strings_can_be_null=True,
            null_values=[""],
        ),
    )


def _header(source: Path, options: ReadOptions) -> str:
    with UnzippedFile(source) as file:
        return codecs.getreader(options.encoding)(file.content).readline().removeprefix("\ufeff")


def _parse_options(source: Path, header: str, skip: Any = None) -> Any:  # noqa: ANN401 - pyarrow is untyped
    name = source.name.lower().removesuffix(".gz")
    delimiter = next(each for ending, each in _DELIMITERS.items() if name.endswith(ending))
    # Where the comma is the decimal point, spreadsheet programs part the cells of a csv file with semicolons.
    if delimiter not in header and ";" in header:
        delimiter = ";"
    is_quoted = delimiter != "\t"
    return pa.csv.ParseOptions(
        delimiter=delimiter,
        quote_char='"' if is_quoted else False,
        newlines_in_values=is_quoted,
        invalid_row_handler=skip,
    )
