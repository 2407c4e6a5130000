"""Names that columns have in the files people bring, by role: lower case, no accents, underscores between words.

They are those of the review sets that are passed around most, of what shops and app stores export, of spreadsheets in
six languages, and of what `sentiment-api db export-feedback` writes.
"""

KNOWN_NAMES: dict[str, tuple[str, ...]] = {
    "text": (
        "text", "review_text", "review_body", "review", "body", "content", "review_content", "verified_reviews",
        "review_comment_message", "comment", "comments", "comment_text", "message", "customer_review", "user_review",
        "reviews", "tweet", "sentence", "phrase", "opinion", "opiniones", "feedback", "description",
        "text_der_bewertung", "bewertungstext", "rezension", "rezensionstext", "kommentar", "bewertung", "resena",
        "texto", "texto_de_la_resena", "comentario", "comentarios", "avis", "texte", "commentaire", "texte_de_l_avis",
        "avis_client", "recensione", "commento", "testo", "avaliacao", "detail", "details", "summary",
    ),
    "title": (
        "review_title", "title", "review_headline", "headline", "summary", "review_summary", "review_name", "subject",
        "review_comment_title", "review", "titel", "uberschrift", "titulo", "titre", "titolo",
    ),
    "rating": (
        "rating", "overall", "stars", "star_rating", "score", "review_score", "review_rating", "rate",
        "overall_rating", "overall_score", "reviewer_score", "user_rating", "customer_rating", "rating_value",
        "ratings", "star", "review_stars", "review_star", "points", "grade", "satisfaction", "csat", "nps",
        "nps_score", "bewertung", "sterne", "punkte", "note", "calificacion", "puntuacion", "valoracion", "estrellas",
        "etoiles", "valutazione", "voto", "stelle", "punteggio", "nota", "avaliacao", "estrelas",
    ),
    "label": (
        "label", "sentiment", "polarity", "airline_sentiment", "recommended", "is_recommended", "recommended_ind",
        "recommend", "recommendation", "voted_up", "do_recommend", "recommend_to_a_friend", "pos_neg", "target",
        "class", "thumbs", "thumb", "vote", "reaction", "feedback", "stimmung", "sentimiento", "sentimento",
    ),
    # Variants of one product share their reviews: the parent is the product that a part must not share.
    "product_id": (
        "product_id", "parent_asin", "asin", "asins", "business_id", "product_product_id", "item_id", "sku",
        "product_sku", "product_handle", "product_name", "product_title", "product", "clothing_id", "item",
        "item_name", "hotel_id", "hotel_name", "hotel", "place_id", "gmap_id", "store_name", "restaurant_id",
        "restaurant_name", "restaurant", "app_id", "app_name", "app", "package_name", "course_id", "course_name",
        "book_id", "movie_id", "listing_id", "game", "drug_name", "airline_name", "airline", "company_name", "company",
        "firm", "branch", "article", "produkt", "produktname", "artikel", "artikelnummer", "producto", "produit",
        "prodotto", "produto",
    ),
    "timestamp": (
        "timestamp", "unix_review_time", "review_date", "date", "review_time", "created_at", "create_time",
        "time", "at",
        "reviewed_on", "review_timestamp", "date_added", "publish_time", "published_at", "published_at_date",
        "publish_date", "submission_date", "submission_time", "submitted_at", "posted_at", "date_posted",
        "review_posted", "review_creation_date", "review_submit_date_and_time", "review_datetime", "date_reviewed",
        "date_published", "creation_date", "created_time", "timestamp_created", "tweet_created", "created", "updated",
        "year_month", "ts", "day", "datum", "fecha", "data", "date_de_publication", "datum_der_bewertung",
    ),
    "category": ("category", "main_category", "product_category"),
    "id": ("prediction_id", "review_id", "id"),
}  # fmt: skip
"""By role; where a file has several of them the first one counts whose cells hold what the role needs."""

TOKENS: dict[str, frozenset[str]] = {
    "text": frozenset(("review", "reviews", "text", "comment", "comments", "content", "body", "message", "feedback")),
    "rating": frozenset(("rating", "ratings", "rate", "rated", "star", "stars", "score", "bewertung", "nota")),
    "timestamp": frozenset(
        ("date", "time", "timestamp", "created", "posted", "published", "day", "when", "datum", "fecha", "data")
    ),
    "product_id": frozenset(
        ("product", "item", "asin", "sku", "hotel", "restaurant", "app", "store", "place", "business", "listing")
    ),
}
"""By role, words of which one stands in the name of a column that may play it."""

OTHER_THINGS = frozenset(
    (
        "count", "counts", "number", "num", "total", "average", "avg", "mean", "helpful", "helpfulness", "votes",
        "price", "user", "username", "author", "reviewer", "reviewers", "reply", "replied", "response", "seen",
        "scraped", "crawled", "crawl", "release", "birth", "visit", "version", "url", "link", "image", "address",
        "category", "type", "verified", "weighted", "vote", "language", "length", "words", "flown",
    )
)  # fmt: skip
"""Words in the names of columns that hold something else, such as the rating's count or the reviewer's name."""

MAIN_THINGS = frozenset(("overall", "review", "reviewer", "user", "customer", "total"))
"""Words by which the rating of the whole is told from ratings of parts, such as `food_rating`."""

OPENED = frozenset(("text", "body", "content", "label", "value", "name", "id", "date", "iso", "t", "original_text"))
"""Members by which an object is opened: `content.label` counts as `content`."""

PARENTS = frozenset(("review", "reviews", "data", "item", "attributes", "fields", "source", "comment", "node"))
"""Objects whose members count by their own names: `reviews.text` counts as `text`."""
