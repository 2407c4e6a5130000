"""What benchmarks send: texts, real reviews where you have some; and records as the service would log them."""

import json
import random
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl
from uuid_utils.compat import uuid7

from benchmarks.steps import StepFailed
from sentiment_api.prediction_log.records import PredictionRecord

WORDS = (
    "the and it is this for with was not very great good bad sound quality price product works broke after days weeks "
    "months bought return again would recommend cable guitar screen battery case book story album kitchen knife light"
).split()
"""What invented reviews are made of."""


def texts(reviews: list[Path], count: int, seed: int = 0) -> list[str]:
    """Return `count` texts of 1 to 20,000 characters.

    They are drawn from the column `text` of the parquet files `reviews`; without any, they are word salad whose lengths
    are distributed like those of product reviews (log-normal, median 60 words).

    Raises:
        StepFailed: a file cannot be read, has no such column, or all of them hold fewer texts; with what was expected.
    """
    chosen = random.Random(seed)  # noqa: S311 - no secret
    if reviews:
        return [text[:20_000] for text in chosen.sample(_read(reviews, count), count)]
    lengths = (max(3, round(chosen.lognormvariate(4.1, 0.9))) for _ in range(count))
    return [" ".join(chosen.choices(WORDS, k=min(length, 1500))) for length in lengths]


def kind_of(reviews: list[Path]) -> str:
    """Return what `texts` makes of these files, for the record."""
    return "real reviews" if reviews else "generated"


def bodies(texts: list[str]) -> list[bytes]:
    """Return what asks `/predict` for each text."""
    return [json.dumps({"text": text}).encode() for text in texts]


def new_record(chosen: random.Random, prediction_id: UUID | None = None) -> PredictionRecord:
    """Return the record of one prediction, about 1 kB, with an invented text; its id is new unless one is given."""
    words = chosen.choices(WORDS, k=chosen.randint(20, 100))
    score = chosen.uniform(0.5, 1.0)
    usual: dict[str, Any] = {
        "prediction_id": prediction_id or uuid7(),
        "request_id": f"{chosen.getrandbits(128):032x}",
        "idempotency_key": None,
        "source": "bench",
        "api_key_name": None,
        "product_id": f"product-{chosen.randrange(1000)}",
        "event_timestamp": None,
        "text": " ".join(words),
        "text_hash": chosen.randbytes(16),
        "metadata": {"shop": "de"},
        "descriptors": {"words": len(words), "characters": 6 * len(words), "non_letters": 0.2},
        "descriptors_version": 1,
        "tokens": len(words) + 2,
        "truncated": False,
        "logits": [chosen.gauss(0, 2), chosen.gauss(0, 2)],
        "label": "positive",
        "score": score,
        "probabilities": {"negative": 1 - score, "positive": score},
        "embedding": [chosen.gauss(0, 1) for _ in range(32)],
        "model_name": "starter",
        "model_version": "0123456789ab",
        "engine": "cpu",
        "latency_ms": chosen.uniform(1, 20),
    }
    return PredictionRecord(**usual)


def _read(files: list[Path], count: int) -> list[str]:
    texts: list[str] = []
    for path in files:
        try:
            column = pl.read_parquet(path, columns=["text"])["text"].str.strip_chars()
        except (OSError, pl.exceptions.PolarsError) as error:
            what = "".join(str(error).splitlines()[:1])
            expected = "expected a parquet file with a column text"
            raise StepFailed(f"--reviews {path}: {expected}: {type(error).__name__}: {what}") from error
        texts += column.filter(column != "").to_list()
    if len(texts) < count:
        raise StepFailed(
            f"--reviews: expected at least {count} texts that are not empty, found {len(texts)}; name more files"
        )
    return texts
