"""What `look` shows of review files: everything that `prepare` would take them for, without writing anything."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentiment_api.review_files.options import ReadOptions
from sentiment_api.review_files.reading import ReviewFile, open_review_files
from sentiment_train.preparation.cleaning import clean
from sentiment_train.preparation.duplicates import hashes, normalized
from sentiment_train.preparation.gathering import ProgressCallback

_SHOWN_ROWS = 5


class FileOverview(msgspec.Struct, kw_only=True):
    """What is in one file."""

    found: dict[str, Any]
    """As `ReviewFile.found` returns it."""
    rows: int = 0
    kept: int = 0
    duplicates: int = 0
    """Rows whose text stands in an earlier row of any file."""
    left_out: Counter[str] = msgspec.field(default_factory=Counter)
    mended: Counter[str] = msgspec.field(default_factory=Counter)
    ratings: Counter[str] = msgspec.field(default_factory=Counter)
    """Rows by whole stars, or by polarity."""
    years: Counter[int] = msgspec.field(default_factory=Counter)
    first: pl.DataFrame | None = None
    """A few rows as they will be."""


def overview(sources: Sequence[str], options: ReadOptions, on_progress: ProgressCallback) -> list[FileOverview]:
    """Return what is in each file of the sources.

    Raises:
        ReviewFileInvalid: a file cannot be read, or what is in it is not certain.
    """
    overviews: list[FileOverview] = []
    known = np.zeros(0, dtype=np.uint64)
    with open_review_files(sources, options) as files:
        timed = all("timestamp" in file.columns for file in files)
        for number, file in enumerate(files):
            overview, keys = _looked_at(file, _shared(on_progress, number, len(files)), timed=timed)
            merged = np.union1d(known, keys)
            overview.duplicates = len(keys) - (len(merged) - len(known))
            known = merged
            overviews.append(overview)
    return overviews


def _shared(on_progress: ProgressCallback, number: int, files: int) -> Callable[[float, int], None]:
    """Return what tells how much of all files has been read, from the share of one."""
    return lambda share, rows: on_progress("read", (number + share) / files, rows)


def _looked_at(
    file: ReviewFile, on_share: Callable[[float, int], None], *, timed: bool
) -> tuple[FileOverview, NDArray[np.uint64]]:
    """Return what is in the file, but for duplicates, and the hashes of its texts."""
    overview = FileOverview(found=file.found)
    keys = [np.zeros(0, dtype=np.uint64)]
    for batch in file.batches():
        cleaned = clean(batch.rows, timed=timed)
        overview.rows += batch.read
        overview.kept += len(cleaned.rows)
        overview.left_out.update(cleaned.dropped)
        overview.left_out.update(batch.left_out)
        overview.mended.update(cleaned.mended)
        overview.ratings.update(_graded(cleaned.rows))
        overview.years.update(cleaned.rows["timestamp"].drop_nulls().dt.year().to_list())
        keys.append(hashes(map(normalized, cleaned.rows["text"])))
        if overview.first is None or len(overview.first) < _SHOWN_ROWS:
            overview.first = cleaned.rows.head(_SHOWN_ROWS)
        on_share(batch.share, overview.rows)
    return overview, np.concatenate(keys)


def _graded(rows: pl.DataFrame) -> dict[str, int]:
    polarity = pl.col("polarity").replace_strict({-1: "negative", 0: "neutral", 1: "positive"}, default=None)
    named = rows.select(pl.coalesce(pl.col("rating").cast(pl.String), polarity).alias("grade"))
    return dict(named.to_series().value_counts().iter_rows())
