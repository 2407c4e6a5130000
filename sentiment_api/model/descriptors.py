"""Plain numbers that describe a review's form, for drift. Pure and versioned.

The service computes them at prediction time and training computes them for the reference, so that both sides of a
comparison come from one definition. Change a definition only together with `DESCRIPTORS_VERSION`.
"""

import re

import msgspec

DESCRIPTORS_VERSION = 1

_WORD = re.compile(r"\w+(?:['’]\w+)*")  # noqa: RUF001 - the typographic apostrophe joins words as the plain one does


class Descriptors(msgspec.Struct, frozen=True):
    """The form of one text."""

    characters: int
    """Length in Unicode code points."""
    words: int
    """Runs of letters, digits and underscores; an apostrophe between them does not split."""
    tokens: int
    """Tokens given to the model, special ones included, after truncation."""
    pieces_per_word: float
    """Tokens without the two special ones, over words: high for misspelt or foreign text. 0 without words, and 0 when
    truncated: then the words that the tokens stand for are not known."""
    truncated: bool
    """Whether the model saw only the beginning."""
    non_letter_share: float
    """Characters that are neither letters nor white space, over characters, 0 to 1."""
    upper_share: float
    """Upper-case letters over letters, 0 to 1; 0 without letters."""
    digit_share: float
    """Digits over characters, 0 to 1."""
    mean_word_length: float
    """Characters per word; 0 without words."""


def describe(text: str, *, tokens: int, truncated: bool) -> Descriptors:
    """Return the descriptors of `text`, which the tokenizer turned into `tokens` tokens."""
    characters = len(text)
    letters = sum(map(str.isalpha, text))
    blanks = sum(map(str.isspace, text))
    word_lengths = [len(word) for word in _WORD.findall(text)]
    words = len(word_lengths)
    return Descriptors(
        characters=characters,
        words=words,
        tokens=tokens,
        pieces_per_word=0.0 if truncated else _ratio(tokens - 2, words),
        truncated=truncated,
        non_letter_share=_ratio(characters - letters - blanks, characters),
        upper_share=_ratio(sum(map(str.isupper, text)), letters),
        digit_share=_ratio(sum(map(str.isdigit, text)), characters),
        mean_word_length=_ratio(sum(word_lengths), words),
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
