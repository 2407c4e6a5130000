"""Ratings files of every form, read in batches: never a whole one in memory.

What the values mean is decided in `values` and `cleaning`.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.parquet

from sentiment_train.errors import UnusableData
from sentiment_train.preparation.columns import match_columns
from sentiment_train.preparation.csv_files import DELIMITERS, csv_batches, csv_columns
from sentiment_train.preparation.json_lines import line_batches, line_columns
from sentiment_train.preparation.sources import BATCH_ROWS, Batch, Reading, rows_of, translated


class _Form(NamedTuple):
    """How files of one form are read."""

    columns: Callable[[Path, Reading], list[str]]
    batches: Callable[[Path, Reading, Mapping[str, str]], Iterator[Batch]]


class Opened(NamedTuple):
    """A file whose columns are known, and the way to its rows."""

    source: Path
    ending: str
    columns: dict[str, str]
    """By role."""
    batches: Callable[[], Iterator[Batch]]

    @property
    def name(self) -> str:
        """The file's name without its ending: the category of its rows, unless they have one."""
        return self.source.name[: -len(self.ending)]


def open_ratings(source: Path, reading: Reading) -> Opened:
    """Return the file with its columns matched; its rows are read when `batches` is called.

    Raises:
        UnusableData: the ending is unknown, the file cannot be read, or it lacks a column.
    """
    ending = max((each for each in FORMS if source.name.lower().endswith(each)), key=len, default="")
    if not ending:
        raise UnusableData(f"expected a file ending in {', '.join(FORMS)}, found {source}")
    form = FORMS[ending]
    with translated(source, reading):
        columns = match_columns(form.columns(source, reading), reading.columns, source)

    def batches() -> Iterator[Batch]:
        with translated(source, reading):
            yield from form.batches(source, reading, columns)

    return Opened(source, ending, columns, batches)


def _parquet_columns(source: Path, reading: Reading) -> list[str]:  # noqa: ARG001 - as all forms
    with pa.parquet.ParquetFile(source) as file:
        names: list[str] = file.schema_arrow.names
        return names


def _parquet_batches(source: Path, reading: Reading, columns: Mapping[str, str]) -> Iterator[Batch]:  # noqa: ARG001 - as all forms
    with pa.parquet.ParquetFile(source, pre_buffer=False) as file:
        total, first = max(file.metadata.num_rows, 1), 1
        for batch in file.iter_batches(BATCH_ROWS, columns=list(columns.values()), use_threads=False):
            rows = rows_of(pl.DataFrame(pa.Table.from_batches([batch])), columns)
            yield Batch(rows, range(first, first + len(rows)), 0, (first - 1 + len(rows)) / total)
            first += len(rows)


_CSV = _Form(csv_columns, csv_batches)
_JSON_LINES = _Form(line_columns, line_batches)
FORMS: dict[str, _Form] = {
    ".parquet": _Form(_parquet_columns, _parquet_batches),
    **{ending + zipped: _CSV for ending in DELIMITERS for zipped in ("", ".gz")},
    **{ending + zipped: _JSON_LINES for ending in (".jsonl", ".json", ".ndjson") for zipped in ("", ".gz")},
}
"""By the ending of a file's name."""
