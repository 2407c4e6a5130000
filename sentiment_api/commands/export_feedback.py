"""`sentiment-api db export-feedback`: ratings with the texts they are of, as `sentiment-train prepare` reads them."""

import csv
import datetime as dt
import gzip
import io
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.queries import stream_feedback
from sentiment_api.errors import ExportRefused
from sentiment_api.files import remove_unfinished, whole_file
from sentiment_api.prediction_log.redaction import is_redacted

COLUMNS = ("text", "rating", "product_id", "timestamp", "prediction_id")
"""The first four are what training reads; the last tells which rows to take out when a prediction is erased later."""


class _FileFormat(NamedTuple):
    """How a file is written."""

    header: bytes
    line: Callable[[list[Any]], bytes]
    open: Callable[[IO[bytes]], AbstractContextManager[IO[bytes] | gzip.GzipFile]]


def _csv_line(values: list[Any]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(values)
    return line.getvalue().encode()


def _json_line(values: list[Any]) -> bytes:
    return msgspec.json.encode(dict(zip(COLUMNS, values, strict=True))) + b"\n"


def _zipped(file: IO[bytes]) -> gzip.GzipFile:
    return gzip.open(file, "wb")


_FILE_FORMATS = {
    ".csv": _FileFormat(_csv_line(list(COLUMNS)), _csv_line, nullcontext),
    ".jsonl": _FileFormat(b"", _json_line, nullcontext),
    ".jsonl.gz": _FileFormat(b"", _json_line, _zipped),
}


class Exported(NamedTuple):
    """What became of the predictions that have feedback."""

    written: int
    redacted: int
    """Of those written."""
    without_product: int
    """Of those written; `sentiment-train prepare` leaves them out."""
    without_text: int
    without_rating: int
    """The feedback is a label that stands for several ratings, or for none."""


def unambiguous(rating_labels: Mapping[str, str | None]) -> dict[str, int]:
    """Return the rating of each label that stands for exactly one."""
    counts = Counter(rating_labels.values())
    return {label: int(rating) for rating, label in rating_labels.items() if label is not None and counts[label] == 1}


async def export_feedback(
    engine: AsyncEngine,
    path: Path,
    start: dt.datetime | None,
    end: dt.datetime | None,
    *,
    force: bool,
    ratings: Callable[[], dict[str, int]],
    tell: Callable[[int], None],
) -> Exported:
    """Write customers' predictions with a text and a rating, oldest first, to `path`: all of them or no file.

    A prediction's latest feedback counts. Memory does not grow with the rows. `ratings` gives the rating of each
    unambiguous label and is asked only when there is a label without a rating; `tell` hears how many rows there were.

    Raises:
        ExportRefused: the file's ending is unknown, the file exists and is not to be replaced, no row can be used, or
            the file cannot be written.
        DatabaseAway: Postgres does not answer.
    """
    form = _format_of(path)
    _check_free(path, force=force)
    try:
        remove_unfinished(path.parent, path.name)  # of an export that was cut off: it holds reviews
        with whole_file(path, mode=0o600) as raw:
            with form.open(raw) as file:
                file.write(form.header)
                rows = stream_feedback(engine, start, end)
                exported = await _write(rows, lambda values: file.write(form.line(values)), cache(ratings), tell)
            _check_useful(exported)
            _check_free(path, force=force)
    except OSError as error:
        raise ExportRefused(f"cannot write {path}: {error.strerror}") from error
    return exported


async def _write(
    rows: AsyncIterator[Mapping[str, Any]],
    write: Callable[[list[Any]], object],
    ratings: Callable[[], dict[str, int]],
    tell: Callable[[int], None],
) -> Exported:
    counts: Counter[str] = Counter()
    async for row in rows:
        counts["seen"] += 1
        tell(counts["seen"])
        rating = row["rating"] if row["rating"] is not None else ratings().get(row["label"])
        if row["text"] is None:
            counts["without_text"] += 1
        elif rating is None:
            counts["without_rating"] += 1
        else:
            moment = row["moment"].isoformat()
            write([row["text"], rating, row["product_id"], moment, str(row["prediction_id"])])
            counts["written"] += 1
            counts["redacted"] += is_redacted(row["text"])
            counts["without_product"] += row["product_id"] is None
    return Exported(*(counts[name] for name in Exported._fields))


def _format_of(path: Path) -> _FileFormat:
    for ending, form in _FILE_FORMATS.items():
        if path.name.endswith(ending):
            return form
    raise ExportRefused(f"expected a file ending in {', '.join(_FILE_FORMATS)}, found {path}")


def _check_free(path: Path, *, force: bool) -> None:
    if path.exists() and not force:
        raise ExportRefused(f"{path} exists; give another name, or --force to replace it")


def _check_useful(exported: Exported) -> None:
    if exported.written:
        return
    if exported.without_text:
        raise ExportRefused(
            f"no text is kept of the {exported.without_text} predictions with feedback; training needs "
            "SENTIMENT_TEXT_POLICY=full or redacted, from before they are made"
        )
    if exported.without_rating:
        raise ExportRefused(
            f"the feedback of all {exported.without_rating} predictions is a label without a rating, and stands for "
            "several ratings or none"
        )
    raise ExportRefused("no prediction in this time has feedback")
