"""What quantization costs: answers on labelled reviews, one text per pass, against fp32."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.speed.engines.batch_mates import probabilities
from benchmarks.speed.engines.candidates import Logits, Run

Probabilities = NDArray[np.float32]
"""`(texts, labels)`"""

_FAR = 0.10


@dataclass(frozen=True)
class Labelled:
    """Reviews with the label that the customer gave."""

    texts: list[list[int]]
    """Token ids."""
    labels: NDArray[np.int64]
    """`(texts,)`, as places in the model's list of labels."""
    temperature: float


def answers(callers: list[Run], labelled: Labelled) -> Probabilities:
    """Return the probabilities `(texts, labels)`, computed by one thread for each caller."""
    share = len(callers)

    def part(number: int) -> list[Logits]:
        return [callers[number](np.array([text])) for text in labelled.texts[number::share]]

    logits: list[Logits] = [np.empty(0, dtype=np.float32)] * len(labelled.texts)
    with ThreadPoolExecutor(share) as threads:
        for number, done in enumerate(threads.map(part, range(share))):
            logits[number::share] = done
    return probabilities(np.concatenate(logits), labelled.temperature)


def compare(found: Probabilities, reference: Probabilities, labelled: Labelled) -> dict[str, float]:
    """Return the accuracy of the probabilities `found`, and how far they are from those of `reference`.

    `moved_far` is the share of texts with a probability that moved by 0.10 or more.
    """
    chosen = found.argmax(axis=1)
    moved = np.abs(found - reference).max(axis=1)
    return {
        "accuracy": round(float((chosen == labelled.labels).mean()), 4),
        "agreement": round(float((chosen == reference.argmax(axis=1)).mean()), 4),
        "moved_mean": round(float(moved.mean()), 5),
        "moved_p99": round(float(np.quantile(moved, 0.99)), 4),
        "moved_most": round(float(moved.max()), 4),
        "moved_far": round(float((moved >= _FAR).mean()), 4),
    }
