"""Columns play roles by their names and by their cells; what cannot be told is asked for with the option."""

import re
from collections.abc import Sequence

import polars as pl
import pytest

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.columns import match_columns
from sentiment_api.review_files.options import parse_named

_TEXTS = ["The lamp is bright and well made.", "It broke after two days, sadly.", "Does what it should, no more."]


def _matched(**columns: Sequence[object]) -> dict[str, str]:
    sample = pl.DataFrame({name: [str(value) for value in values] for name, values in columns.items()})
    return dict(match_columns(sample, {}, "shop.csv", join_title=True))


def test_what_is_missing_is_named_with_the_option_for_it() -> None:
    """All roles that lack are told at once, each with the columns that look like it."""
    sample = pl.DataFrame({"grade of it": ["4", "2", "5"], "sku": ["a", "b", "c"]})
    expected = (
        "cannot tell which column of shop.csv is the text and a rating or a label; none looks like a text: name it "
        "with --column text=NAME; `grade of it` looks like a rating: `--column rating=grade of it`"
    )
    with pytest.raises(ReviewFileInvalid, match=re.escape(expected)):
        match_columns(sample, {}, "shop.csv", join_title=True)
    with pytest.raises(ReviewFileInvalid, match=re.escape("shop.csv has no column 'Body' for --column text=Body")):
        match_columns(sample, {"text": "Body"}, "shop.csv", join_title=True)


@pytest.mark.parametrize("option", ["text", "text=", "body=Body"])
def test_an_option_that_names_no_role_is_refused(option: str) -> None:
    """The message lists the roles."""
    with pytest.raises(ReviewFileInvalid, match="a role of text, title, rating, label, product_id, timestamp, cat"):
        parse_named([option])


@pytest.mark.parametrize(
    ("columns", "text", "rating"),
    [
        ({"Rate": [1, 5, 3], "Summary": _TEXTS, "Review": ["bad", "wow", "so so"]}, "Summary", "Rate"),
        ({"OverallScore": [1, 9, 3], "Review": _TEXTS}, "Review", "OverallScore"),
        ({"reviews.text": _TEXTS, "reviews.rating": [1, 5, 3]}, "reviews.text", "reviews.rating"),
        ({"content.label": _TEXTS, "im:rating.label": [1, 5, 3]}, "content.label", "im:rating.label"),
        ({"rating": [1, 5, 3], "feedback": [0, 1, 1], "verified_reviews": _TEXTS}, "verified_reviews", "rating"),
        ({"What is your reason?": _TEXTS, "stars": [1, 5, 3]}, "What is your reason?", "stars"),
        ({"Reseña": _TEXTS, "Puntuación": ["4,5", "1,0", "3,0"]}, "Reseña", "Puntuación"),
        ({"food_rating": [1, 5, 3], "Overall_Rating": [2, 5, 3], "text": _TEXTS}, "text", "Overall_Rating"),
    ],
)  # fmt: skip
def test_names_of_many_publishers_are_recognised(columns: dict[str, Sequence[object]], text: str, rating: str) -> None:
    """Case, dots, accents and words around the known one make no difference; cells decide where names do not."""
    matched = _matched(**columns)
    assert (matched["text"], matched["rating"]) == (text, rating)


def test_a_label_counts_where_there_is_no_rating() -> None:
    """A polarity beside ratings is not looked at."""
    assert _matched(review=_TEXTS, sentiment=["positive", "negative", "neutral"])["label"] == "sentiment"
    assert "label" not in _matched(review=_TEXTS, sentiment=["positive", "negative", "neutral"], rating=[5, 1, 3])


def test_a_version_or_a_reviewer_is_no_product() -> None:
    """Names that belong to something else are not taken, however much they look like a product's."""
    matched = _matched(
        content=_TEXTS, score=[5, 1, 3], appVersion=["4.5", "4.6", "4.7"], reviewers_name=["a", "b", "c"]
    )
    assert matched == {"text": "content", "rating": "score"}


def test_a_title_that_all_reviews_of_a_product_share_is_its_name() -> None:
    """A map's export calls the place `title`; that is not put before the reviews."""
    places = [f"Place {n % 4}" for n in range(12)]
    matched = _matched(text=_TEXTS * 4, stars=[5, 1, 3] * 4, placeId=[f"p{n % 4}" for n in range(12)], title=places)
    assert "title" not in matched
    assert matched["product_id"] == "placeId"


def test_two_columns_of_one_name_are_asked_about() -> None:
    """Readers number equal names; which one is meant cannot be told."""
    columns: dict[str, Sequence[object]] = {"text": _TEXTS, "text (2)": _TEXTS, "stars": [5, 1, 3]}
    with pytest.raises(ReviewFileInvalid, match=r"has two columns 'text'.*--column 'text=text \(2\)'"):
        _matched(**columns)
