"""Reads parquet files, a few row groups at a time. The smallest of the readers: the one to begin a new form with."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from sentiment_api.review_files.libraries import pa, pl
from sentiment_api.review_files.row_batches import BATCH_ROWS, ReadOptions, RowBatch, with_roles


def parquet_columns(source: Path, options: ReadOptions) -> list[str]:  # noqa: ARG001 - as all readers
    """Return the names of the file's columns."""
    with pa.parquet.ParquetFile(source) as file:
        names: list[str] = file.schema_arrow.names
        return names


def parquet_batches(source: Path, options: ReadOptions, columns: Mapping[str, str]) -> Iterator[RowBatch]:  # noqa: ARG001 - as all readers
    """Yield the rows of the file, only the columns that have a role."""
    with pa.parquet.ParquetFile(source, pre_buffer=False) as file:
        total, first = max(file.metadata.num_rows, 1), 1
        for batch in file.iter_batches(BATCH_ROWS, columns=list(columns.values()), use_threads=False):
            rows = with_roles(pl.DataFrame(pa.Table.from_batches([batch])), columns)
            yield RowBatch(rows, range(first, first + len(rows)), 0, (first - 1 + len(rows)) / total)
            first += len(rows)
