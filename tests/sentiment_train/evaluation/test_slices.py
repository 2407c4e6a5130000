"""Slices of a few reviews, told apart by hand."""

import datetime as dt

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from sentiment_train.evaluation.slices import slices

_TOKENS = np.array([5, 16, 17, 300])


def _reviews(**columns: list[object]) -> pl.DataFrame:
    return pl.DataFrame(columns)


def _members(reviews: pl.DataFrame, tokens: np.ndarray = _TOKENS) -> dict[str, list[int]]:
    return {name: np.flatnonzero(mask).tolist() for name, mask in slices(reviews, tokens).items()}


def test_each_kind_takes_the_reviews_apart() -> None:
    """Rating, category, year, length and popularity each name their slices, in this order and sorted within."""
    reviews = _reviews(
        rating=[5, 1, 5, 4],
        category=["books", "toys", "books", "books"],
        timestamp=[dt.datetime(year, 12, 31, 23, tzinfo=dt.UTC) for year in (2014, 2013, 2013, 2014)],
        product_reviews=[1, 2, 9, 100],
    )
    assert list(_members(reviews).items()) == [
        ("rating: 1", [1]),
        ("rating: 4", [3]),
        ("rating: 5", [0, 2]),
        ("category: books", [0, 2, 3]),
        ("category: toys", [1]),
        ("year: 2013", [1, 2]),
        ("year: 2014", [0, 3]),
        ("length: 1 to 16 tokens", [0, 1]),
        ("length: 17 to 64 tokens", [2]),
        ("length: 257 tokens or more", [3]),
        ("popularity: 1 review", [0]),
        ("popularity: 2 to 9 reviews", [1, 2]),
        ("popularity: 100 reviews or more", [3]),
    ]


def test_the_whole_is_no_slice() -> None:
    """A kind in which all reviews have one value gives none."""
    assert _members(_reviews(rating=[5, 5], category=["books", "books"]), np.array([3, 4])) == {}


def test_a_missing_column_gives_no_slice() -> None:
    """Reviews that are texts and labels alone are sliced by length."""
    assert list(_members(_reviews(label=["positive"] * 4))) == [
        "length: 1 to 16 tokens",
        "length: 17 to 64 tokens",
        "length: 257 tokens or more",
    ]


def test_a_review_without_a_value_is_in_no_slice_of_that_kind() -> None:
    """An empty cell belongs nowhere, and is no slice of its own."""
    found = _members(_reviews(rating=[5, None, 1, 1], product_reviews=[None, 1, 2, None]))
    assert {name: rows for name, rows in found.items() if not name.startswith("length")} == {
        "rating: 1": [2, 3],
        "rating: 5": [0],
        "popularity: 1 review": [1],
        "popularity: 2 to 9 reviews": [2],
    }


@given(st.lists(st.integers(1, 600), min_size=1, max_size=30))
def test_lengths_neither_overlap_nor_leave_out(tokens: list[int]) -> None:
    """Every text is in exactly one slice by length, wherever its length lies, unless one would hold all."""
    found = slices(_reviews(label=["positive"] * len(tokens)), np.array(tokens))
    assert not found or np.sum(list(found.values()), axis=0).tolist() == [1] * len(tokens)
