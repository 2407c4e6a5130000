"""The answers that a bundle carries: golden texts for the service's check, and the reference that drift is measured by.

Golden texts are hand-written reviews whose sentiment nobody would dispute. The service scores them before it says that
it is ready: another answer than at export means that the engine or the machine computes another function. The reference
holds numbers about held-out reviews, never their texts.
"""

import io
import secrets
from hashlib import blake2b
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentiment_api.model.bundle import GoldenText
from sentiment_api.model.classifier import Classifier
from sentiment_api.model.descriptors import describe
from sentiment_train.errors import UnusableCheckpoint
from sentiment_train.evaluation.scoring import score

MIN_GOLDEN = 4
GOLDEN_MIN_SCORE = 0.6
"""With two labels: no probability within 0.1 of one half."""
GOLDEN_TEXTS = (
    "Absolutely love it. Works perfectly, arrived early, and the sound is wonderful.",
    "Terrible. It broke after two days and the seller refused to give my money back.",
    "I bought this kettle for my mother and she uses it every single morning. Highly recommended!",
    "A complete waste of money. The screen was cracked, the battery would not charge, and support never answered.",
    "Great value for the price, sturdy and easy to clean.",
    "Do not buy this. It smells awful and stopped working within an hour.",
    "The best headphones I have ever owned: comfortable, clear, and they last all day.",
    "Very disappointed. The colour is nothing like the picture, the seams came apart, and I am sending it back.",
    "Five stars. Fits exactly as described and looks beautiful on the wall.",
    "Worst purchase of the year, cheap plastic junk that fell apart in my hands.",
    (
        "I have been playing guitar for twenty years and I was doubtful about strings at this price, but after a month "
        "of rehearsals they still sound bright and stay in tune. I have already ordered three more sets and told the "
        "whole band about them. Excellent product."
    ),
    (
        "I really wanted to like this book, since the first one was so good. Sadly the plot goes nowhere, the "
        "characters are flat, and the last hundred pages are a boring mess. I gave up and threw it away. Save yourself "
        "the trouble."
    ),
)


def golden_texts(cpu: Classifier, reference: Classifier) -> list[GoldenText]:
    """Return the golden texts on which the engines `cpu` and `torch`, the reference, agree and are sure.

    Raises:
        UnusableCheckpoint: fewer than `MIN_GOLDEN` are left, or all have one label.
    """
    golden = []
    for text in GOLDEN_TEXTS:
        answers = {"cpu": cpu.classify(text), "torch": reference.classify(text)}
        if _is_sure(list(answers.values())):
            golden.append(GoldenText(text, {engine: np.round(found, 5).tolist() for engine, found in answers.items()}))
    labels = {int(np.argmax(text.probabilities["torch"])) for text in golden}
    if len(golden) < MIN_GOLDEN or len(labels) < 2:
        raise UnusableCheckpoint(
            f"expected at least {MIN_GOLDEN} golden texts of two labels with a score of {GOLDEN_MIN_SCORE} or more, "
            f"found {len(golden)} of {len(labels)}: this model is not sure of plain praise and complaint yet; "
            "fit it with more --epochs or on more ratings"
        )
    return golden


def _is_sure(answers: list[NDArray[np.float64]]) -> bool:
    same_label = len({int(answer.argmax()) for answer in answers}) == 1
    return same_label and all(answer.max() >= GOLDEN_MIN_SCORE for answer in answers)


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
