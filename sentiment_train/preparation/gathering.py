"""The first pass of `prepare`: every file is read and cleaned once.

Rows go to a store, and the numbers by which all is decided to columns.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentiment_api.review_files.formats import ReviewFile
from sentiment_api.review_files.row_batches import ReadOptions, RowBatch
from sentiment_api.review_files.values import TimestampParser, parse_rows
from sentiment_train.preparation.cleaning import clean
from sentiment_train.preparation.duplicates import hashes, normalized
from sentiment_train.preparation.shingles import BANDS, bands, shingles
from sentiment_train.preparation.splits import product_hashes
from sentiment_train.preparation.stores import ColumnStore, RowStore

ROWS = "rows"
"""The store's file."""
_PRODUCT_PREFIX_BYTES = 16

ProgressCallback = Callable[[str, float, int], None]
"""Hears what is being done, how much of it is, 0 to 1, and the rows so far."""


class GatheredCounts(msgspec.Struct, kw_only=True):
    """What became of the rows of all files."""

    read: int = 0
    dropped: Counter[str] = msgspec.field(default_factory=Counter)
    mended: Counter[str] = msgspec.field(default_factory=Counter)
    categories: dict[str, int] = msgspec.field(default_factory=dict)
    """The number that the column has for each."""
    sources: list[dict[str, Any]] = msgspec.field(default_factory=list)
    """For the record: name, columns by role, form of times, rows."""
    own_ids: bool = False


def gather(
    files: Sequence[ReviewFile],
    options: ReadOptions,
    store: RowStore,
    column_store: ColumnStore,
    on_progress: ProgressCallback,
) -> GatheredCounts:
    """Read all files into `store` and `column_store`.

    The columns: key (hash of the normalized text), digest (of product, time and text), own (hash of the
    source's id, 0 without one), product (hash), product_prefix (bytes), time (microseconds since 1970), category,
    rating, characters, words, and band0 and so on.

    Raises:
        ReviewFileInvalid: a file cannot be read, or holds a rating or a time that cannot be told.
    """
    gathered = GatheredCounts()
    for number, file in enumerate(files):
        timestamps, before = TimestampParser(), gathered.read
        for batch in file.batches():
            rows = read_batch(batch, file, timestamps, options, gathered)
            if len(rows) > 0:
                store.append(ROWS, rows)
                column_store.append(_numbers(rows, gathered))
            on_progress("read", (number + batch.share) / len(files), gathered.read)
        gathered.sources.append(source_record(file, timestamps, gathered.read - before))
    gathered.own_ids = any("id" in file.columns for file in files)
    return gathered


def source_record(file: ReviewFile, timestamps: TimestampParser, rows: int) -> dict[str, Any]:
    """Return what was recognised in a file, for the record and the dry run."""
    return {
        "name": file.source.name,
        "columns": file.columns,
        "times": sorted(timestamps.units),
        "rows": rows,
    }


def read_batch(
    batch: RowBatch, file: ReviewFile, timestamps: TimestampParser, options: ReadOptions, gathered: GatheredCounts
) -> pl.DataFrame:
    """Return the batch's good rows as id, text, rating, product_id, timestamp and category, and count the others.

    Raises:
        ReviewFileInvalid: a rating or a time cannot be told, and is not to be skipped.
    """
    parsed = parse_rows(batch, file, timestamps, skip_bad_rows=options.skip_bad_rows)
    cleaned = clean(parsed.rows)
    gathered.read += len(batch.rows) + batch.unreadable
    gathered.mended.update(cleaned.mended)
    gathered.dropped.update(cleaned.dropped)
    gathered.dropped.update(parsed.left_out)
    return cleaned.rows


def _numbers(rows: pl.DataFrame, gathered: GatheredCounts) -> dict[str, NDArray[Any]]:
    texts = [normalized(text) for text in rows["text"]]
    blocks = list(_signed(texts))
    signatures = np.concatenate([signature for signature, _ in blocks])
    for name in rows["category"].unique(maintain_order=True):
        gathered.categories.setdefault(name, len(gathered.categories))
    micros = rows["timestamp"].dt.epoch("us")
    identities = zip(rows["product_id"], micros, rows["text"], strict=True)
    product_prefix = [product.encode()[:_PRODUCT_PREFIX_BYTES] for product in rows["product_id"]]
    return {
        "key": hashes(texts),
        "digest": hashes("\0".join(map(str, identity)) for identity in identities),
        "own": np.where(rows["id"].is_null().to_numpy(), np.uint64(0), hashes(rows["id"].fill_null(""))),
        "product": product_hashes(rows["product_id"]),
        "product_prefix": np.array(product_prefix, dtype=f"S{_PRODUCT_PREFIX_BYTES}"),
        "time": micros.to_numpy(),
        "category": rows["category"].replace_strict(gathered.categories, return_dtype=pl.UInt32).to_numpy(),
        "rating": rows["rating"].to_numpy(),
        "characters": rows["text"].str.len_chars().to_numpy(),
        "words": np.concatenate([words for _, words in blocks]),
        **{f"band{number}": signatures[:, number] for number in range(BANDS)},
    }


def _signed(texts: Sequence[str]) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.uint32]]]:
    """Yield the hashes of bands and the number of words of the texts, block after block."""
    for block in shingles(texts):
        yield bands(block), block.words.astype(np.uint32)
