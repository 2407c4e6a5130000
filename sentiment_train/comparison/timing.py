"""How fast two models answer, measured so that the machine's moods fall on both alike."""

import time
from typing import NamedTuple

import numpy as np

from sentiment_api.model.classifier import Classifier

ROUNDS = 5
TIMED_TEXTS = 200


class Latency(NamedTuple):
    """Milliseconds from a text to its logits, over the texts."""

    p50_ms: float
    p95_ms: float


def interleaved(a: Classifier, b: Classifier, texts: list[str]) -> tuple[Latency, Latency]:
    """Return the latency of each model on `texts`, one at a time, tokenizing included.

    Each text goes through both models one right after the other, by turns A or B first, in `ROUNDS` rounds. A text's
    time is its median over the rounds, so that what else the machine does is left out; the percentiles are over texts.
    """
    took = np.empty((2, ROUNDS, len(texts)))
    for turn in range(ROUNDS):
        for place, text in enumerate(texts):
            for which in (0, 1) if (turn + place) % 2 == 0 else (1, 0):
                took[which, turn, place] = _one_pass((a, b)[which], text)
    p50, p95 = np.percentile(np.median(took, axis=1), [50, 95], axis=1)
    first, second = (Latency(float(p50[which]), float(p95[which])) for which in (0, 1))
    return first, second


def _one_pass(classifier: Classifier, text: str) -> float:
    """Return the milliseconds of one pass, a GPU's work included: the logits are back in this process's memory then."""
    started = time.perf_counter()
    classifier.forward([classifier.encode(text).ids])
    return (time.perf_counter() - started) * 1000
