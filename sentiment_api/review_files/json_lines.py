"""Reads files of one JSON object per line, plain or zipped."""

import codecs
import io
import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import IO, Any

import msgspec

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.decoding import UnzippedFile
from sentiment_api.review_files.libraries import pl
from sentiment_api.review_files.row_batches import BATCH_ROWS, ReadOptions, RowBatch, as_texts, with_roles

_LINES_FOR_COLUMNS = 1_000


def json_columns(source: Path, options: ReadOptions) -> list[str]:
    """Return the keys of the first lines' objects.

    Raises:
        ReviewFileInvalid: there is none, or a line is no object.
    """
    keys: dict[str, None] = {}
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    with UnzippedFile(source) as file:
        for number, line in enumerate(islice(_lines(file.content, options), _LINES_FOR_COLUMNS), start=1):
            if not line.strip():
                continue
            if (row := _row(line, decode)) is None:
                _refuse_unless_skipped(source, number, options)
            else:
                keys.update(dict.fromkeys(row))
    if not keys:
        raise ReviewFileInvalid(f"cannot read {source}: expected one JSON object per line, found none")
    return list(keys)


def json_batches(source: Path, options: ReadOptions, columns: Mapping[str, str]) -> Iterator[RowBatch]:
    """Yield the rows of the file.

    Raises:
        ReviewFileInvalid: a line is no JSON object.
    """
    # Only what is needed is decoded: the other fields of such files are long.
    row_type = msgspec.defstruct("Row", [(role, Any, None) for role in columns], rename=dict(columns))
    decode = msgspec.json.Decoder(row_type).decode
    held: list[Any] = []
    numbers: list[int] = []
    unreadable = 0
    with UnzippedFile(source) as file:
        for number, line in enumerate(_lines(file.content, options), start=1):
            if len(held) == BATCH_ROWS:
                yield RowBatch(_frame(held, columns), numbers, unreadable, file.share)
                held, numbers, unreadable = [], [], 0
            if not line.strip():
                continue
            if (row := _row(line, decode)) is not None:
                held.append(row)
                numbers.append(number)
            else:
                _refuse_unless_skipped(source, number, options)
                unreadable += 1
    yield RowBatch(_frame(held, columns), numbers, unreadable, 1.0)


def _lines(file: IO[bytes], options: ReadOptions) -> Iterator[bytes]:
    if codecs.lookup(options.encoding).name == "utf-8":
        for line in file:
            yield line.removeprefix(codecs.BOM_UTF8)
    else:
        # Not a reader of `codecs`, which ends lines at U+0085 and U+2028 too: JSON may hold them as they are.
        with io.TextIOWrapper(file, options.encoding, newline="\n") as texts:
            for text in texts:
                yield text.encode()


def _row(line: bytes, decode: Any) -> Any:  # noqa: ANN401 - a dictionary or a row
    """Return what `decode` makes of the line, None if it is no object."""
    try:
        return decode(line)
    except msgspec.DecodeError:
        pass
    try:
        # A lone half of a surrogate pair, in which texts cut by length end, is legal to the standard library alone.
        return decode(json.dumps(json.loads(line), ensure_ascii=False).encode(errors="ignore"))
    except (ValueError, RecursionError):
        return None


def _refuse_unless_skipped(source: Path, number: int, options: ReadOptions) -> None:
    if not options.skip_bad_rows:
        raise ReviewFileInvalid(
            f"cannot read {source}: expected one JSON object per line, found something else in line {number}; mend it "
            "or give --skip-bad-rows to leave it out"
        )


def _frame(rows: list[Any], columns: Mapping[str, str]) -> pl.DataFrame:
    frame = pl.DataFrame({role: as_texts([getattr(row, role) for row in rows]) for role in columns})
    return with_roles(frame, {role: role for role in columns})
