"""Scores many texts with a classifier, as fast as its engine allows."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sentiment_api.model.classifier import Classifier
from sentiment_api.model.engines import BatchLimits, EngineOutput
from sentiment_api.model.tokenizer import Tokens


class Scores(NamedTuple):
    """What the model says of n texts, in their order."""

    logits: NDArray[np.float32]
    """`(n, n_labels)`, uncalibrated."""
    pooled: NDArray[np.float32]
    """`(n, dim)`"""
    tokens: list[Tokens]


def score(classifier: Classifier, texts: Sequence[str]) -> Scores:
    """Return the scores of `texts`; at least one is expected.

    Texts go through the engine sorted by length, in batches where it takes batches and in parallel where it takes that.
    """
    tokens = [classifier.encode(text) for text in texts]
    order = sorted(range(len(texts)), key=lambda index: len(tokens[index].ids))
    batches = _batches([tokens[index].ids for index in order], classifier.engine.limits)
    with ThreadPoolExecutor(classifier.engine.threads) as pool:
        outputs: list[EngineOutput] = list(pool.map(classifier.forward, batches))
    back = np.argsort(order)
    return Scores(
        np.concatenate([output.logits for output in outputs])[back],
        np.concatenate([output.pooled for output in outputs])[back],
        tokens,
    )


def _batches(texts: list[list[int]], limits: BatchLimits) -> list[list[list[int]]]:
    """Return `texts`, which are sorted by length, in passes that an engine with `limits` takes."""
    batches: list[list[list[int]]] = [[]]
    for ids in texts:
        held = batches[-1]
        if held and not limits.hold(texts=len(held) + 1, longest=len(ids), total=sum(map(len, held)) + len(ids)):
            batches.append([])
        batches[-1].append(ids)
    return batches
