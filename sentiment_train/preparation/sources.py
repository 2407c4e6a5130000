"""What all forms of ratings files have in common: how they are to be read, what a batch is, and what can go wrong."""

import codecs
import gzip
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple, Self, cast

import msgspec
import polars as pl
import pyarrow as pa

from sentiment_train.errors import UnusableData
from sentiment_train.preparation.columns import ROLES

BATCH_ROWS = 32_768
_DAMAGED = (gzip.BadGzipFile, EOFError, zlib.error)
"""What unzipping raises for bytes that were changed or cut off."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How files are to be read."""

    columns: dict[str, str] = {}
    """By role, where the known names do not hold."""
    encoding: str = "utf-8"
    """Of csv, tsv and jsonl files."""
    skip_bad_rows: bool = False
    """Count and leave out what cannot be read, where it would stop the work otherwise."""


class Batch(NamedTuple):
    """Some rows of a file, in its order."""

    rows: pl.DataFrame
    """The columns of `ROLES`, null where the file has none: text, but for a timestamp that the file keeps as one."""
    numbers: Sequence[int]
    """Of the rows in the file, from 1: a header does not count; in files of JSON the number of the line."""
    unreadable: int
    """Rows left out since the last batch, because they are no rows at all."""
    share: float
    """Of the file that has been read now, 0 to 1."""


class Bytes:
    """An open file, unzipped when its name ends in .gz, that knows how much of it has been read."""

    def __init__(self, source: Path) -> None:
        self._raw = source.open("rb")
        self._size = max(os.fstat(self._raw.fileno()).st_size, 1)
        is_zipped = source.name.lower().endswith(".gz")
        self.file = cast("IO[bytes]", gzip.GzipFile(fileobj=self._raw) if is_zipped else self._raw)

    @property
    def share(self) -> float:
        """Of the file that has been read, 0 to 1."""
        return min(1.0, self._raw.tell() / self._size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self._raw.close()


def rows_of(frame: pl.DataFrame, columns: Mapping[str, str]) -> pl.DataFrame:
    """Return the columns of `frame`, whose names `columns` gives by role, in the form of `Batch.rows`."""
    return frame.select(_role(frame, columns.get(role), role) for role in ROLES)


def _role(frame: pl.DataFrame, column: str | None, role: str) -> pl.Expr:
    if column is None:
        return pl.lit(None, pl.String).alias(role)
    if role == "timestamp" and frame.schema[column] in {pl.Date, pl.Datetime}:
        return pl.col(column).alias(role)
    return pl.col(column).cast(pl.String).alias(role)


def shown(value: str, longest: int = 24) -> str:
    """Return `value` for a message, or only its length when it could be the text of a review."""
    return repr(value) if len(value) <= longest else f"a text of {len(value)} characters"


@contextmanager
def translated(source: Path, reading: Reading) -> Iterator[None]:
    """Turn what libraries raise about the file `source` into errors that say what to do. None quotes a review."""
    try:
        yield
    except UnicodeError as error:
        raise _not_in_encoding(source, reading) from error
    except LookupError as error:
        raise UnusableData(f"expected the name of an encoding such as latin-1, found {reading.encoding!r}") from error
    except (pa.ArrowException, pl.exceptions.PolarsError) as error:
        # Arrow's messages name the row but quote it too.
        if "invalid UTF8" in str(error):
            raise _not_in_encoding(source, reading) from error
        raise UnusableData(f"cannot read {source}: {str(error).split(':')[0][:120]}") from error
    except _DAMAGED as error:
        raise UnusableData(f"cannot read {source}: {error}; copy it once more, or zip it again") from error
    except OSError as error:
        # Arrow's own of zipped bytes that were changed or cut off has no number, which the system's have.
        remedy = "; copy it once more, or zip it again" if error.errno is None else ""
        raise UnusableData(f"cannot read {source}: {error.strerror or error}{remedy}") from error


def _not_in_encoding(source: Path, reading: Reading) -> UnusableData:
    place = None
    with suppress(*_DAMAGED):
        place = first_undecodable(source, reading.encoding)
    where = "" if place is None else f": line {place[0]}, byte {place[1]} of the file"
    return UnusableData(
        f"expected {reading.encoding} in {source}, found something else{where}; name the file's encoding, such as "
        "--encoding latin-1"
    )


def first_undecodable(source: Path, encoding: str) -> tuple[int, int] | None:
    """Return the line and the byte, both from 1, of the unzipped file where `encoding` first fails; None if nowhere.

    Raises:
        BadGzipFile, EOFError, zlib.error: the file is damaged.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = read = 0
    with Bytes(source) as opened:
        while True:
            pending = len(decoder.getstate()[0])
            block = opened.file.read(1 << 20)
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                return lines + error.object[: error.start].count(b"\n") + 1, read - pending + error.start + 1
            except UnicodeError:  # UTF-16 without its mark
                return 1, 1
            lines, read = lines + block.count(b"\n"), read + len(block)
            if not block:
                return None


def as_series(values: Sequence[object]) -> pl.Series:
    """Return `values` of any types as texts; None stays null."""
    return pl.Series(
        [value if value is None or isinstance(value, str) else str(value) for value in values], dtype=pl.String
    )
