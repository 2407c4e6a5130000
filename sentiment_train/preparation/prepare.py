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

from sentiment_api.review_files.options import ReadOptions
from sentiment_api.review_files.reading import open_review_files
from sentiment_train.errors import UnusableData
from sentiment_train.folders import check_free, staged
from sentiment_train.preparation.data_card import data_card
from sentiment_train.preparation.gathering import GatheredCounts, ProgressCallback, gather
from sentiment_train.preparation.grades import STARS, grade_labels
from sentiment_train.preparation.leakage import measure_leakage
from sentiment_train.preparation.planning import SplitPlan, plan_splits
from sentiment_train.preparation.splits import NO_TIME
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
    sources: Sequence[str | Path],
    destination: Path,
    *,
    labels: str = "binary",
    options: ReadOptions | None = None,
    on_progress: ProgressCallback = no_progress,
    bin_rows: int = BIN_ROWS,
) -> dict[str, Any]:
    """Read the ratings files, clean, make unique and split them, and write the parts to `destination`.

    Each source needs a text and a rating or a label; what else it has is found out, or given by `options`. Without
    products each review is one of its own, and without times (in any of the files) the parts are drawn at random; see
    `splits`. Without a category the file's name is the category. `bin_rows` are sorted in memory at once. Returns what
    `data.json` holds.

    Raises:
        FolderTaken: `destination` holds something.
        ReviewFileInvalid: a file cannot be read, or what is in it is not certain.
        UnusableData: a part would hold fewer than two labels.
        NotWritten: the disk is full; nothing is left of what was written.
    """
    check_free(destination)
    options = options or ReadOptions()
    label_of = grade_labels(RATING_LABELS[labels])
    with staged(destination) as folder, ColumnStore(folder.parent) as column_store:
        with open_review_files(list(map(str, sources)), options) as files, RowStore(folder.parent) as store:
            gathered = gather(files, store, column_store, on_progress)
        _check_any(column_store, gathered)
        plan = plan_splits(column_store, gathered, label_of)
        parts = _summaries(column_store, plan, label_of, gathered)
        _check_parts(parts)
        content_hash = write_parts(folder, store, column_store, plan, label_of, on_progress, bin_rows)
        record: dict[str, Any] = {
            "labels": list(dict.fromkeys(label for label in label_of.values() if label)),
            "rating_labels": {str(rating): label for rating, label in RATING_LABELS[labels].items()},
            "split": _split_rules(column_store, plan, gathered, parts),
            "sources": gathered.sources,
            "rows_read": gathered.read,
            "rows_left_out": dict(+gathered.dropped | +Counter(plan.dropped)),
            "texts_mended": dict(+gathered.mended),
            "parts": parts,
            "cuts": plan.cuts,
            "copies_across_parts": plan.copies_across_parts,
            "near_duplicates": {
                "left_out": plan.near,
                "kept": plan.keeps_near,
                f"reference_near_{plan.names[-1]}": plan.near_held_out,
            },
            "leakage": measure_leakage(folder, plan.names),
            "hash": content_hash,
        }
        (folder / "data.json").write_text(json.dumps(record, indent=2) + "\n")
        (folder / "README.md").write_text(data_card(record))
    return record


def _check_any(column_store: ColumnStore, gathered: GatheredCounts) -> None:
    if column_store.rows == 0:
        reasons = ", ".join(f"{rows} {reason}" for reason, rows in (+gathered.dropped).items()) or "none"
        raise UnusableData(
            f"expected ratings to split, found 0 in {gathered.read} rows (left out: {reasons}); give files whose "
            "rows have a text and a rating"
        )


def _split_rules(
    column_store: ColumnStore, plan: SplitPlan, gathered: GatheredCounts, parts: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Return by what the parts were divided: products or texts, and a time or chance."""
    units = {0: "product", column_store.rows: "text"}
    return {
        "unit": units.get(gathered.without_product, "product, or text where there is none"),
        "rows_without_product": gathered.without_product,
        "rows_without_stars": sum(part["without_stars"] for part in parts.values()),
        "held_out": plan.names[-1],
        "held_out_by": "time" if gathered.timed else "chance",
    }


def _summaries(
    column_store: ColumnStore, plan: SplitPlan, label_of: dict[int, str | None], gathered: GatheredCounts
) -> dict[str, dict[str, Any]]:
    """Return what each part holds, by part."""
    columns = {
        name: column_store.load(name) for name in ("grade", "time", "category", "characters", "words", "product")
    }
    names = list(gathered.categories)
    return {
        name: _summary(
            {each: column[rows] for each, column in columns.items()}, label_of, names, int(plan.unseen[rows].sum())
        )
        for number, name in enumerate(plan.names)
        for rows in [np.flatnonzero((plan.part == number) & (plan.place >= 0))]
    }


def _summary(
    columns: dict[str, np.ndarray[Any, Any]], label_of: dict[int, str | None], categories: list[str], unseen: int
) -> dict[str, Any]:
    grades = {grade: int(np.sum(columns["grade"] == grade)) for grade in label_of}
    labels: Counter[str] = Counter()
    for grade, rows in grades.items():
        labels[label_of[grade] or ""] += rows
    numbers = np.bincount(columns["category"], minlength=len(categories))
    return {
        "rows": len(columns["grade"]),
        "unseen": unseen,
        "labels": {label: rows for label, rows in labels.most_common() if label and rows},
        "ratings": {str(stars): grades[stars] for stars in STARS},
        "without_stars": sum(rows for grade, rows in grades.items() if grade not in STARS),
        "categories": {name: int(rows) for name, rows in sorted(zip(categories, numbers, strict=True)) if rows},
        "products": len(np.unique(columns["product"])),
        "from": _day(columns["time"], 0.0),
        "to": _day(columns["time"], 1.0),
        "characters": _quantiles(columns["characters"]),
        "words": _quantiles(columns["words"]),
    }


def _day(micros: np.ndarray[Any, Any], quantile: float) -> str:
    """Return the date of the first or last of `micros`."""
    if len(micros) == 0 or micros[0] == NO_TIME:
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
                "give more ratings, over more products and a longer time where they have these"
            )
