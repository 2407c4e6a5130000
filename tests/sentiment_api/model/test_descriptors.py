"""Descriptors, by hand-counted examples."""

import pytest

from sentiment_api.model.descriptors import DESCRIPTORS_VERSION, Descriptors, describe


def test_an_ordinary_review_is_counted() -> None:
    """Every descriptor of a short review has the value that counting by hand gives."""
    assert describe("I don't LIKE it: 10 of 12 broke!", tokens=14, truncated=False) == Descriptors(
        characters=32,
        words=8,
        tokens=14,
        pieces_per_word=12 / 8,
        truncated=False,
        non_letter_share=7 / 32,  # the apostrophe, the colon, four digits and the exclamation mark
        upper_share=5 / 18,
        digit_share=4 / 32,
        mean_word_length=23 / 8,
    )


@pytest.mark.parametrize("text", ["?!", "...", "😀"])
def test_a_text_without_words_has_no_averages(text: str) -> None:
    """Without words or letters the averages and shares of them are 0, and nothing is divided by 0."""
    found = describe(text, tokens=4, truncated=False)
    assert (found.words, found.pieces_per_word, found.mean_word_length, found.upper_share) == (0, 0.0, 0.0, 0.0)
    assert found.non_letter_share == 1.0


def test_a_truncated_text_has_no_pieces_per_word() -> None:
    """When the model saw only the beginning it is not known which words its tokens stand for."""
    found = describe("word " * 600, tokens=512, truncated=True)
    assert (found.words, found.tokens, found.truncated, found.pieces_per_word) == (600, 512, True, 0.0)


@pytest.mark.parametrize("apostrophe", ["'", "’"])  # noqa: RUF001 - both apostrophes are the point
def test_an_apostrophe_does_not_split_a_word(apostrophe: str) -> None:
    """The plain and the typographic apostrophe both join what stands around them."""
    found = describe(f"doesn{apostrophe}t", tokens=5, truncated=False)
    assert (found.words, found.mean_word_length, found.pieces_per_word) == (1, 7.0, 3.0)


def test_letters_of_any_script_are_letters() -> None:
    """Umlauts, Greek and Chinese characters count as letters, and only those with a case as upper-case."""
    found = describe("Ä Ω 漢", tokens=5, truncated=False)
    assert (found.characters, found.words, found.non_letter_share) == (5, 3, 0.0)
    assert found.upper_share == 2 / 3


def test_the_version_is_known() -> None:
    """A change of a definition is a change of this number, here and in the logged rows."""
    assert DESCRIPTORS_VERSION == 1
