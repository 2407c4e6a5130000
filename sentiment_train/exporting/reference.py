"""The rows that drift is measured against: numbers about held-out reviews, never their texts."""

import io
import secrets
from hashlib import blake2b
from pathlib import Path

import msgspec
import polars as pl

from sentiment_api.model.classifier import Classifier
from sentiment_api.model.descriptors import describe
from sentiment_train.evaluation.scoring import score


def write_reference(classifier: Classifier, reviews: pl.DataFrame, path: Path) -> None:
    """Write what `reference` returns to a parquet file."""
    content = io.BytesIO()  # polars tells of a full disk in words of its own, `Path` by an OSError
    reference(classifier, reviews).write_parquet(content)
    path.write_bytes(content.getvalue())


def reference(classifier: Classifier, reviews: pl.DataFrame) -> pl.DataFrame:
    """Return what `reference.parquet` of a bundle holds of `reviews`, a part that neither trained nor is reported."""
    scores = score(classifier, reviews["text"].to_list())
    probabilities = classifier.calibrate(scores.logits)
    described = [
        msgspec.structs.asdict(describe(text, tokens=len(tokens.ids), truncated=tokens.truncated))
        for text, tokens in zip(reviews["text"], scores.tokens, strict=True)
    ]
    salt = secrets.token_bytes(16)  # forgotten, so that no product can be recognized
    return pl.DataFrame(described).with_columns(
        reviews["rating"],
        reviews["category"],
        reviews["timestamp"],
        pl.Series("target", reviews["label"]),
        pl.Series("product_cluster", [_cluster(product_id, salt) for product_id in reviews["product_id"]]),
        pl.Series("label", [classifier.labels[index] for index in probabilities.argmax(axis=1)]),
        pl.Series("score", probabilities.max(axis=1), dtype=pl.Float32),
        pl.Series("logits", scores.logits.tolist(), dtype=pl.List(pl.Float32)),
        pl.Series("probabilities", probabilities.tolist(), dtype=pl.List(pl.Float32)),
        pl.Series("embedding", classifier.project(scores.pooled).tolist(), dtype=pl.List(pl.Float32)),
    )


def _cluster(product_id: str, salt: bytes) -> str:
    return blake2b(product_id.encode(), key=salt, digest_size=8).hexdigest()
