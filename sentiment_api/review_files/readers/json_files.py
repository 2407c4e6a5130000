"""Reads JSON: an object per line, an array of objects, or objects somewhere within one document."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import msgspec

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.options import ReadOptions
from sentiment_api.review_files.readers.encodings import TextForm, open_text, text_form
from sentiment_api.review_files.readers.inputs import Input
from sentiment_api.review_files.readers.json_documents import array_items, rows_within
from sentiment_api.review_files.readers.nested import cells, leaves
from sentiment_api.review_files.tables import BATCH_ROWS, CellBatch

_ROWS_FOR_COLUMNS = 1_000
_NumberedRow = tuple[int, dict[str, Any] | None]
"""Line or place from 1, and the row; None for what is no object."""


def json_tables(source: Input, options: ReadOptions) -> list["JsonTable"]:
    """Return the one table of the file.

    Raises:
        ReviewFileInvalid: it holds no objects.
    """
    form = text_form(source, options.encoding, may_be_damaged=options.skip_bad_rows)
    return [JsonTable(source, form, options)]


class JsonTable:
    """The objects of a file; members of objects within them are columns of their own, lists are none."""

    def __init__(self, source: Input, form: TextForm, options: ReadOptions) -> None:
        self.name, self.category = source.name, source.category
        self._source, self._text, self._skip_bad_rows = source, form, options.skip_bad_rows
        self._layout, self._rows_under, self._document = self._find_layout()
        self._opened: Counter[str] = Counter()
        with self._rows(None) as (rows, _):
            first = [row for _, row in islice(rows, _ROWS_FOR_COLUMNS) if row is not None]
        self._paths = leaves(first)
        self.columns: Sequence[str] = list(self._paths)
        if not self._paths:
            raise ReviewFileInvalid(f"cannot read {self.name}: expected JSON objects with the reviews, found none")

    @property
    def form(self) -> dict[str, Any]:
        """See `ReviewTable`."""
        found: dict[str, Any] = {"form": self._layout, "encoding": self._text.encoding}
        if self._source.packed:
            found["packed"] = self._source.packed
        if self._rows_under:
            found["rows_under"] = self._rows_under
        if opened := dict(+self._opened):
            found["objects_in_place_of_values"] = opened
        return found

    def batches(self, columns: Sequence[str]) -> Iterator[CellBatch]:
        """See `ReviewTable`: what is no object stops the work, or is counted."""
        paths = {name: self._paths[name] for name in columns}
        self._opened.clear()
        held: list[Any] = []
        numbers: list[int] = []
        unreadable = 0
        with self._rows([path[0] for path in paths.values()]) as (rows, share):
            for number, row in rows:
                if row is None:
                    self._refuse_unless_skipped(number)
                    unreadable += 1
                    continue
                held.append(row)
                numbers.append(number)
                if len(held) == BATCH_ROWS:
                    yield CellBatch(cells(held, paths, self._opened), numbers, unreadable, share())
                    held, numbers, unreadable = [], [], 0
        yield CellBatch(cells(held, paths, self._opened), numbers, unreadable, 1.0)

    def _refuse_unless_skipped(self, number: int) -> None:
        if not self._skip_bad_rows:
            what = "line" if self._layout == "JSON lines" else "entry"
            raise ReviewFileInvalid(
                f"cannot read {self.name}: expected a JSON object in {what} {number}, found something else; mend it or "
                "give --skip-bad-rows to leave it out"
            )

    def _find_layout(self) -> tuple[str, str, list[Any] | None]:
        """Return the layout, the key under which the rows are, and the rows of a document."""
        with open_text(self._source, self._text) as (lines, _):
            stated = (line for line in lines if line.strip())
            first, second = next(stated, ""), next(stated, "")
        if first.lstrip().startswith("["):
            return "JSON array", "", None
        is_object = _decoded(first, None) is not None
        if is_object and second:
            return "JSON lines", "", None
        with open_text(self._source, self._text) as (lines, _):
            found = rows_within("".join(lines), self.name)
        return ("JSON lines", "", None) if found is None else ("JSON document", found[0], found[1])

    @contextmanager
    def _rows(self, keys: Sequence[str] | None) -> Iterator[tuple[Iterator[_NumberedRow], Any]]:
        """Yield the rows, at least with the members `keys` (None: all), and what tells how much has been read."""
        if self._document is not None:
            rows = self._document
            yield (
                ((number, row if isinstance(row, dict) else None) for number, row in enumerate(rows, start=1)),
                lambda: 1.0,
            )
            return
        with open_text(self._source, self._text) as (lines, share):
            if self._layout == "JSON array":
                yield (
                    (
                        (n, row if isinstance(row, dict) else None)
                        for n, row in enumerate(array_items(lines, self.name), 1)
                    ),
                    share,
                )
            else:
                yield _lines_of_json(lines, keys), share


def _lines_of_json(lines: Iterator[str], keys: Sequence[str] | None) -> Iterator[_NumberedRow]:
    decoder = None if keys is None else _decoder(list(dict.fromkeys(keys)))
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, _decoded(line, decoder)


def _decoder(keys: list[str]) -> Any:  # noqa: ANN401 - msgspec's
    # Only what is needed is decoded: the other fields of such files are long.
    fields = [(f"f{place}", Any, None) for place in range(len(keys))]
    row_type = msgspec.defstruct("Row", fields, rename={f"f{place}": key for place, key in enumerate(keys)})
    decode = msgspec.json.Decoder(row_type).decode

    def decoded(line: str) -> dict[str, Any]:
        return dict(zip(keys, msgspec.structs.astuple(decode(line)), strict=True))

    return decoded


def _decoded(line: str, decoder: Any) -> dict[str, Any] | None:  # noqa: ANN401 - msgspec's
    """Return the line's object, None if it is none. NaN and halves of emoji are legal to the standard library alone."""
    try:
        row = decoder(line) if decoder is not None else msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeEncodeError):
        try:
            row = json.loads(line, parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            return None
    return row if isinstance(row, dict) else None
