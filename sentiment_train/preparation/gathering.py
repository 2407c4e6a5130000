"""The first pass of `prepare`: every file is read and cleaned once.

Rows go to a store, and the numbers by which all is decided to a ledger.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentiment_train.errors import UnusableData
from sentiment_train.preparation.cleaning import clean
from sentiment_train.preparation.duplicates import hashes, normalized
from sentiment_train.preparation.reading import Opened
from sentiment_train.preparation.row_store import Ledger, RowStore
from sentiment_train.preparation.shingles import BANDS, bands, shingles
from sentiment_train.preparation.sources import Batch, Reading
from sentiment_train.preparation.values import Clock, bad_ratings, bad_times, read_ratings, refuse

ROWS = "rows"
"""The store's file."""
PRODUCT_PREFIX_BYTES = 16

Tell = Callable[[str, float, int], None]
"""Hears what is being done, how much of it is, 0 to 1, and the rows so far."""


class Gathered(msgspec.Struct, kw_only=True):
    """What became of the rows of all files."""

    read: int = 0
    dropped: Counter[str] = msgspec.field(default_factory=Counter)
    mended: Counter[str] = msgspec.field(default_factory=Counter)
    categories: dict[str, int] = msgspec.field(default_factory=dict)
    """The number that the ledger has for each."""
    sources: list[dict[str, Any]] = msgspec.field(default_factory=list)
    """For the record: name, columns by role, form of times, rows."""
    own_ids: bool = False


def gather(sources: Sequence[Opened], reading: Reading, store: RowStore, ledger: Ledger, tell: Tell) -> Gathered:
    """Read all files into `store` and `ledger`.

    The ledger's columns: key (hash of the normalized text), digest (of product, time and text), own (hash of the
    source's id, 0 without one), product (hash), product_prefix (bytes), time (microseconds since 1970), category,
    rating, characters, words, and band0 and so on.

    Raises:
        UnusableData: a file cannot be read, or holds a rating or a time that cannot be told.
    """
    gathered = Gathered()
    for number, source in enumerate(sources):
        clock, before = Clock(), gathered.read
        for batch in source.batches():
            rows = read_batch(batch, source, clock, reading, gathered)
            if len(rows) > 0:
                store.append(ROWS, rows)
                ledger.append(_numbers(rows, gathered))
            tell("read", (number + batch.share) / len(sources), gathered.read)
        gathered.sources.append(describe(source, clock, gathered.read - before))
    gathered.own_ids = any("id" in source.columns for source in sources)
    return gathered


def describe(source: Opened, clock: Clock, rows: int) -> dict[str, Any]:
    """Return what was recognised in a file, for the record and the dry run."""
    return {
        "name": source.source.name,
        "columns": source.columns,
        "times": sorted(clock.units),
        "rows": rows,
    }


def read_batch(batch: Batch, source: Opened, clock: Clock, reading: Reading, gathered: Gathered) -> pl.DataFrame:
    """Return the batch's good rows as id, text, rating, product_id, timestamp and category, and count the others.

    Raises:
        UnusableData: a rating or a time cannot be told, and is not to be skipped.
    """
    raw = batch.rows
    ratings, moments = read_ratings(raw["rating"]), clock.read(raw["timestamp"])
    if clock.mixed:
        units = " and ".join(sorted(clock.units))
        raise UnusableData(f"expected times of one unit in {source.source}, found {units}; write them as ISO 8601")
    bad_rating, bad_time = bad_ratings(raw["rating"], ratings), bad_times(raw["timestamp"], moments)
    if not reading.skip_bad_rows:
        refuse("whole ratings from 1 to 5", source.source, raw["rating"], bad_rating, batch.numbers)
        refuse(
            "times as numbers or ISO 8601, from 1970 to 2100,", source.source, raw["timestamp"], bad_time, batch.numbers
        )
    rows = raw.select(
        "id", "text", ratings.alias("rating"), "product_id", moments.alias("timestamp"),
        pl.col("category").replace("", None).fill_null(source.name),
    ).filter(~(bad_rating | bad_time))  # fmt: skip
    cleaned = clean(rows)
    gathered.read += len(raw) + batch.unreadable
    gathered.mended.update(cleaned.mended)
    gathered.dropped.update(cleaned.dropped)
    gathered.dropped.update(
        {
            "unreadable row": batch.unreadable,
            "rating outside 1 to 5": int(bad_rating.sum()),
            "unreadable time": int((bad_time & ~bad_rating).sum()),
        }
    )
    return cleaned.rows


def _numbers(rows: pl.DataFrame, gathered: Gathered) -> dict[str, NDArray[Any]]:
    texts = [normalized(text) for text in rows["text"]]
    blocks = list(_signed(texts))
    signatures = np.concatenate([signature for signature, _ in blocks])
    for name in rows["category"].unique(maintain_order=True):
        gathered.categories.setdefault(name, len(gathered.categories))
    micros = rows["timestamp"].dt.epoch("us")
    identities = zip(rows["product_id"], micros, rows["text"], strict=True)
    product_prefix = [product.encode()[:PRODUCT_PREFIX_BYTES] for product in rows["product_id"]]
    return {
        "key": hashes(texts),
        "digest": hashes("\0".join(map(str, identity)) for identity in identities),
        "own": np.where(rows["id"].is_null().to_numpy(), np.uint64(0), hashes(rows["id"].fill_null(""))),
        "product": _product_hashes(rows["product_id"]),
        "product_prefix": np.array(product_prefix, dtype=f"S{PRODUCT_PREFIX_BYTES}"),
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


def _product_hashes(products: pl.Series) -> NDArray[np.uint64]:
    """Return `splits.product_hash` of each, worked out once for each product."""
    different = products.unique(maintain_order=True)
    place = products.replace_strict(
        different, pl.Series(range(len(different)), dtype=pl.UInt32), return_dtype=pl.UInt32
    )
    hashed: NDArray[np.uint64] = hashes(different)[place.to_numpy()]
    return hashed
