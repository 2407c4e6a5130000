"""Clients of a shop, as mixed as they come: single reviews, batches, feedback, mistakes, and some that hang up."""

import contextlib
import random
import time
from typing import Any

import httpx

from benchmarks.payload import WORDS

_PRODUCTS = ("mug-7", "kettle-2", "lamp-31")
_PACE_S = 0.03
_IMPATIENT_S = 0.005


class Crowd:
    """Sends one thing after the other, chosen by a seed."""

    def __init__(self, client: httpx.Client, seed: int = 7) -> None:
        """Nothing is sent yet."""
        self._client = client
        self._random = random.Random(seed)  # noqa: S311 - no secret
        self._unrated: list[str] = []

    def send(self, seconds: float) -> None:
        """Send for so long. How busy it is goes up and down."""
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < seconds:
            self._send_one()
            time.sleep(_PACE_S * (1 + 3 * abs((passed / 60) % 2 - 1)))

    def _send_one(self) -> None:
        dice = self._random.random()
        if dice < 0.6:
            self._predict()
        elif dice < 0.7:
            items = [self._item() for _ in range(self._random.randint(2, 24))] + [{"text": ""}]
            self._client.post("/predict/batch", json={"items": items})
        elif dice < 0.85 and self._unrated:
            rating = {"prediction_id": self._unrated.pop(0), "rating": self._random.choice([1, 2, 4, 5, 5])}
            self._client.post("/feedback", json=rating)
        elif dice < 0.9:
            self._client.get("/health/ready")
        else:
            self._mistake()

    def _predict(self) -> None:
        reply = self._client.post("/predict", json=self._item())
        if reply.status_code == 200:
            self._unrated.append(reply.json()["prediction_id"])

    def _mistake(self) -> None:
        """Ask what is refused, or do not wait for the answer."""
        kind = self._random.randrange(5)
        if kind == 0:
            self._client.post("/predict", json={"text": ""})
        elif kind == 1:
            self._client.get("/no/such/page")
        elif kind == 2:
            self._client.get("/predict")
        elif kind == 3:
            self._client.post("/predict", json=self._item(), headers={"X-Request-Deadline-Ms": "1"})
        else:
            with contextlib.suppress(httpx.TimeoutException):
                self._client.post("/predict", json={"text": self._text(900)}, timeout=_IMPATIENT_S)

    def _item(self) -> dict[str, Any]:
        words = int(self._random.lognormvariate(3.2, 0.9)) + 1
        return {"text": self._text(words), "product_id": self._random.choice(_PRODUCTS)}

    def _text(self, words: int) -> str:
        return " ".join(self._random.choices(WORDS, k=words))
