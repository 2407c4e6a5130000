"""LitServe with a transformers pipeline and batches of up to 16 texts, waited for 20 ms.

MODEL=folder PORT=8000 python -m benchmarks.speed.serving.peers.litserve_batching
"""

import os

import litserve
from transformers import pipeline


class LitServeSentiment(litserve.LitAPI):
    """One worker process; LitServe turns waiting requests into a list and the list of results into replies."""

    def setup(self, device: str) -> None:
        """Load the model in the worker."""
        self.classifier = pipeline("text-classification", model=os.environ["MODEL"], device=device, truncation=True)

    def decode_request(self, request: dict[str, str]) -> str:
        """Return the text of one request."""
        return request["text"]

    def predict(self, texts: list[str]) -> list[dict[str, str | float]]:
        """Classify the batch in one forward pass."""
        return list(self.classifier(list(texts), batch_size=len(texts)))


if __name__ == "__main__":
    server = litserve.LitServer(LitServeSentiment(max_batch_size=16, batch_timeout=0.02), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(os.environ["PORT"]), generate_client_file=False)
