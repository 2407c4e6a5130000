"""Ratings in, a prepared folder out: a parquet file for each part, `data.json` as the record, `README.md` as its card.

Two passes, so that memory does not grow with the rows: the first reads and cleans every row and keeps numbers about it,
by which all is decided; the second writes what is kept. This page is the story, its steps stand in files of their own.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sentiment_api.review_files.formats import open_review_file
from sentiment_api.review_files.row_batches import ReadOptions
from sentiment_api.review_files.values import TimestampParser
from sentiment_train.errors import UnusableData
from sentiment_train.folders import check_free, staged
from sentiment_train.preparation.data_card import data_card
from sentiment_train.preparation.gathering import GatheredCounts, ProgressCallback, gather, read_batch, source_record
from sentiment_train.preparation.leakage import measure_leakage
from sentiment_train.preparation.planning import SplitPlan, plan_splits
from sentiment_train.preparation.splits import PARTS
from sentiment_train.preparation.stores import ColumnStore, RowStore
from sentiment_train.preparation.writing import BIN_ROWS, write_parts

RATING_LABELS: dict[str, dict[int, str | None]] = {
    "binary": {1: "negative", 2: "negative", 3: None, 4: "positive", 5: "positive"},
    "three-way": {1: "negative", 2: "negative", 3: "neutral", 4: "positive", 5: "positive"},
}
_QUANTILES = (0.05, 0.5, 0.95, 1.0)


def no_progress(stage: str, share: float, rows: int) -> None:
    """Tell nobody how far the work is."""


def prepare(
    sources: Sequence[Path],
    destination: Path,
    *,
    labels: str = "binary",
    options: ReadOptions | None = None,
    on_progress: ProgressCallback = no_progress,
    bin_rows: int = BIN_ROWS,
) -> dict[str, Any]:
    """Read the ratings files, clean, make unique and split them, and write the parts to `destination`.

    Each file needs a text, a rating (1 to 5), a product and a time, in columns whose names `columns` knows or `options`
    gives; without a category the file's name is the category. `bin_rows` are sorted in memory at once. Returns what
    `data.json` holds.

    Raises:
        FolderTaken: `destination` holds something.
        ReviewFileInvalid: a file cannot be read, or lacks a column.
        UnusableData: a part would hold fewer than two labels.
        NotWritten: the disk is full; nothing is left of what was written.
    """
    check_free(destination)
    options = options or ReadOptions()
    opened = [open_review_file(source, options) for source in sources]
    label_of = RATING_LABELS[labels]
    with staged(destination) as folder, ColumnStore(folder.parent) as column_store:
        with RowStore(folder.parent) as store:
            gathered = gather(opened, options, store, column_store, on_progress)
        _check_any(column_store, gathered)
        plan = plan_splits(column_store, gathered, [rating for rating, label in label_of.items() if label])
        parts = _summaries(column_store, plan, label_of, gathered)
        _check_parts(parts)
        content_hash = write_parts(folder, store, column_store, plan, label_of, on_progress, bin_rows)
        record: dict[str, Any] = {
            "labels": list(dict.fromkeys(label for label in label_of.values() if label)),
            "rating_labels": {str(rating): label for rating, label in label_of.items()},
            "sources": gathered.sources,
            "rows_read": gathered.read,
            "rows_left_out": dict(+gathered.dropped | +Counter(plan.dropped)),
            "texts_mended": dict(+gathered.mended),
            "parts": parts,
            "cuts": plan.cuts,
            "copies_across_parts": plan.copies_across_parts,
            "near_duplicates": {"left_out": plan.near, "reference_near_later": plan.near_held_out},
            "leakage": measure_leakage(folder),
            "hash": content_hash,
        }
        (folder / "data.json").write_text(json.dumps(record, indent=2) + "\n")
        (folder / "README.md").write_text(data_card(record))
    return record


def preview(sources: Sequence[Path], destination: Path, *, options: ReadOptions | None = None) -> list[dict[str, Any]]:
    """Return what `prepare` would recognise in each file, and what its first rows would become. Nothing is written.

    Keys: name, columns by role, times, rows (looked at), kept, rows_left_out and texts_mended among them.

    Raises:
        FolderTaken: `destination` holds something.
        ReviewFileInvalid: a file cannot be read, or lacks a column.
    """
    check_free(destination)
    options = options or ReadOptions()
    found = []
    for file in [open_review_file(source, options) for source in sources]:
        gathered, timestamps, kept = GatheredCounts(), TimestampParser(), 0
        batches = file.batches()
        if (batch := next(batches, None)) is not None:
            kept = len(read_batch(batch, file, timestamps, options, gathered))
        found.append(
            source_record(file, timestamps, gathered.read)
            | {"kept": kept, "rows_left_out": dict(+gathered.dropped), "texts_mended": dict(+gathered.mended)}
        )
    return found


def _check_any(column_store: ColumnStore, gathered: GatheredCounts) -> None:
    if column_store.rows == 0:
        reasons = ", ".join(f"{rows} {reason}" for reason, rows in (+gathered.dropped).items()) or "none"
        raise UnusableData(
            f"expected ratings to split, found 0 in {gathered.read} rows (left out: {reasons}); give files whose "
            "rows have text, rating, product and time"
        )


def _summaries(
    column_store: ColumnStore, plan: SplitPlan, label_of: dict[int, str | None], gathered: GatheredCounts
) -> dict[str, dict[str, Any]]:
    """Return what each part holds, by part."""
    columns = {
        name: column_store.load(name) for name in ("rating", "time", "category", "characters", "words", "product")
    }
    names = list(gathered.categories)
    return {
        name: _summary(
            {each: column[rows] for each, column in columns.items()}, label_of, names, int(plan.unseen[rows].sum())
        )
        for number, name in enumerate(PARTS)
        for rows in [np.flatnonzero((plan.part == number) & (plan.place >= 0))]
    }


def _summary(
    columns: dict[str, np.ndarray[Any, Any]], label_of: dict[int, str | None], categories: list[str], unseen: int
) -> dict[str, Any]:
    ratings = {rating: int(np.sum(columns["rating"] == rating)) for rating in label_of}
    labels: Counter[str] = Counter()
    for rating, rows in ratings.items():
        labels[label_of[rating] or ""] += rows
    numbers = np.bincount(columns["category"], minlength=len(categories))
    return {
        "rows": len(columns["rating"]),
        "unseen": unseen,
        "labels": {label: rows for label, rows in labels.most_common() if label and rows},
        "ratings": {str(rating): rows for rating, rows in ratings.items()},
        "categories": {name: int(rows) for name, rows in sorted(zip(categories, numbers, strict=True)) if rows},
        "products": len(np.unique(columns["product"])),
        "from": _day(columns["time"], 0.0),
        "to": _day(columns["time"], 1.0),
        "characters": _quantiles(columns["characters"]),
        "words": _quantiles(columns["words"]),
    }


def _day(micros: np.ndarray[Any, Any], quantile: float) -> str:
    """Return the date of the first or last of `micros`."""
    if len(micros) == 0:
        return ""
    return str(np.quantile(micros, quantile, method="nearest").astype("datetime64[us]").astype("datetime64[D]"))


def _quantiles(lengths: np.ndarray[Any, Any]) -> dict[str, int]:
    found = np.quantile(lengths, _QUANTILES, method="nearest") if len(lengths) else np.zeros(len(_QUANTILES))
    return {f"{quantile:.0%}": int(value) for quantile, value in zip(_QUANTILES, found, strict=True)}


def _check_parts(parts: dict[str, dict[str, Any]]) -> None:
    for name, part in parts.items():
        found = len(part["labels"])
        if found < 2:
            raise UnusableData(
                f"expected at least two labels in the part {name!r}, found {found} in {part['rows']} rows; "
                "give more ratings, over more products and a longer time"
            )
