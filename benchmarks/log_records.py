"""Records for the prediction log, as the service would write them: about 1 kB each, with invented texts."""

import random
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from sentiment_api.prediction_log.records import PredictionRecord

_WORDS = "the lid never closes and this kettle works well was a gift broke after days would buy again".split()


def new_record(chosen: random.Random, prediction_id: UUID | None = None) -> PredictionRecord:
    """Return the record of one prediction; its id is new unless one is given."""
    words = chosen.choices(_WORDS, k=chosen.randint(20, 100))
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
