"""BentoML with a transformers pipeline and its adaptive batching, up to 16 texts at once.

MODEL=folder python -m bentoml serve benchmarks.speed.serving.peers.bentoml_batching:BentoSentiment
"""

import os

import bentoml
from transformers import pipeline


@bentoml.service(traffic={"timeout": 60})
class BentoSentiment:
    """One worker process; BentoML learns how long batches take and decides how many texts to wait for."""

    def __init__(self) -> None:
        """Load the model in the worker."""
        self.classifier = pipeline("text-classification", model=os.environ["MODEL"], truncation=True)

    @bentoml.api(batchable=True, max_batch_size=16, max_latency_ms=60_000)
    def predict(self, texts: list[str]) -> list[dict[str, str | float]]:
        """Classify the batch in one forward pass. The latency is a bound to shed at, and is never reached here."""
        return list(self.classifier(texts, batch_size=len(texts)))
