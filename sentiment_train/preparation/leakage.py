"""Looks at finished parts once more, by other means than made them: does what was held out occur in what trains?"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from sentiment_train.preparation.duplicates import hashes, normalized
from sentiment_train.preparation.shingles import Shingles, shingles

TRAINING = ("train", "validation")
SAMPLE = 1_000
"""Texts of each held-out part that are compared with texts that train."""
COMPARED = 200_000
"""Texts of each part that trains, evenly chosen, that they are compared with."""
LIKENESSES = (0.8, 0.5)
_BATCH_ROWS = 16_384


def measure_leakage(folder: Path, parts: Sequence[str]) -> dict[str, Any]:
    """Return what the `parts` in `folder` have in common.

    Keys: texts_in_common, how often a text occurs again after normalization, in another part or its own;
    products_in_common by pair of parts; and sample, how many of some held-out texts have a text in train or validation
    whose exact Jaccard index with them, over words three in a row, is at least 0.8 and 0.5, and the highest one.
    """
    keys = np.sort(np.concatenate([_text_keys(folder, part) for part in parts]))
    products = {part: _products(folder, part) for part in parts}
    return {
        "texts_in_common": int(np.sum(keys[1:] == keys[:-1])),
        "products_in_common": {
            f"{one}, {other}": len(np.intersect1d(products[one], products[other], assume_unique=True))
            for one, other in combinations(parts, 2)
        },
        "sample": _likeness(folder, [part for part in parts if part not in TRAINING]),
    }


def _batches(folder: Path, part: str, *columns: str) -> Iterator[pl.DataFrame]:
    with pa.parquet.ParquetFile(folder / f"{part}.parquet", pre_buffer=False) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=list(columns), use_threads=False):
            yield pl.DataFrame(pa.Table.from_batches([batch]))


def _text_keys(folder: Path, part: str) -> NDArray[np.uint64]:
    return np.concatenate([hashes(map(normalized, rows["text"])) for rows in _batches(folder, part, "text")])


def _products(folder: Path, part: str) -> NDArray[np.uint64]:
    products = [hashes(rows["product_id"].unique()) for rows in _batches(folder, part, "product_id")]
    return np.unique(np.concatenate(products))


def _chosen_texts(folder: Path, part: str, most: int) -> Iterator[list[str]]:
    """Yield up to `most` normalized texts, evenly over the part, in batches."""
    with pa.parquet.ParquetFile(folder / f"{part}.parquet") as file:
        total = file.metadata.num_rows
    step = max(1.0, total / most)
    begin = 0
    for rows in _batches(folder, part, "text"):
        first, last = np.ceil(begin / step), np.ceil((begin + len(rows)) / step)
        index = (np.arange(first, last) * step).astype(np.int64) - begin
        begin += len(rows)
        yield [normalized(text) for text in rows["text"].gather(index[index < len(rows)])]


def _likeness(folder: Path, parts: Sequence[str]) -> dict[str, Any]:
    held_out = [text for part in parts for texts in _chosen_texts(folder, part, SAMPLE) for text in texts]
    sample = _Sample(held_out)
    compared = 0
    for part in TRAINING:
        for texts in _chosen_texts(folder, part, COMPARED):
            compared += len(texts)
            for block in shingles(texts):
                sample.compare(block)
    return {
        "texts": len(held_out),
        "compared_with": compared,
        "likeness_at_least": {str(least): int(np.sum(sample.highest >= least)) for least in LIKENESSES},
        "highest": round(float(sample.highest.max(initial=0.0)), 3),
    }


class _Sample:
    """Held-out texts, and the highest likeness that each has with any text seen so far; one below 0.5 counts as 0."""

    def __init__(self, texts: list[str]) -> None:
        sets = [each for block in shingles(texts) for each in _sets(block)]
        self.highest = np.zeros(len(texts))
        self._sizes = np.array([len(each) for each in sets])
        owners = np.repeat(np.arange(len(texts)), self._sizes)
        hashed = np.concatenate(sets)
        order = np.argsort(hashed, kind="stable")
        self._hashes, self._owners = hashed[order], owners[order]

    def compare(self, block: Shingles) -> None:
        """Compare all with each text of `block`."""
        ends = np.append(block.starts[1:], len(block.hashes))
        begin = np.searchsorted(self._hashes, block.hashes, "left")
        found = np.searchsorted(self._hashes, block.hashes, "right") - begin
        hits = np.flatnonzero(found)
        # Sets: what stands twice in a text counts once.
        hits = hits[np.unique(block.rows[hits] * len(self._hashes) + begin[hits], return_index=True)[1]]
        repeats = found[hits]
        within = np.arange(int(repeats.sum())) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        owner = self._owners[np.repeat(begin[hits], repeats) + within]
        pairs, shared = np.unique(np.repeat(block.rows[hits], repeats) * len(self._sizes) + owner, return_counts=True)
        row, index = np.divmod(pairs, len(self._sizes))
        likely = shared >= min(LIKENESSES) * self._sizes[index]
        for text, held_out, both in zip(row[likely], index[likely], shared[likely], strict=True):
            size = len(np.unique(block.hashes[block.starts[text] : ends[text]]))
            likeness = both / (self._sizes[held_out] + size - both)
            if likeness >= min(LIKENESSES):
                self.highest[held_out] = max(self.highest[held_out], likeness)


def _sets(block: Shingles) -> list[NDArray[np.uint64]]:
    return [np.unique(part) for part in np.split(block.hashes, block.starts[1:])]
