"""Ratings in, a prepared folder out: one parquet file per part and `data.json`, the record of what was done.

The parts are decided in `splits`; texts are cleaned and made unique here.
"""

import datetime as dt
import hashlib
import html
import json
import unicodedata
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import polars as pl

from sentiment_train.errors import UnusableData
from sentiment_train.folders import check_free
from sentiment_train.splits import PARTS, split

RATING_LABELS: dict[str, dict[int, str | None]] = {
    "binary": {1: "negative", 2: "negative", 3: None, 4: "positive", 5: "positive"},
    "three-way": {1: "negative", 2: "negative", 3: "neutral", 4: "positive", 5: "positive"},
}
_COLUMNS = ("text", "rating", "product_id", "timestamp")
_ID_COLUMNS = ("prediction_id", "review_id", "id")
_UTC = pl.Datetime("us", "UTC")
_READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".parquet": pl.read_parquet,
    # As text: a product id such as 0439023483 is no number.
    ".csv": lambda path: pl.read_csv(path, infer_schema=False),
    ".jsonl": lambda path: pl.read_ndjson(path, infer_schema_length=None),
    ".jsonl.gz": lambda path: pl.read_ndjson(path, infer_schema_length=None),
}


def prepare(sources: list[Path], destination: Path, *, labels: str = "binary") -> dict[str, Any]:
    """Read the ratings files, clean, make unique and split them, and write the parts to `destination`.

    Each file needs the columns text, rating (1 to 5), product_id and timestamp; without a column category the file's
    name is the category. Returns what `data.json` holds.

    Raises:
        FolderTaken: `destination` holds something.
        UnusableData: a file cannot be read, lacks a column, or a part would hold fewer than two labels.
    """
    check_free(destination)
    raw = pl.concat([read_ratings(source) for source in sources])
    cleaned = _cleaned(raw)
    unique = _identified(_unique(cleaned))
    reviews, cuts = split(unique)
    reviews = _labelled(reviews, labels)
    parts = {name: reviews.filter(part=name).drop("part") for name in PARTS}
    _check_parts(parts)
    destination.mkdir(parents=True, exist_ok=True)
    for name, part in parts.items():
        part.write_parquet(destination / f"{name}.parquet")
    record: dict[str, Any] = {
        "labels": _ordered_labels(labels),
        "rating_labels": {str(rating): label for rating, label in RATING_LABELS[labels].items()},
        "rows_read": len(raw),
        "rows_left_out": {
            "incomplete": len(raw) - len(cleaned),
            "duplicate": len(cleaned) - len(unique),
            "no label": len(unique) - len(reviews),
        },
        "parts": {name: _counts(part) for name, part in parts.items()},
        "cuts": cuts,
        "hash": _content_hash(parts),
    }
    (destination / "data.json").write_text(json.dumps(record, indent=2) + "\n")
    return record


def read_ratings(source: Path) -> pl.DataFrame:
    """Return the file's columns id (null without one), text, rating, product_id, timestamp (UTC) and category.

    Timestamps are a column of that type, or ISO 8601 text; without an offset they count as UTC.

    Raises:
        UnusableData: the name ends in none of .parquet, .csv, .jsonl and .jsonl.gz, a column is missing, or a
            value has another type.
    """
    frame = _read(source)
    if missing := set(_COLUMNS) - set(frame.columns):
        raise UnusableData(f"{source} lacks the columns {sorted(missing)}; found {frame.columns}")
    category = pl.col("category") if "category" in frame.columns else pl.lit(source.name.removesuffix(_ending(source)))
    try:
        return frame.select(
            _own_ids(frame),
            pl.col("text").cast(pl.String),
            _whole_ratings(frame["rating"], source),
            pl.col("product_id").cast(pl.String),
            _moments(frame["timestamp"], source),
            category.cast(pl.String).alias("category"),
        )
    except pl.exceptions.PolarsError as error:
        raise UnusableData(f"a column of {source} has another type than expected: {error}") from error


def _read(source: Path) -> pl.DataFrame:
    if not (ending := _ending(source)):
        raise UnusableData(f"expected a file ending in {', '.join(_READERS)}, found {source}")
    try:
        return _READERS[ending](source)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UnusableData(f"cannot read {source}: {error}") from error


def _ending(source: Path) -> str:
    return next((ending for ending in _READERS if source.name.endswith(ending)), "")


def _own_ids(frame: pl.DataFrame) -> pl.Expr:
    name = next((name for name in _ID_COLUMNS if name in frame.columns), None)
    return (pl.lit(None) if name is None else pl.col(name)).cast(pl.String).alias("id")


def _whole_ratings(ratings: pl.Series, source: Path) -> pl.Series:
    numbers = ratings.cast(pl.Float64)
    outside = numbers.drop_nulls().filter(~numbers.drop_nulls().is_in([1.0, 2.0, 3.0, 4.0, 5.0]))
    if len(outside) > 0:
        raise UnusableData(
            f"expected whole ratings from 1 to 5 in {source}, found {len(outside)} rows with others, such as "
            f"{outside[0]:g}"
        )
    return numbers.cast(pl.Int8)


def _moments(timestamps: pl.Series, source: Path) -> pl.Series:
    if timestamps.dtype.is_temporal() or timestamps.dtype == pl.Null:
        return timestamps.cast(_UTC)
    if timestamps.dtype != pl.String:
        # Seconds, milliseconds and microseconds cannot be told apart for certain.
        raise UnusableData(
            f"expected timestamps in {source} as ISO 8601 text or of a date type, found {timestamps.dtype}"
        )
    moments = pl.Series("timestamp", [_moment(text) for text in timestamps], dtype=_UTC)
    unreadable = timestamps.filter(moments.is_null() & (timestamps != ""))
    if len(unreadable) > 0:
        raise UnusableData(
            f"expected timestamps in {source} as ISO 8601 text, found {len(unreadable)} others, such as "
            f"{unreadable[0]!r}"
        )
    return moments


def _moment(text: str | None) -> dt.datetime | None:
    """Return the moment that ISO 8601 `text` names, None when it names none; without an offset it is UTC."""
    try:
        moment = dt.datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)


def read_part(data: Path, part: str) -> pl.DataFrame:
    """Return one part of a prepared folder.

    Raises:
        UnusableData: the folder has no such part.
    """
    path = data / f"{part}.parquet"
    try:
        return pl.read_parquet(path)
    except FileNotFoundError as error:
        raise UnusableData(f"expected a folder made by `sentiment-train prepare`, found no {path}") from error
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UnusableData(f"{path} is damaged ({error}); prepare the ratings again") from error


def normalized(text: str) -> str:
    """Return the form under which two texts count as the same: NFKC, lower case, single blanks."""
    return " ".join(unicodedata.normalize("NFKC", text).lower().split())


def _cleaned(reviews: pl.DataFrame) -> pl.DataFrame:
    """Unescape HTML entities, strip, and drop rows without text, rating, product or time."""
    text = pl.col("text").map_elements(lambda raw: html.unescape(raw).strip(), return_dtype=pl.String)
    return reviews.with_columns(text).drop_nulls(_COLUMNS).filter(pl.col("text").str.len_chars() > 0)


def _unique(reviews: pl.DataFrame) -> pl.DataFrame:
    """Keep the earliest of the reviews with the same normalized text, in order of time."""
    key = pl.col("text").map_elements(normalized, return_dtype=pl.String)
    ordered = reviews.sort("timestamp", "product_id", "text", maintain_order=True).with_columns(key=key)
    return ordered.unique("key", keep="first", maintain_order=True).drop("key")


def _identified(reviews: pl.DataFrame) -> pl.DataFrame:
    """Give each review an id of its own, and count the reviews of its product.

    The id is the source's where that is unique, else 16 hex digits of BLAKE2b over product, time and text.
    """
    hashed = pl.Series(
        "hashed",
        [
            blake2b("\0".join(map(str, row)).encode(), digest_size=8).hexdigest()
            for row in reviews.select("product_id", pl.col("timestamp").dt.epoch("us"), "text").iter_rows()
        ],
        dtype=pl.String,
    )
    own_is_unique = pl.col("id").is_not_null() & pl.col("id").is_unique()
    return reviews.with_columns(hashed).select(
        pl.when(own_is_unique).then("id").otherwise("hashed").alias("id"),
        *("text", "rating", "product_id", "timestamp", "category"),
        pl.len().over("product_id").cast(pl.UInt32).alias("product_reviews"),
    )


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


def _counts(part: pl.DataFrame) -> dict[str, Any]:
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
