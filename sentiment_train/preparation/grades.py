"""What a review says of its product as one number: whole stars from 1 to 5, or a polarity where there are no stars."""

import polars as pl

NEGATIVE, NEUTRAL, POSITIVE = 11, 13, 15
"""Grades of reviews without stars."""
STARS = (1, 2, 3, 4, 5)
_OF_POLARITY = {-1: NEGATIVE, 0: NEUTRAL, 1: POSITIVE}


def with_grades(rows: pl.DataFrame) -> pl.DataFrame:
    """Return `rows`, which have a rating or a polarity, with the column grade, Int8, in place of polarity."""
    of_polarity = pl.col("polarity").replace_strict(_OF_POLARITY, default=None, return_dtype=pl.Int8)
    return rows.with_columns(grade=pl.coalesce("rating", of_polarity)).drop("polarity")


def grade_labels(labels: dict[int, str | None]) -> dict[int, str | None]:
    """Return the label of each grade, from those of stars: neutral reviews count as those of 3 stars."""
    return labels | {NEGATIVE: labels[1], NEUTRAL: labels[3], POSITIVE: labels[5]}
