"""The results of texts that were seen before, off unless it is given room.

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


class TextResult(NamedTuple):
    """What the model says of one text, its windows put together."""

    logits: NDArray[np.float32]
    """`(n_labels,)`, uncalibrated."""
    embedding: NDArray[np.float32]
    """`(n_projected,)`"""


class ResultCache:
    """Keeps the results used last, as many as fit. Safe to share between threads."""

    def __init__(self, max_bytes: int, metrics: Metrics) -> None:
        """With `max_bytes` of 0 nothing is kept, looked up or counted."""
        self._results: LRUCache[bytes, TextResult] = LRUCache(max_bytes, getsizeof=_size)
        self._lock = threading.Lock()
        self._metrics = metrics
        self._off = max_bytes == 0

    def get(self, key: bytes) -> TextResult | None:
        """Return the result kept under `key`, if there is one."""
        if self._off:
            return None
        with self._lock:
            found = self._results.get(key)
        self._metrics.cache_lookups.labels("miss" if found is None else "hit").inc()
        return found

    def put(self, key: bytes, result: TextResult) -> None:
        """Keep `result` under `key`, letting go of what was used longest ago; too large a result is not kept."""
        if self._off:
            return
        with self._lock:
            if _size(result) <= self._results.maxsize:
                self._results[key] = result
            self._metrics.cache_bytes.set(self._results.currsize)

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._results.clear()
            self._metrics.cache_bytes.set(0)


def _size(result: TextResult) -> int:
    return sum(map(sys.getsizeof, result)) + _OVERHEAD_BYTES
