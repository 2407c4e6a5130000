"""Short pieces of reviews: whole sentences, equally many of each label, the same ones each time."""

import numpy as np
import pytest

from sentiment_train.fitting.sentences import sentence_crops

_LONG = "It came on Monday morning. The box was badly torn! Would I buy it again? No, never in my life."
_SHORT = "One sentence that is alone"
_PIECES = {
    "It came on Monday morning.",
    "The box was badly torn!",
    "Would I buy it again?",
    "No, never in my life.",
    "It came on Monday morning. The box was badly torn!",
    "The box was badly torn! Would I buy it again?",
    "Would I buy it again? No, never in my life.",
}


def test_pieces_are_one_or_two_sentences_in_a_row() -> None:
    """A review gives each of its pieces once before any more is asked of it, and never itself."""
    crops, labels = sentence_crops([_LONG], np.array([1]), 100.0, seed=3)
    assert sorted(crops) == sorted(_PIECES)
    assert labels == [1] * 7


def test_labels_have_equally_many_pieces() -> None:
    """The rarer label's reviews give several pieces each, so that both labels have as many."""
    texts = [_LONG.replace("Monday", f"day {day}") for day in range(9)]
    crops, labels = sentence_crops(texts, np.array([0] + [1] * 8), 1.0, seed=3)
    assert np.bincount(labels).tolist() == [4, 4]
    assert len(set(crops[:4])) == len(set(crops[4:])) == 4


def test_the_rarest_label_bounds_the_others() -> None:
    """Where a label has no more pieces, the others stop at as many."""
    texts = [_LONG, *(_LONG.replace("Monday", f"day {day}") for day in range(99))]
    _, labels = sentence_crops(texts, np.array([0] + [1] * 99), 1.0, seed=3)
    assert np.bincount(labels).tolist() == [7, 7]


@pytest.mark.parametrize("text", [_SHORT, "So so. Meh! Bad? No."])
def test_reviews_of_one_sentence_or_of_words_give_none(text: str) -> None:
    """One sentence is the review itself, and fewer than four words say too little."""
    assert sentence_crops([text, text], np.array([0, 1]), 1.0, seed=3)[0] in ([], ["So so. Meh!"])


def test_the_seed_decides() -> None:
    """One seed gives the same pieces again, another one others."""
    texts = [_LONG.replace("Monday", f"day {day}") for day in range(20)]
    labels = np.arange(20) % 2
    assert sentence_crops(texts, labels, 0.5, seed=3) == sentence_crops(texts, labels, 0.5, seed=3)
    assert sentence_crops(texts, labels, 0.5, seed=3) != sentence_crops(texts, labels, 0.5, seed=4)
