"""Long texts in overlapping windows: every token is read, and every token has the same say."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from sentiment_api.model.classifier import Classifier
from sentiment_api.model.long_texts import OVERLAP_SHARE, EncodedText, split_into_windows

START, END = 101, 102


def encoded(length: int) -> list[int]:
    """Return special tokens around `length` tokens that are all different."""
    return [START, *range(1000, 1000 + length), END]


@given(length=st.integers(1, 6000), max_tokens=st.integers(8, 512))
def test_windows_cover_every_token(length: int, max_tokens: int) -> None:
    """No window is too long, none is without special tokens, neighbours overlap, and together they miss nothing."""
    found = split_into_windows(encoded(length), max_tokens)
    assert all(len(window.ids) <= max_tokens for window in found)
    assert all((window.ids[0], window.ids[-1]) == (START, END) for window in found)
    assert {token for window in found for token in window.ids[1:-1]} == set(range(1000, 1000 + length))
    for before, after in itertools.pairwise(found):
        assert len({*before.ids[1:-1]} & {*after.ids[1:-1]}) >= int(OVERLAP_SHARE * (max_tokens - 2))


@given(length=st.integers(1, 6000), max_tokens=st.integers(8, 512))
def test_every_token_has_the_same_say(length: int, max_tokens: int) -> None:
    """The weights add up to 1, and a row that says which tokens a window holds is pooled to equal shares."""
    reading = EncodedText(split_into_windows(encoded(length), max_tokens), length, truncated=False)
    assert sum(window.weight for window in reading.windows) == pytest.approx(1.0)
    ones = [np.ones(3, np.float32) for _ in reading.windows]
    assert reading.weighted_mean(ones) == pytest.approx(np.ones(3))


def test_a_short_text_is_one_window() -> None:
    """What the model can read whole is read once, as it is."""
    assert split_into_windows(encoded(510), 512) == [(encoded(510), 1.0)]


def test_there_are_no_more_windows_than_needed() -> None:
    """With 10 tokens a window, of which 3 overlap, 17 tokens take 2 windows and 18 take 3."""
    assert [len(split_into_windows(encoded(length), 12)) for length in (10, 11, 17, 18, 24, 25)] == [1, 2, 2, 3, 3, 4]


def test_the_end_of_a_long_text_counts_when_asked(cpu: Classifier) -> None:
    """A review that begins with praise and ends with more complaint is another one when all of it is read."""
    text = (
        "This is the best kettle that we have had. " * 60 + "Then it broke. Terrible, awful, a waste of money! " * 160
    )
    beginning, whole = cpu.encode_windows(text), cpu.encode_windows(text, whole=True)
    assert (beginning.truncated, len(beginning.windows)) == (True, 1)
    assert (whole.truncated, len(whole.windows)) == (False, 7)
    assert whole.tokens == 2 + 60 * 10 + 160 * 13
    answers = [cpu.calibrate(cpu.forward([window.ids]).logits)[0] for window in whole.windows]
    pooled = cpu.calibrate(whole.weighted_mean([cpu.forward([window.ids]).logits[0] for window in whole.windows]))
    assert cpu.classify(text)[1] > 0.9
    assert pooled[1] < 0.5
    assert min(answer[1] for answer in answers) <= pooled[1] <= max(answer[1] for answer in answers)


def test_a_client_asks_for_windows(client: TestClient[Litestar]) -> None:
    """With `long_text: window` the reply counts all tokens, is not truncated, and differs; short texts do not."""
    long = "I love this kettle. " * 90 + "It broke after two days, and nobody answers. Terrible. " * 150
    cut = client.post("/predict", json={"text": long}).json()
    whole = client.post("/predict", json={"text": long, "long_text": "window"}).json()
    assert (cut["tokens"], cut["truncated"], cut["label"]) == (512, True, "positive")
    assert (whole["tokens"] > 2000, whole["truncated"], whole["label"]) == (True, False, "negative")
    short = [
        client.post("/predict", json={"text": "Love it.", "long_text": way}).json() for way in ("truncate", "window")
    ]
    assert short[0]["probabilities"] == short[1]["probabilities"]


def test_a_batch_may_ask_for_windows_item_by_item(client: TestClient[Litestar]) -> None:
    """Each item of a batch says for itself, and every other value is refused with its path."""
    long = "I love this kettle. " * 300
    items = [{"text": long}, {"text": long, "long_text": "window"}, {"text": long, "long_text": "middle"}]
    results = client.post("/predict/batch", json={"items": items}).json()["results"]
    assert [each.get("tokens") for each in results] == [512, 1502, None]
    assert results[2]["error"]["errors"][0]["path"] == "items[2].long_text"
