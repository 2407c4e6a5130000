"""Answers that are kept: what they save, and what they may not hide."""

from typing import Any

from litestar import Litestar
from litestar.testing import TestClient

from sentiment_api.model.classifier import Classifier
from tests.protocols import AssertProblem, Metric, NewClient, Slugs

Client = TestClient[Litestar]

PATIENCE_S = 30.0
REVIEW = {"text": "The lid never closes properly."}


def test_a_text_seen_before_costs_the_engine_nothing(
    new_client: NewClient, engine: Any, metric: Metric, slugs: Slugs
) -> None:
    """With a cache a repeated review gets the same answer under a new id, is logged, and skips the engine."""
    client = new_client(cache_bytes=1 << 20)
    first, again = (client.post("/predict", json=REVIEW).json() for _ in range(2))
    assert engine.entered.acquire(timeout=PATIENCE_S)
    assert not engine.entered.acquire(blocking=False)
    assert first.pop("prediction_id") != again.pop("prediction_id")
    assert first == again
    batch = client.post("/predict/batch", json={"items": [REVIEW, {"text": "Another."}, REVIEW]})
    assert slugs(batch) == ["negative"] * 3
    assert metric(client, 'sentiment_cache_lookups_total{result="hit"}') == 3
    assert metric(client, 'sentiment_cache_lookups_total{result="miss"}') == 2
    assert metric(client, 'sentiment_spooled_records_total{kind="prediction"}') == 5


def test_a_kept_answer_hides_no_broken_engine_from_golden_texts(
    new_client: NewClient,
    classifier: Classifier,
    engine: Any,
    assert_problem: AssertProblem,
    metric: Metric,
    slugs: Slugs,
) -> None:
    """A golden text is scored anew, one by one and in a batch; customers go on with the answer that was kept."""
    client, golden = new_client(cache_bytes=1 << 20), {"X-Sentiment-Source": "golden"}
    assert client.post("/predict", json=REVIEW, headers=golden).status_code == 200
    engine.marked = classifier.encode(REVIEW["text"]).ids[1]
    assert client.post("/predict", json=REVIEW).status_code == 200
    assert_problem(client.post("/predict", json=REVIEW, headers=golden), 500, "inference-failed")
    batch = client.post("/predict/batch", json={"items": [REVIEW]}, headers=golden)
    assert slugs(batch) == ["inference-failed"]
    assert metric(client, 'sentiment_cache_lookups_total{result="hit"}') == 1
    assert metric(client, 'sentiment_cache_lookups_total{result="miss"}') == 0


def test_a_text_is_cached_apart_for_each_way_to_read_it(new_client: NewClient, metric: Metric) -> None:
    """The answer for a text's beginning is not given to one who asks for all of it."""
    client = new_client(cache_bytes=1 << 20)
    for way in ("truncate", "window", "truncate"):
        assert client.post("/predict", json={**REVIEW, "long_text": way}).status_code == 200
    assert metric(client, 'sentiment_cache_lookups_total{result="hit"}') == 1
