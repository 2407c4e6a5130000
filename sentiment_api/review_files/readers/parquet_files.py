"""Reads parquet files, a few row groups at a time. The smallest of the readers: the one to begin a new form with."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.libraries import pa, pl
from sentiment_api.review_files.options import ReadOptions
from sentiment_api.review_files.readers.inputs import Input
from sentiment_api.review_files.tables import BATCH_ROWS, CellBatch


def parquet_tables(source: Input, options: ReadOptions) -> list["ParquetTable"]:  # noqa: ARG001 - as all readers
    """Return the one table of the file.

    Raises:
        ReviewFileInvalid: the file is damaged.
    """
    return [ParquetTable(source)]


class ParquetTable:
    """The rows of a parquet file; members of structs are columns of their own, lists are none."""

    def __init__(self, source: Input) -> None:
        self.name, self.category, self._source = source.name, source.category, source
        with self._opened() as file:
            leaves = [file.schema.column(index) for index in range(len(file.schema.names))]
            self.columns: Sequence[str] = [leaf.path for leaf in leaves if leaf.max_repetition_level == 0]

    @property
    def form(self) -> dict[str, Any]:
        """See `ReviewTable`."""
        return {"form": "parquet"} | ({"packed": self._source.packed} if self._source.packed else {})

    def batches(self, columns: Sequence[str]) -> Iterator[CellBatch]:
        """See `ReviewTable`."""
        with self._opened() as file:
            total, first = file.metadata.num_rows, 1
            for batch in file.iter_batches(BATCH_ROWS, columns=list(columns), use_threads=False):
                cells = self._cells(pa.Table.from_batches([batch]), columns)
                yield CellBatch(cells, range(first, first + len(cells)), 0, (first - 1 + len(cells)) / max(total, 1))
                first += len(cells)
            if first - 1 != total:
                raise ReviewFileInvalid(f"expected {total} rows in {self.name}, read {first - 1}; copy it once more")

    def _cells(self, table: Any, columns: Sequence[str]) -> pl.DataFrame:  # noqa: ANN401 - pyarrow is untyped
        try:
            return _cells(table, columns)
        except (KeyError, pl.exceptions.PolarsError) as error:
            raise ReviewFileInvalid(
                f"cannot read {self.name}: expected text in the columns {', '.join(columns)}, found bytes or two "
                "columns of one name; name others with --column"
            ) from error

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """Yield the open file. By its path: Arrow's threads must not hold Python's files when the process ends."""
        with self._source.path() as path:
            try:
                with pa.parquet.ParquetFile(path, pre_buffer=False) as file:
                    yield file
            except (pa.ArrowException, OSError) as error:
                reason = str(error).split(":")[0][:120]
                raise ReviewFileInvalid(
                    f"cannot read {self.name}: it is damaged or cut off ({reason}); copy it once more"
                ) from error


def _cells(table: Any, columns: Sequence[str]) -> pl.DataFrame:  # noqa: ANN401 - pyarrow is untyped
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    frame = pl.DataFrame(table.select(list(columns)))
    return frame.select(
        pl.col(name) if _is_moment(dtype) else pl.col(name).cast(pl.String) for name, dtype in frame.schema.items()
    )


def _is_moment(dtype: pl.DataType) -> bool:
    return dtype == pl.Date or isinstance(dtype, pl.Datetime)
