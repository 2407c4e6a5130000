"""A column of ratings is understood as a whole: its scale, words, signs, and polarity."""

import polars as pl
import pytest

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.cells.ratings import RatingEvidence, RatingScale


def _scale(
    values: list[object], given: tuple[float, float] | None = None, *, skip_bad_rows: bool = False
) -> RatingScale:
    evidence = RatingEvidence()
    evidence.observe(pl.Series([str(value) for value in values]))
    return evidence.scale(given, "shop.csv, column 'rating'", skip_bad_rows=skip_bad_rows)


@pytest.mark.parametrize(
    ("written", "stars"),
    [
        ("5", 5), (" 4.0 ", 4), ("4,0", 4), ("4.5", 4), ("3.5", 3), ("2,5", 3), ("1.5", 2), ("5 stars", 5),
        ("1 star", 1), ("4.0 out of 5 stars", 4), ("Rated 2 out of 5", 2), ("4 von 5 Sternen", 4), ("★★★★☆", 4),
        ("★☆☆☆☆", 1), ("8/10", 4), ("80 %", 4), ("40%", 2), ("five", 5),
    ],
)  # fmt: skip
def test_ratings_are_read_as_people_write_them(written: str, stars: int) -> None:
    """Of stars at least 4 are positive and at most 2 negative; halves between are 3."""
    cells = pl.Series([written])
    evidence = RatingEvidence()
    evidence.observe(cells)
    assert evidence.scale(None, "shop.csv").rated(cells).to_list() == [stars]


@pytest.mark.parametrize(
    ("values", "name", "stars"),
    [
        ([0, 2, 4, 4.5, 6, 6.5, 10], "0 to 10", [1, 1, 2, 3, 3, 4, 5]),
        ([0, 40, 41, 60, 61, 100], "0 to 100", [1, 2, 3, 3, 4, 5]),
        ([1, 2, 3, 4, 5], "1 to 5", [1, 2, 3, 4, 5]),
    ],
)
def test_a_scale_is_told_by_the_whole_column(values: list[object], name: str, stars: list[int]) -> None:
    """Above 60 % is positive, at most 40 % negative, and between them lie 3 stars."""
    scale = _scale(values)
    assert scale.name == name
    assert scale.rated(pl.Series([str(value) for value in values])).to_list() == stars


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ([1, 2, 3, 4, 5, 6, 7], "--scale 1:7 or --scale 10"),
        ([0, 1, 2, 3, 4] * 20, "--scale 0:4 or --scale 5"),
        ([1, 2] * 30, "--scale 1:2 or --scale 5"),
        ([*[1, 2, 3, 4, 5] * 20, 10], "--scale 5 --skip-bad-rows or --scale 10"),
        ([*[1, 2, 3, 4, 5] * 20, 0], "--scale 0:5 or --scale 5 --skip-bad-rows"),
        ([-5, 5, 3], "--scale -5:5 or --scale 5"),
    ],
)
def test_an_uncertain_scale_is_asked_for(values: list[object], options: str) -> None:
    """The message names the options that settle it."""
    with pytest.raises(ReviewFileInvalid, match=f"certain in shop.csv, column 'rating', found .*; say {options}$"):
        _scale(values)


def test_a_scale_that_is_given_holds() -> None:
    """Also one on which the lowest number is the best."""
    values = pl.Series(["1", "2", "3", "4", "5", "6", "7"])
    assert _scale([1, 2, 3, 4, 5, 6, 7], (6, 1)).rated(values).to_list() == [5, 4, 3, 2, 1, 1, None]
    assert _scale([0, 1, 2, 3, 4] * 20, (0, 4)).rated(values).to_list() == [2, 3, 4, 5, None, None, None]


def test_slips_beyond_the_scale_can_be_left_out() -> None:
    """One ten among hundred ratings of five stars is no rating then."""
    scale = _scale([*[1, 2, 3, 4, 5] * 20, 10, 0], skip_bad_rows=True)
    assert scale.rated(pl.Series(["5", "10", "0"])).to_list() == [5, None, None]


@pytest.mark.parametrize(
    ("values", "polarity"),
    [
        (["positive", "Negative", "neutral"], [1, -1, 0]),
        (["pos", "neg", "neu"], [1, -1, 0]),
        ([1, 0, 1], [1, -1, 1]),
        ([-1, 0, 1], [-1, 0, 1]),
        (["yes", "no", "yes"], [1, -1, 1]),
        (["true", "false", "true"], [1, -1, 1]),
        (["👍", "👎", "👍"], [1, -1, 1]),
        (["Very positive", "extremely negative", "mixed"], [1, -1, 0]),
        (["Recommended", "Not Recommended", "Recommended"], [1, -1, 1]),
    ],
)
def test_a_polarity_gives_no_stars(values: list[object], polarity: list[int]) -> None:
    """Words, flags and thumbs say positive, negative or neutral."""
    scale, cells = _scale(values), pl.Series([str(value) for value in values])
    assert scale.rated(cells).to_list() == [None, None, None]
    assert scale.polarities(cells).to_list() == polarity
