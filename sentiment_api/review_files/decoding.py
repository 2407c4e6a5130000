"""The bytes of a file: unzipped, decoded, and what can go wrong with them told without quoting a review."""

import codecs
import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Self, cast

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.libraries import pa, pl

_DAMAGED = (gzip.BadGzipFile, EOFError, zlib.error)
"""What unzipping raises for bytes that were changed or cut off."""


class UnzippedFile:
    """An open file, unzipped when its name ends in .gz, that knows how much of it has been read."""

    def __init__(self, source: Path) -> None:
        self._raw = source.open("rb")
        self._size = max(os.fstat(self._raw.fileno()).st_size, 1)
        self.content = cast("IO[bytes]", gzip.GzipFile(fileobj=self._raw) if is_zipped(source) else self._raw)

    @property
    def share(self) -> float:
        """Of the file that has been read, 0 to 1."""
        return min(1.0, self._raw.tell() / self._size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.content.close()
        self._raw.close()


def is_zipped(source: Path) -> bool:
    """Return whether the file's name says that it is zipped."""
    return source.name.lower().endswith(".gz")


@contextmanager
def errors_translated(source: Path, encoding: str) -> Iterator[None]:
    """Turn what libraries raise about the file `source` into errors that say what to do. None quotes a review.

    Raises:
        ReviewFileInvalid: the file cannot be read.
    """
    try:
        yield
    except UnicodeError as error:
        raise _not_in_encoding(source, encoding) from error
    except LookupError as error:
        raise ReviewFileInvalid(f"expected the name of an encoding such as latin-1, found {encoding!r}") from error
    except (pa.ArrowException, pl.exceptions.PolarsError) as error:
        # Arrow's messages name the row but quote it too.
        if "invalid UTF8" in str(error):
            raise _not_in_encoding(source, encoding) from error
        raise ReviewFileInvalid(f"cannot read {source}: {str(error).split(':')[0][:120]}") from error
    except _DAMAGED as error:
        raise ReviewFileInvalid(f"cannot read {source}: {error}; copy it once more, or zip it again") from error
    except OSError as error:
        # Arrow's own of zipped bytes that were changed or cut off has no number, which the system's have.
        remedy = "; copy it once more, or zip it again" if error.errno is None else ""
        raise ReviewFileInvalid(f"cannot read {source}: {error.strerror or error}{remedy}") from error


def _not_in_encoding(source: Path, encoding: str) -> ReviewFileInvalid:
    place = None
    with suppress(*_DAMAGED):
        place = _first_undecodable(source, encoding)
    where = "" if place is None else f": line {place[0]}, byte {place[1]} of the file"
    return ReviewFileInvalid(
        f"expected {encoding} in {source}, found something else{where}; name the file's encoding, such as "
        "--encoding latin-1"
    )


def _first_undecodable(source: Path, encoding: str) -> tuple[int, int] | None:
    """Return the line and the byte, both from 1, of the unzipped file where `encoding` first fails; None if nowhere.

    Raises:
        BadGzipFile, EOFError, zlib.error: the file is damaged.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = read = 0
    with UnzippedFile(source) as file:
        while True:
            pending = len(decoder.getstate()[0])
            block = file.content.read(1 << 20)
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                return lines + error.object[: error.start].count(b"\n") + 1, read - pending + error.start + 1
            except UnicodeError:  # UTF-16 without its mark
                return 1, 1
            lines, read = lines + block.count(b"\n"), read + len(block)
            if not block:
                return None
