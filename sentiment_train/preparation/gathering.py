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

from sentiment_api.review_files.reading import ReviewFile, RowBatch
from sentiment_train.preparation.cleaning import clean
from sentiment_train.preparation.duplicates import hashes, normalized
from sentiment_train.preparation.grades import with_grades
from sentiment_train.preparation.shingles import BANDS, bands, shingles
from sentiment_train.preparation.splits import NO_TIME, product_hashes
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
    """What was found in each file, for the record."""
    without_product: int = 0
    """Rows for whose product the hash of their text stands."""
    timed: bool = True
    """Whether the rows have times, by which they can be split."""
    own_ids: bool = False


def gather(
    files: Sequence[ReviewFile], store: RowStore, column_store: ColumnStore, on_progress: ProgressCallback
) -> GatheredCounts:
    """Read all files into `store` and `column_store`.

    The columns: key (hash of the normalized text), digest (of product, time and text), own (hash of the
    source's id, 0 without one), product (hash), product_prefix (bytes), time (microseconds since 1970), category,
    grade (see `grades`), characters, words, and band0 and so on.

    Raises:
        ReviewFileInvalid: a file cannot be read, or holds a rating or a time that cannot be told.
    """
    gathered = GatheredCounts(
        timed=all("timestamp" in file.columns for file in files), own_ids=any("id" in file.columns for file in files)
    )
    for number, file in enumerate(files):
        for batch in file.batches():
            rows = read_batch(batch, gathered)
            if len(rows) > 0:
                store.append(ROWS, rows)
                column_store.append(_numbers(rows, gathered))
            on_progress("read", (number + batch.share) / len(files), gathered.read)
        gathered.sources.append(file.found)
    return gathered


def read_batch(batch: RowBatch, gathered: GatheredCounts) -> pl.DataFrame:
    """Return the batch's good rows as id, text, rating, product_id, timestamp, category and grade; count the others.

    Where a row has no product, its text's hash stands in for it. Without times for all, no row keeps its own.
    """
    cleaned = clean(batch.rows, timed=gathered.timed)
    gathered.read += batch.read
    gathered.mended.update(cleaned.mended)
    gathered.dropped.update(cleaned.dropped)
    gathered.dropped.update(batch.left_out)
    rows = with_grades(cleaned.rows)
    if not gathered.timed:
        rows = rows.with_columns(pl.lit(None, rows.schema["timestamp"]).alias("timestamp"))
    lacks = (rows["product_id"].fill_null("").str.strip_chars() == "").arg_true()
    gathered.without_product += len(lacks)
    if len(lacks) == 0:
        return rows
    stand_ins = [f"{key:016x}" for key in hashes(map(normalized, rows["text"].gather(lacks))).tolist()]
    return rows.with_columns(rows["product_id"].scatter(lacks, stand_ins))


def _numbers(rows: pl.DataFrame, gathered: GatheredCounts) -> dict[str, NDArray[Any]]:
    texts = [normalized(text) for text in rows["text"]]
    blocks = list(_signed(texts))
    signatures = np.concatenate([signature for signature, _ in blocks])
    for name in rows["category"].unique(maintain_order=True):
        gathered.categories.setdefault(name, len(gathered.categories))
    micros = rows["timestamp"].dt.epoch("us").fill_null(NO_TIME)
    identities = zip(rows["product_id"], micros, rows["text"], strict=True)
    product_prefix = [product.encode()[:_PRODUCT_PREFIX_BYTES] for product in rows["product_id"]]
    return {
        "key": hashes(texts),
        "digest": hashes(f"{product}\0{time}\0{text}" for product, time, text in identities),
        "own": np.where(rows["id"].is_null().to_numpy(), np.uint64(0), hashes(rows["id"].fill_null(""))),
        "product": product_hashes(rows["product_id"]),
        "product_prefix": np.array(product_prefix, dtype=f"S{_PRODUCT_PREFIX_BYTES}"),
        "time": micros.to_numpy(),
        "category": rows["category"].replace_strict(gathered.categories, return_dtype=pl.UInt32).to_numpy(),
        "grade": rows["grade"].to_numpy(),
        "characters": rows["text"].str.len_chars().to_numpy(),
        "words": np.concatenate([words for _, words in blocks]),
        **{f"band{number}": signatures[:, number] for number in range(BANDS)},
    }


def _signed(texts: Sequence[str]) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.uint32]]]:
    """Yield the hashes of bands and the number of words of the texts, block after block."""
    for block in shingles(texts):
        yield bands(block), block.words.astype(np.uint32)
