"""Ratings in, a prepared folder out: one parquet file per part and `data.json`, the record of what was done.

The parts are decided in `splits`; texts are cleaned and made unique here.
"""

import hashlib
import html
import json
import unicodedata
from pathlib import Path

import polars as pl

from sentiment_train.errors import UnusableData
from sentiment_train.splits import PARTS, split

RATING_LABELS = {
    "binary": {1: "negative", 2: "negative", 3: None, 4: "positive", 5: "positive"},
    "three-way": {1: "negative", 2: "negative", 3: "neutral", 4: "positive", 5: "positive"},
}
_COLUMNS = {"text": pl.String, "rating": pl.Int8, "product_id": pl.String, "timestamp": pl.Datetime("us", "UTC")}
_READERS = {
    ".parquet": pl.read_parquet,
    ".csv": pl.read_csv,
    ".jsonl": pl.read_ndjson,
}


def prepare(sources: list[Path], destination: Path, *, labels: str = "binary") -> dict:
    """Read the ratings files, clean, make unique and split them, and write the parts to `destination`.

    Each file needs the columns text, rating (1 to 5), product_id and timestamp; without a column category the file's
    name is the category. Returns what `data.json` holds.

    Raises:
        UnusableData: a file cannot be read, lacks a column, or a part would hold fewer than two labels.
    """
    raw = pl.concat([read_ratings(source) for source in sources])
    reviews = _unique(_cleaned(raw))
    reviews, cuts = split(reviews)
    reviews = _labelled(reviews, labels)
    parts = {name: reviews.filter(part=name).drop("part") for name in PARTS}
    _check_parts(parts)
    destination.mkdir(parents=True, exist_ok=True)
    for name, part in parts.items():
        part.write_parquet(destination / f"{name}.parquet")
    record = {
        "labels": _ordered_labels(labels),
        "rating_labels": {str(rating): label for rating, label in RATING_LABELS[labels].items()},
        "rows_read": len(raw),
        "rows_unique": len(reviews),
        "parts": {name: _counts(part) for name, part in parts.items()},
        "cuts": cuts,
        "hash": _content_hash(parts),
    }
    (destination / "data.json").write_text(json.dumps(record, indent=2) + "\n")
    return record


def read_ratings(source: Path) -> pl.DataFrame:
    """Return the file's columns text, rating, product_id, timestamp (UTC) and category.

    Raises:
        UnusableData: the suffix is not .parquet, .csv or .jsonl, a column is missing, or a value has another type.
    """
    reader = _READERS.get(source.suffix)
    if reader is None:
        raise UnusableData(f"expected a file ending in {', '.join(_READERS)}, found {source}")
    try:
        frame = reader(source)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UnusableData(f"cannot read {source}: {error}") from error
    missing = _COLUMNS.keys() - set(frame.columns)
    if missing:
        raise UnusableData(f"{source} lacks the columns {sorted(missing)}; found {frame.columns}")
    if frame.schema["timestamp"] == pl.String:
        frame = frame.with_columns(pl.col("timestamp").str.to_datetime(time_zone="UTC", strict=False))
    if "category" not in frame.columns:
        frame = frame.with_columns(category=pl.lit(source.stem))
    try:
        frame = frame.select([pl.col(name).cast(kind) for name, kind in _COLUMNS.items()] + [pl.col("category")])
    except pl.exceptions.PolarsError as error:
        raise UnusableData(f"a column of {source} has another type than {_COLUMNS}: {error}") from error
    if (rows := len(frame.filter(~pl.col("rating").is_between(1, 5)))) > 0:
        raise UnusableData(f"expected ratings from 1 to 5 in {source}, found {rows} rows outside")
    return frame


def normalized(text: str) -> str:
    """Return the form under which two texts count as the same: NFKC, lower case, single blanks."""
    return " ".join(unicodedata.normalize("NFKC", text).lower().split())


def _cleaned(reviews: pl.DataFrame) -> pl.DataFrame:
    """Unescape HTML entities, strip, and drop rows without text, rating, product or time."""
    text = pl.col("text").map_elements(lambda raw: html.unescape(raw).strip(), return_dtype=pl.String)
    return reviews.with_columns(text).drop_nulls().filter(pl.col("text").str.len_chars() > 0)


def _unique(reviews: pl.DataFrame) -> pl.DataFrame:
    """Keep the earliest of the reviews with the same normalized text, in order of time."""
    key = pl.col("text").map_elements(normalized, return_dtype=pl.String)
    ordered = reviews.sort("timestamp", "product_id", "text", maintain_order=True).with_columns(key=key)
    return ordered.unique("key", keep="first", maintain_order=True).drop("key")


def _labelled(reviews: pl.DataFrame, labels: str) -> pl.DataFrame:
    label = pl.col("rating").replace_strict(RATING_LABELS[labels], return_dtype=pl.String)
    return reviews.with_columns(label=label).drop_nulls("label")


def _ordered_labels(labels: str) -> list[str]:
    return list(dict.fromkeys(label for label in RATING_LABELS[labels].values() if label))


def _check_parts(parts: dict[str, pl.DataFrame]) -> None:
    for name, part in parts.items():
        found = part["label"].n_unique()
        if found < 2:
            raise UnusableData(
                f"expected at least two labels in the part {name!r}, found {found} in {len(part)} rows; "
                "give more ratings, over more products and a longer time"
            )


def _counts(part: pl.DataFrame) -> dict:
    by_label = part["label"].value_counts(sort=True)
    return {"rows": len(part), "unseen": int(part["unseen"].sum()), "labels": dict(by_label.iter_rows())}


def _content_hash(parts: dict[str, pl.DataFrame]) -> str:
    """Return the SHA-256 of all rows of all parts, in order."""
    digest = hashlib.sha256()
    for name, part in parts.items():
        digest.update(name.encode())
        for row in part.select("text", "rating", "product_id", "timestamp", "category").iter_rows():
            digest.update(repr(row).encode())
    return digest.hexdigest()
