"""Published forms of review files, known by their headers; the output names them.

Each header was seen: in the publisher's own documentation, or in a file as it is passed around.
"""

from collections.abc import Iterable
from typing import NamedTuple

from sentiment_api.review_files.columns import plain_name


class Profile(NamedTuple):
    """A published form."""

    name: str
    columns: frozenset[str]
    """Plain names (`plain_name`) that all of its files have."""
    source: str
    """Where the header stands."""


def _profile(name: str, columns: str, source: str) -> Profile:
    return Profile(name, frozenset(columns.split()), source)


PROFILES = (
    _profile("Amazon Reviews 2023", "rating title text parent_asin user_id timestamp", "https://amazon-reviews-2023.github.io"),
    _profile("Amazon reviews 2014 and 2018", "asin reviewer_id overall review_text unix_review_time", "https://nijianmo.github.io/amazon/"),
    _profile("Amazon Customer Reviews", "marketplace product_id star_rating review_headline review_body review_date", "https://s3.amazonaws.com/amazon-reviews-pds/readme.html"),
    _profile("SNAP Amazon reviews", "product_product_id review_score review_time review_text", "https://snap.stanford.edu/data/web-Amazon.html"),
    _profile("Yelp Open Dataset", "review_id user_id business_id stars text date", "https://www.yelp.com/dataset/documentation/main"),
    _profile("Google Play scraper", "review_id user_name content score thumbs_up_count at", "https://github.com/JoMingyu/google-play-scraper"),
    _profile("App Store review feed", "im_rating_label content_label updated_label", "https://itunes.apple.com/us/rss/customerreviews/id=APP/json"),
    _profile("Datafiniti product reviews", "reviews_date reviews_rating reviews_text reviews_title", "https://www.kaggle.com/datasets/datafiniti/consumer-reviews-of-amazon-products"),
    _profile("Women's clothing reviews", "clothing_id title review_text rating recommended_ind", "https://www.kaggle.com/datasets/nicapotato/womens-ecommerce-clothing-reviews"),
    _profile("Flipkart product reviews", "product_name product_price rate review summary", "https://www.kaggle.com/datasets/niraliivaghani/flipkart-product-customer-reviews-dataset"),
    _profile("Alexa reviews", "rating date variation verified_reviews feedback", "https://www.kaggle.com/datasets/sid321axn/amazon-alexa-reviews"),
    _profile("Google Maps store reviews", "reviewer_id store_name rating_count review_time review rating", "https://www.kaggle.com/datasets/nelgiriyewithana/mcdonalds-store-reviews"),
    _profile("ratings of this service", "prediction_id text rating", "sentiment-api db export-feedback"),
)  # fmt: skip


def profile_of(columns: Iterable[str]) -> str | None:
    """Return the name of the published form that has these columns, None if none is known."""
    names = {
        "_".join(filter(None, map(plain_name, column.replace("/", ".").replace(":", ".").split("."))))
        for column in columns
    }
    fitting = [profile for profile in PROFILES if profile.columns <= names]
    return max(fitting, key=lambda profile: len(profile.columns)).name if fitting else None
