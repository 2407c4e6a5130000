"""The answers of texts seen before."""

import numpy as np
import pytest

from sentiment_api.inference.result_cache import ResultCache, TextResult
from sentiment_api.telemetry.metrics import Metrics


@pytest.fixture
def metrics() -> Metrics:
    """A registry of our own."""
    return Metrics()


def answer(number: float = 0.0) -> TextResult:
    """Return an answer of the starter's size."""
    return TextResult(np.full(2, number, np.float32), np.full(32, number, np.float32))


def lookups(metrics: Metrics, result: str) -> float:
    """Return how many look-ups ended so."""
    return metrics.registry.get_sample_value("sentiment_cache_lookups_total", {"result": result}) or 0.0


def test_what_was_put_is_found(metrics: Metrics) -> None:
    """An answer is found under its key and no other, and both are counted."""
    cache = ResultCache(10_000, metrics)
    cache.put(b"one", answer(1.0))
    found = cache.get(b"one")
    assert found is not None
    assert found.logits.tolist() == [1.0, 1.0]
    assert cache.get(b"two") is None
    assert (lookups(metrics, "hit"), lookups(metrics, "miss")) == (1, 1)


def test_the_bound_in_bytes_holds(metrics: Metrics) -> None:
    """Past the bound what was used longest ago goes; what is used stays."""
    cache = ResultCache(10_000, metrics)
    cache.put(b"used", answer())
    for number in range(1000):
        cache.put(number.to_bytes(16, "big"), answer())
        assert cache.get(b"used") is not None
        assert (metrics.registry.get_sample_value("sentiment_cache_bytes") or 0) <= 10_000
    kept = sum(cache.get(number.to_bytes(16, "big")) is not None for number in range(1000))
    assert 5 <= kept <= 20


def test_an_answer_larger_than_the_cache_is_not_kept(metrics: Metrics) -> None:
    """A cache that is too small for one answer keeps none, and says nothing."""
    cache = ResultCache(100, metrics)
    cache.put(b"one", answer())
    assert cache.get(b"one") is None


def test_without_room_the_cache_is_off(metrics: Metrics) -> None:
    """With 0 bytes nothing is kept and nothing is counted."""
    cache = ResultCache(0, metrics)
    cache.put(b"one", answer())
    assert cache.get(b"one") is None
    assert (lookups(metrics, "hit"), lookups(metrics, "miss")) == (0, 0)
