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
_UNSEEN = pl.col("product") % UNSEEN_ONE_IN == 0
# The first modulus is spent on `unseen`; the quotient gives a second, independent digit of the hash.
_OF_VALIDATION = (pl.col("product") // UNSEEN_ONE_IN) % VALIDATION_ONE_IN == 0


def product_hash(product_id: str) -> int:
    """Return the 64-bit BLAKE2b of `product_id`, read big-endian."""
    return int.from_bytes(blake2b(product_id.encode(), digest_size=8).digest(), "big")


def split(reviews: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, dict[str, str]]]:
    """Return `reviews` with the columns `unseen` (bool) and `part`, and the time cuts by category.

    Expects the columns product_id, timestamp and category. The cuts are as `written_cuts` returns them.
    """
    hashes = pl.Series("product", [product_hash(product_id) for product_id in reviews["product_id"]], dtype=pl.UInt64)
    hashed = reviews.with_columns(hashes)
    cuts = find_cuts(hashed)
    marked = assign(hashed, cuts).with_columns(part=pl.col("part").replace_strict(dict(enumerate(PARTS))))
    return marked.drop("product"), written_cuts(cuts)


def find_cuts(reviews: pl.DataFrame) -> pl.DataFrame:
    """Return the columns category, later_from and validation_from (null where nothing trains), in order of category.

    Expects the columns product (`product_hash`), timestamp and category.
    """
    time = pl.col("timestamp")
    later_from = time.quantile(LATER_QUANTILE, "lower")
    train_time = time.filter(~_UNSEEN & (time < later_from))
    return (
        reviews.group_by("category")
        .agg(later_from=later_from, validation_from=train_time.quantile(VALIDATION_QUANTILE, "lower"))
        .sort("category")
    )


def assign(reviews: pl.DataFrame, cuts: pl.DataFrame) -> pl.DataFrame:
    """Return `reviews` with the columns unseen (bool) and part (UInt8, the place in `PARTS`).

    Expects the columns product (`product_hash`), timestamp and category, of which all are in `cuts`.
    """
    train, validation, reference, later = (pl.lit(place, pl.UInt8) for place in range(len(PARTS)))
    part = (
        pl.when(pl.col("timestamp") >= pl.col("later_from"))
        .then(later)
        .when(_UNSEEN)
        .then(reference)
        .when(_OF_VALIDATION | (pl.col("timestamp") >= pl.col("validation_from")))
        .then(validation)
        .otherwise(train)
    )
    cut = reviews.join(cuts, on="category", how="left", maintain_order="left")
    return cut.with_columns(unseen=_UNSEEN, part=part).drop("later_from", "validation_from")


def written_cuts(cuts: pl.DataFrame) -> dict[str, dict[str, str]]:
    """Return the cuts by category as ISO 8601 under `later` and `validation`; empty where there is none."""
    return {
        row["category"]: {"later": _iso(row["later_from"]), "validation": _iso(row["validation_from"])}
        for row in cuts.iter_rows(named=True)
    }


def _iso(moment: dt.datetime | None) -> str:
    return moment.isoformat() if moment is not None else ""
