"""The second pass of `prepare`: the rows that are kept, from the store to the parts, in order of time.

Sorted on disk: rows go first to bins that follow each other in time, then each bin is sorted in memory.
"""

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet

from sentiment_train.preparation.gathering import ROWS, ProgressCallback
from sentiment_train.preparation.planning import SplitPlan
from sentiment_train.preparation.splits import NO_TIME
from sentiment_train.preparation.stores import ColumnStore, RowStore, to_arrow

BIN_ROWS = 100_000
"""Sorted in memory at once: some 50 MB of reviews."""
_NUMBER = struct.Struct("<q")
_ORDER = ("timestamp", "product_id", "text", "rating", "category")
_COLUMNS = ("id", "text", "rating", "product_id", "timestamp", "category", "product_reviews", "unseen", "label")


def write_parts(
    folder: Path,
    store: RowStore,
    column_store: ColumnStore,
    plan: SplitPlan,
    labels: dict[int, str | None],
    on_progress: ProgressCallback,
    bin_rows: int,
) -> str:
    """Write one parquet file for each part to `folder`, and return the SHA-256 of all rows of all parts, in order.

    The hash is of the texts, ratings, products, times and categories; it does not depend on how the files were given.
    It covers, for each part, its name and of each row text, rating, product_id, timestamp in microseconds since 1970
    and category: texts as the length of their UTF-8 and the UTF-8, lengths and numbers as 8 bytes, the least first. For
    a missing rating stands the grade, for a missing time the least number.
    """
    bins = RowStore(folder.parent)
    with bins:
        _distribute(store, bins, column_store, plan, labels, on_progress, bin_rows)
    digest = hashlib.sha256()
    done = 0
    for number, name in enumerate(plan.names):
        digest.update(_text_bytes(name))
        total = int(np.sum((plan.part == number) & (plan.place >= 0)))
        writer: pa.parquet.ParquetWriter | None = None
        try:
            for rows in _sorted_bins(bins, name, -(-total // bin_rows)):
                table = to_arrow(rows.select(_COLUMNS))
                writer = writer or pa.parquet.ParquetWriter(
                    folder / f"{name}.parquet", table.schema, compression="zstd"
                )
                writer.write_table(table)
                for row in _hashed(rows):
                    digest.update(row)
                done += len(rows)
                on_progress("write", done / len(plan.place), done)
        finally:
            if writer is not None:
                writer.close()
    return digest.hexdigest()


def _hashed(rows: pl.DataFrame) -> Iterator[bytes]:
    micros = pl.col("timestamp").dt.epoch("us").fill_null(NO_TIME)
    hashed = rows.select("text", "grade", "product_id", micros, "category")
    number = _NUMBER.pack
    for text, grade, product_id, moment, category in hashed.iter_rows():
        words, product, kind = text.encode(), product_id.encode(), category.encode()
        yield b"".join(
            (
                number(len(words)),
                words,
                number(grade),
                number(len(product)),
                product,
                number(moment),
                number(len(kind)),
                kind,
            )
        )


def _text_bytes(text: str) -> bytes:
    encoded = text.encode()
    return _NUMBER.pack(len(encoded)) + encoded


def _distribute(
    store: RowStore,
    bins: RowStore,
    column_store: ColumnStore,
    plan: SplitPlan,
    labels: dict[int, str | None],
    on_progress: ProgressCallback,
    bin_rows: int,
) -> None:
    digests = column_store.load("digest")
    begin = 0
    for rows in store.batches(ROWS):
        here = slice(begin, begin + len(rows))
        begin += len(rows)
        marked = rows.with_columns(
            pl.Series("part", plan.part[here]),
            pl.Series("place", plan.place[here]),
            pl.Series("unseen", plan.unseen[here]),
            pl.Series("product_reviews", plan.product_reviews[here]),
            pl.Series("own_id", plan.own_id[here]),
            pl.Series("digest", [f"{number:016x}" for number in digests[here].tolist()]),
            label=pl.col("grade").replace_strict(labels, return_dtype=pl.String),
        )
        kept = marked.filter(pl.col("place") >= 0).with_columns(
            id=pl.when("own_id").then("id").otherwise("digest"), bin=pl.col("place") // bin_rows
        )
        for (part, number), group in kept.group_by("part", "bin"):
            bins.append(f"{plan.names[int(part)]}-{number}", group)
        on_progress("sort", begin / len(plan.place), begin)


def _sorted_bins(bins: RowStore, name: str, count: int) -> Iterator[pl.DataFrame]:
    for number in range(count):
        rows = pl.concat(bins.batches(f"{name}-{number}"))
        # Bins are cut by place, which without times goes by digest alone.
        yield rows.sort("place" if rows["timestamp"].null_count() == len(rows) else _ORDER)
