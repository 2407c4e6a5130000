"""Columns are given by their role: what is missing is named, and so is an option that names no role."""

import re
from pathlib import Path

import pytest

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.columns import match_columns, parse_named


def test_a_missing_column_is_named() -> None:
    """The message lists the columns that lack, those that were found, and the option."""
    expected = (
        "shop.csv lacks the columns ['rating', 'timestamp']; found ['text', 'grade', 'sku']; name one with --column "
    )
    with pytest.raises(ReviewFileInvalid, match=re.escape(expected + "rating=NAME")):
        match_columns(["text", "grade", "sku"], {}, Path("shop.csv"))
    with pytest.raises(ReviewFileInvalid, match=re.escape("lacks the columns ['Body']")):
        match_columns(["text", "rating", "sku", "date"], {"text": "Body"}, Path("shop.csv"))


@pytest.mark.parametrize("option", ["text", "text=", "body=Body"])
def test_an_option_that_names_no_role_is_refused(option: str) -> None:
    """The message lists the roles."""
    with pytest.raises(ReviewFileInvalid, match="a role of text, rating, product_id, timestamp, category, id, found"):
        parse_named([option])
