"""Which review belongs to which part. The rules are fixed, so that figures of different models can be compared.

Where reviews have products and times:

- `unseen`: one product in five, by a hash of its id. Never trains.
- `later`: reviews at or after the 80 % quantile of their category's time. Never trains.
- train: neither. Validation is carved from it by the same two rules at 5 %: one product in twenty, and the last 5 %.
- reference: `unseen` but not `later`. Neither trains, nor stops training, nor is reported: drift is measured against
  it.

A review without a product is one of its own: the hash of its text stands in for it. Without times nothing is `later`:
`held_out` is one product in five by another digit of the same hash, and validation one in ten by two more; no two
parts share a product.
"""

import datetime as dt

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentiment_train.preparation.duplicates import hashes

PARTS = ("train", "validation", "reference", "later")
"""Of reviews with times."""
UNTIMED_PARTS = ("train", "validation", "reference", "held_out")
"""Of reviews without."""
NO_TIME = -(2**63)
"""Stands for a missing time among microseconds since 1970."""
LATER_QUANTILE = 0.8
UNSEEN_ONE_IN = 5
VALIDATION_QUANTILE = 0.95
VALIDATION_ONE_IN = 20
_UNSEEN = pl.col("product") % UNSEEN_ONE_IN == 0
# The first modulus is spent on `unseen`; the quotient gives a second, independent digit of the hash.
_OF_VALIDATION = (pl.col("product") // UNSEEN_ONE_IN) % VALIDATION_ONE_IN == 0


def product_hashes(products: pl.Series) -> NDArray[np.uint64]:
    """Return the 64-bit BLAKE2b of each product's id, read big-endian, `(n,)`; worked out once for each product."""
    different = products.unique(maintain_order=True)
    place = products.replace_strict(
        different, pl.Series(range(len(different)), dtype=pl.UInt32), return_dtype=pl.UInt32
    )
    hashed: NDArray[np.uint64] = hashes(different)[place.to_numpy()]
    return hashed


def find_cuts(reviews: pl.DataFrame) -> pl.DataFrame:
    """Return the columns category, later_from and validation_from (null where nothing trains), in order of category.

    Expects the columns product (`product_hashes`), timestamp and category.
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

    Expects the columns product (`product_hashes`), timestamp and category, of which all are in `cuts`.
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


def assign_untimed(reviews: pl.DataFrame) -> pl.DataFrame:
    """Return `reviews` with the columns unseen (bool) and part (UInt8, the place in `UNTIMED_PARTS`).

    Expects the column product (`product_hashes`).
    """
    train, validation, reference, held_out = (pl.lit(place, pl.UInt8) for place in range(len(UNTIMED_PARTS)))
    rest = pl.col("product") // (UNSEEN_ONE_IN * VALIDATION_ONE_IN)
    validates = (rest // UNSEEN_ONE_IN) % VALIDATION_ONE_IN == 0
    part = (
        pl.when(rest % UNSEEN_ONE_IN == 0)
        .then(held_out)
        .when(_UNSEEN)
        .then(reference)
        .when(_OF_VALIDATION | validates)
        .then(validation)
        .otherwise(train)
    )
    return reviews.with_columns(unseen=_UNSEEN, part=part)


def written_cuts(cuts: pl.DataFrame) -> dict[str, dict[str, str]]:
    """Return the cuts by category as ISO 8601 under `later` and `validation`; empty where there is none."""
    return {
        row["category"]: {"later": _iso(row["later_from"]), "validation": _iso(row["validation_from"])}
        for row in cuts.iter_rows(named=True)
    }


def _iso(moment: dt.datetime | None) -> str:
    return moment.isoformat() if moment is not None else ""
