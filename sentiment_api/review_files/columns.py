"""Which column of a ratings file plays which role, by its name.

The names are those of the review sets that are passed around most: Amazon 2014, 2018 and 2023 (McAuley), Amazon's own
customer reviews, SNAP, Yelp, and what `sentiment-api db export-feedback` writes. Case makes no difference.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from sentiment_api.errors import ReviewFileInvalid

REQUIRED = ("text", "rating", "product_id", "timestamp")
ROLES = (*REQUIRED, "category", "id")
KNOWN_NAMES: dict[str, tuple[str, ...]] = {
    "text": ("text", "reviewText", "review_body", "review_text", "review/text", "review", "body", "content"),
    "rating": ("rating", "overall", "stars", "star_rating", "review/score", "score"),
    # Variants of one product share their reviews: the parent is the product that a part must not share.
    "product_id": ("product_id", "parent_asin", "asin", "business_id", "product/productId", "item_id", "sku"),
    "timestamp": ("timestamp", "unixReviewTime", "review_date", "date", "review/time", "created_at", "time"),
    "category": ("category", "main_category", "product_category"),
    "id": ("prediction_id", "review_id", "id"),
}
"""By role, the names that are recognised; where a file has several of them the first one counts."""


def match_columns(found: Sequence[str], named: Mapping[str, str], source: Path) -> dict[str, str]:
    """Return the file's column of each role that it has. `named` gives columns by role and beats the known names.

    Raises:
        ReviewFileInvalid: a required role has no column, or a column that was named is not in the file.
    """
    by_lower = {name.lower().strip(): name for name in reversed(found)}
    matched: dict[str, str] = {}
    for role in ROLES:
        names = (named[role],) if role in named else KNOWN_NAMES[role]
        column = next((by_lower[name.lower()] for name in names if name.lower() in by_lower), None)
        if column is not None:
            matched[role] = column
    missing = [role for role in ROLES if role not in matched and (role in REQUIRED or role in named)]
    if missing:
        raise ReviewFileInvalid(
            f"{source} lacks the columns {[named.get(role, role) for role in missing]}; found {list(found)}; "
            f"name one with --column {missing[0]}=NAME"
        )
    return matched


def parse_named(options: Sequence[str]) -> dict[str, str]:
    """Return the columns by role that options such as `text=Body` name.

    Raises:
        ReviewFileInvalid: an option has another form, or names no role.
    """
    pairs = dict(option.partition("=")[::2] for option in options)
    if wrong := [role for role, name in pairs.items() if role not in ROLES or not name]:
        raise ReviewFileInvalid(f"expected --column ROLE=NAME with a role of {', '.join(ROLES)}, found {wrong[0]!r}")
    return pairs
