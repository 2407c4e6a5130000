"""What `prepare` lays down on disk while it works, so that its memory does not grow with the rows.

A `RowStore` holds rows as they came, texts included, to be read once more in the same order. A `ColumnStore` holds
numbers of every row, a file for each column, to be loaded whole one column at a time: 80 MB for 64 bits of 10 million
rows.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray


class ColumnStore:
    """Columns of numbers in files of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, IO[bytes]] = {}
        self._types: dict[str, np.dtype[Any]] = {}
        self.rows = 0

    def append(self, columns: dict[str, NDArray[Any]]) -> None:
        """Add the same number of rows to every column; each column keeps the type that it begins with."""
        for name, array in columns.items():
            if name not in self._files:
                self._files[name] = (self._folder / f"{name}.column").open("wb", buffering=0)
                self._types[name] = array.dtype
            # Not ndarray.tofile, whose error does not say that the disk is full.
            _write_all(self._files[name], np.ascontiguousarray(array, dtype=self._types[name]).tobytes())
        self.rows += len(next(iter(columns.values())))

    def load(self, name: str) -> NDArray[Any]:
        """Return a whole column, `(rows,)`."""
        return np.fromfile(self._folder / f"{name}.column", dtype=self._types[name])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()


def _write_all(file: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


class RowStore:
    """Rows in files of one folder, each named by a key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, Any] = {}
        self._open = ExitStack()

    def append(self, key: str, rows: pl.DataFrame) -> None:
        """Add rows to the file `key`; all rows of a file have the same columns."""
        table = to_arrow(rows)
        if key not in self._writers:
            file = self._open.enter_context((self._folder / f"{key}.rows").open("wb"))
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._writers[key] = self._open.enter_context(pa.ipc.new_stream(file, table.schema, options=options))
        self._writers[key].write_table(table)

    def close(self) -> None:
        """Finish all files; they can be read from then on."""
        self._open.close()

    def batches(self, key: str) -> Iterator[pl.DataFrame]:
        """Yield the rows of the file `key` as they were added, and remove the file when all are read."""
        path = self._folder / f"{key}.rows"
        if not path.exists():
            return
        with path.open("rb") as file, pa.ipc.open_stream(file) as stream:
            for batch in stream:
                yield pl.DataFrame(pa.Table.from_batches([batch]))
        path.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()


def to_arrow(rows: pl.DataFrame) -> Any:  # noqa: ANN401 - pyarrow is untyped
    """Return the rows as an Arrow table of plain types."""
    return rows.to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks()
