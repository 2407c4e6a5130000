"""The forms of review files: which reader reads which file, by the ending of its name.

To add a form, write its reader as `parquet_files.py` does, and name it in `FORMATS`.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.columns import match_columns
from sentiment_api.review_files.csv_files import csv_batches, csv_columns
from sentiment_api.review_files.decoding import errors_translated
from sentiment_api.review_files.json_lines import json_batches, json_columns
from sentiment_api.review_files.parquet_files import parquet_batches, parquet_columns
from sentiment_api.review_files.row_batches import ReadOptions, RowBatch


class FileFormat(NamedTuple):
    """The reader of one form: `columns` names what a file has, `batches` yields its rows."""

    columns: Callable[[Path, ReadOptions], list[str]]
    batches: Callable[[Path, ReadOptions, Mapping[str, str]], Iterator[RowBatch]]
    """Its last argument is the file's column of each role; the others need not be read."""


_PARQUET = FileFormat(parquet_columns, parquet_batches)
_CSV = FileFormat(csv_columns, csv_batches)
_JSON_LINES = FileFormat(json_columns, json_batches)
FORMATS: dict[str, FileFormat] = {
    ".parquet": _PARQUET,
    ".csv": _CSV,
    ".csv.gz": _CSV,
    ".tsv": _CSV,
    ".tsv.gz": _CSV,
    ".jsonl": _JSON_LINES,
    ".jsonl.gz": _JSON_LINES,
    ".json": _JSON_LINES,
    ".json.gz": _JSON_LINES,
    ".ndjson": _JSON_LINES,
    ".ndjson.gz": _JSON_LINES,
}
"""By the ending of a file's name, in lower case; of several that fit the longest counts."""


class ReviewFile(NamedTuple):
    """A file whose columns are known, and the way to its rows."""

    source: Path
    ending: str
    columns: dict[str, str]
    """By role."""
    batches: Callable[[], Iterator[RowBatch]]

    @property
    def name(self) -> str:
        """The file's name without its ending: the category of its rows, unless they have one."""
        return self.source.name[: -len(self.ending)]


def open_review_file(source: Path, options: ReadOptions) -> ReviewFile:
    """Return the file with its columns matched; its rows are read when `batches` is called.

    Raises:
        ReviewFileInvalid: the ending is unknown, the file cannot be read, or it lacks a column.
    """
    ending = max((each for each in FORMATS if source.name.lower().endswith(each)), key=len, default="")
    if not ending:
        raise ReviewFileInvalid(f"expected a file ending in {', '.join(FORMATS)}, found {source}")
    file_format = FORMATS[ending]
    with errors_translated(source, options.encoding):
        columns = match_columns(file_format.columns(source, options), options.columns, source)

    def batches() -> Iterator[RowBatch]:
        with errors_translated(source, options.encoding):
            yield from file_format.batches(source, options, columns)

    return ReviewFile(source, ending, columns, batches)
