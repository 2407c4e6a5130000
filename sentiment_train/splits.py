"""Which review belongs to which part. The rules are fixed, so that figures of different models can be compared.

- `unseen`: one product in five, by a hash of its id. Never trains.
- `later`: reviews at or after the 80 % quantile of their category's time. Never trains.
- train: neither. Validation is carved from it by the same two rules at 5 %: one product in twenty, and the last 5 %.
- reference: `unseen` but not `later`. Neither trains, nor stops training, nor is reported: drift is measured against
  it.
"""

import datetime as dt
from hashlib import blake2b

import polars as pl

PARTS = ("train", "validation", "reference", "later")
LATER_QUANTILE = 0.8
UNSEEN_ONE_IN = 5
VALIDATION_QUANTILE = 0.95
VALIDATION_ONE_IN = 20


def product_hash(product_id: str) -> int:
    """Return the 64-bit BLAKE2b of `product_id`, read big-endian."""
    return int.from_bytes(blake2b(product_id.encode(), digest_size=8).digest(), "big")


def split(reviews: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, dict[str, str]]]:
    """Return `reviews` with the columns `unseen` (bool) and `part`, and the time cuts by category.

    Expects the columns product_id, timestamp and category. The cuts are ISO 8601 strings under `later` and
    `validation`.
    """
    hashes = pl.Series("hash", [product_hash(product_id) for product_id in reviews["product_id"]], dtype=pl.UInt64)
    marked = reviews.with_columns(hashes).with_columns(
        unseen=pl.col("hash") % UNSEEN_ONE_IN == 0,
        later_from=_quantile_by_category(LATER_QUANTILE),
    )
    is_train = ~pl.col("unseen") & (pl.col("timestamp") < pl.col("later_from"))
    train_timestamp = pl.when(is_train).then("timestamp")
    marked = marked.with_columns(
        validation_from=train_timestamp.quantile(VALIDATION_QUANTILE, "lower").over("category")
    )
    # The first modulus is spent on `unseen`; the quotient gives a second, independent digit of the hash.
    product_of_validation = (pl.col("hash") // UNSEEN_ONE_IN) % VALIDATION_ONE_IN == 0
    part = (
        pl.when(pl.col("timestamp") >= pl.col("later_from"))
        .then(pl.lit("later"))
        .when(pl.col("unseen"))
        .then(pl.lit("reference"))
        .when(product_of_validation | (pl.col("timestamp") >= pl.col("validation_from")))
        .then(pl.lit("validation"))
        .otherwise(pl.lit("train"))
    )
    marked = marked.with_columns(part=part)
    return marked.drop("hash", "later_from", "validation_from"), _cuts(marked)


def _quantile_by_category(quantile: float) -> pl.Expr:
    return pl.col("timestamp").quantile(quantile, "lower").over("category")


def _cuts(marked: pl.DataFrame) -> dict[str, dict[str, str]]:
    by_category = marked.group_by("category").agg(
        pl.col("later_from").first(), pl.col("validation_from").drop_nulls().first()
    )
    return {
        row["category"]: {"later": _iso(row["later_from"]), "validation": _iso(row["validation_from"])}
        for row in by_category.sort("category").iter_rows(named=True)
    }


def _iso(moment: dt.datetime | None) -> str:
    return moment.isoformat() if moment is not None else ""
