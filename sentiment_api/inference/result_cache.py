"""The answers of texts that were seen before, off unless it is given room.

A key is the keyed hash of the text, what was asked of the long ones, and the model's version. No text is kept.
"""

import sys
import threading
from typing import NamedTuple

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from sentiment_api.telemetry.metrics import Metrics

_OVERHEAD_BYTES = 320
"""Of an entry beside its arrays: the key, the tuple, and its places in cachetools' three dictionaries."""


class Answer(NamedTuple):
    """What the model says of one text, its windows put together."""

    logits: NDArray[np.float32]
    """`(n_labels,)`, uncalibrated."""
    embedding: NDArray[np.float32]
    """`(n_projected,)`"""


class ResultCache:
    """Keeps the answers used last, as many as fit. Safe to share between threads."""

    def __init__(self, max_bytes: int, metrics: Metrics) -> None:
        """With `max_bytes` of 0 nothing is kept, looked up or counted."""
        self._answers: LRUCache[bytes, Answer] = LRUCache(max_bytes, getsizeof=_size)
        self._lock = threading.Lock()
        self._metrics = metrics
        self._off = max_bytes == 0

    def get(self, key: bytes) -> Answer | None:
        """Return the answer kept under `key`, if there is one."""
        if self._off:
            return None
        with self._lock:
            found = self._answers.get(key)
        self._metrics.cache_lookups.labels("miss" if found is None else "hit").inc()
        return found

    def put(self, key: bytes, answer: Answer) -> None:
        """Keep `answer` under `key`, letting go of what was used longest ago; too large an answer is not kept."""
        if self._off:
            return
        with self._lock:
            if _size(answer) <= self._answers.maxsize:
                self._answers[key] = answer
            self._metrics.cache_bytes.set(self._answers.currsize)

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._answers.clear()
            self._metrics.cache_bytes.set(0)


def _size(answer: Answer) -> int:
    return sum(map(sys.getsizeof, answer)) + _OVERHEAD_BYTES
