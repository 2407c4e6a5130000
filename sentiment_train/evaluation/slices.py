"""Which reviews belong together when a mean over all of them could hide something.

A slice is a named subset: the reviews of one rating, of one category, of one year, of a length in tokens or of products
with so many reviews. Figures of slices are made elsewhere.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

LONGEST = (16, 64, 128, 256)
"""The longest texts, in tokens, of each slice by length but the last; most reviews have 17 to 128."""
MOST_REVIEWS = (1, 9, 99)
"""The most reviews of a product in each slice by popularity but the last."""


def slices(reviews: pl.DataFrame, tokens: NDArray[np.int64]) -> dict[str, Mask]:
    """Return the mask `(n,)` of each slice of the n `reviews`, by its name such as `rating: 1` or `category: books`.

    `tokens` is `(n,)`, the length of each text as the model reads it. Every slice holds a review, and the slices of one
    kind do not overlap. A kind whose column is missing, or in which all reviews have one value, gives no slice: it
    would be the whole. A review without a value is in no slice of that kind.
    """
    kinds = {
        "rating": _by_value(reviews, "rating"),
        "category": _by_value(reviews, "category"),
        "year": _by_value(reviews.select(pl.col("^timestamp$").dt.year()), "timestamp"),
        "length": _by_range(pl.Series(tokens), LONGEST, "tokens"),
        "popularity": _by_range(_column(reviews, "product_reviews"), MOST_REVIEWS, "reviews"),
    }
    return {f"{kind}: {name}": mask for kind, found in kinds.items() if len(found) > 1 for name, mask in found.items()}


def _column(reviews: pl.DataFrame, name: str) -> pl.Series:
    """Return the column, or nulls where there is none."""
    return reviews[name] if name in reviews.columns else pl.repeat(None, len(reviews), dtype=pl.Int64, eager=True)


def _by_value(reviews: pl.DataFrame, name: str) -> dict[str, Mask]:
    column = _column(reviews, name)
    return {str(value): _mask(column == value) for value in column.drop_nulls().unique().sort()}


def _by_range(numbers: pl.Series, most: tuple[int, ...], unit: str) -> dict[str, Mask]:
    found = {name: _mask((numbers >= low) & (numbers <= high)) for name, low, high in _ranges(most, unit)}
    return {name: mask for name, mask in found.items() if mask.any()}


def _ranges(most: tuple[int, ...], unit: str) -> Iterator[tuple[str, int, int]]:
    low = 1
    for high in most:
        yield (f"{low} to {high} {unit}" if high > low else f"{low} {unit.removesuffix('s')}"), low, high
        low = high + 1
    yield f"{low} {unit} or more", low, np.iinfo(np.int32).max


def _mask(condition: pl.Series) -> Mask:
    return condition.fill_null(value=False).to_numpy().astype(np.bool_)
