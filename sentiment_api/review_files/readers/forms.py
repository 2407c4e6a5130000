"""The forms of review files: which reader reads what, told by the first bytes of a file and not by its name.

To add a form, write its reader as `parquet_files.py` does, and name it in `_reader`.
"""

import codecs
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePath

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.options import ReadOptions
from sentiment_api.review_files.readers.chained import chained
from sentiment_api.review_files.readers.csv_files import csv_tables
from sentiment_api.review_files.readers.inputs import Input, open_inputs
from sentiment_api.review_files.readers.json_files import json_tables
from sentiment_api.review_files.readers.parquet_files import parquet_tables
from sentiment_api.review_files.readers.queries import is_database, query_result
from sentiment_api.review_files.readers.spreadsheets import spreadsheet_tables
from sentiment_api.review_files.tables import ReviewTable

Reader = Callable[[Input, ReadOptions], Sequence[ReviewTable]]
_OTHER_FORMS = {
    b"%PDF": "a PDF", b"\x89PNG": "a picture", b"\xff\xd8\xff": "a picture", b"GIF8": "a picture",
    b"SQLite format 3": "an SQLite database (name it as sqlite:///FILE, with --query)", b"ARROW1": "an Arrow file",
    b"ORC": "an ORC file", b"Obj\x01": "an Avro file", b"7z\xbc\xaf": "a 7z archive", b"Rar!": "a RAR archive",
    b"RDX": "an R data file", b"\x89HDF": "an HDF5 file", b"\x80\x04": "a pickle", b"<!DOCTYPE": "a web page",
    b"<html": "a web page",
}  # fmt: skip
"""By their first bytes, what people name by mistake."""
_SHEET_MARKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


@contextmanager
def open_tables(source: str, options: ReadOptions) -> Iterator[list[ReviewTable]]:
    """Yield the tables of a file, a folder, a pattern, standard input (`-`) or a database.

    Raises:
        ReviewFileInvalid: there is none, or one cannot be read.
    """
    if is_database(source):
        with query_result(source, options) as result:
            yield list(parquet_tables(result, options))
        return
    with open_inputs(source) as inputs:
        tables = [table for each in inputs for table in _reader(each)(each, options)]
        yield chained(tables, PurePath(source).name)


def _reader(source: Input) -> Reader:
    """Return the reader of the form that a file has.

    Raises:
        ReviewFileInvalid: it has none that is read.
    """
    with source.open() as opened:
        begin = opened.content.read(4096)
    if begin.startswith(b"PAR1"):
        return parquet_tables
    if begin.startswith(_SHEET_MARKS):
        return spreadsheet_tables
    if (found := next((what for mark, what in _OTHER_FORMS.items() if begin.startswith(mark)), None)) is not None:
        raise ReviewFileInvalid(f"expected csv, JSON, parquet or a spreadsheet, found {found} in {source.name}")
    plain = begin.removeprefix(codecs.BOM_UTF8).replace(b"\0", b"").lstrip(b"\xff\xfe").lstrip()
    if not plain:
        raise ReviewFileInvalid(f"expected reviews in {source.name}, found an empty file")
    return json_tables if plain.startswith((b"{", b"[")) else csv_tables
