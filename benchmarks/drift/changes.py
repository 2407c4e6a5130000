"""Things that happen to a shop's reviews, each at several strengths; all of it is done to texts, none to numbers.

Changes of texts are pure functions of a text and a seeded generator; the sentences in other languages are ours.
"""

import re
from collections.abc import Callable
from typing import Final

import numpy as np

TextChange = Callable[[str, np.random.Generator], str]

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_NEGATION = re.compile(r"\b(not|never|no)\s+|n['’]t\b", re.IGNORECASE)  # noqa: RUF001 - as shops' customers write it
_VERB = re.compile(r"\b(is|are|was|were|do|does|did|have|has|had|can|could|will|would|should)\b", re.IGNORECASE)
_EMOJI = ("😀", "👍", "🔥", "😡", "⭐⭐⭐", "❤️", "👎", "🎉")
_GERMAN = (
    "Der Artikel kam pünktlich an und funktioniert einwandfrei.",
    "Leider war die Verpackung beschädigt und das Kabel fehlte.",
    "Für den Preis kann man wirklich nicht meckern.",
    "Ich habe es meiner Schwester geschenkt, sie freut sich jeden Tag darüber.",
    "Nach zwei Wochen ging der Schalter kaputt, der Händler hat nie geantwortet.",
    "Die Verarbeitung ist gut, nur die Anleitung versteht niemand.",
    "Würde ich jederzeit wieder kaufen.",
    "Der Klang ist dünn und bei höherer Lautstärke verzerrt er.",
    "Passt genau, sieht schön aus und lässt sich leicht reinigen.",
    "Das ist schon das dritte Gerät, das ich zurückschicke.",
)
_SPANISH = (
    "Llegó antes de lo esperado y funciona de maravilla.",
    "La pantalla venía rayada y nadie contesta a mis mensajes.",
    "Por este precio no se puede pedir más.",
    "Se rompió a los tres días, no lo recomiendo.",
    "El color es más bonito que en la foto.",
    "Mi hijo lo usa todos los días y sigue como nuevo.",
    "El sonido es flojo y la batería dura muy poco.",
    "Muy contento con la compra, volveré a comprar.",
)


def misspell(share: float) -> TextChange:
    """Return the change that swaps, drops or replaces `share` of all letters."""

    def change(text: str, random: np.random.Generator) -> str:
        letters = list(text)
        for index in np.flatnonzero(random.random(len(letters)) < share):
            letters[index] = _misspelt(letters, int(index), random)
        return "".join(letters)

    return change


def cut(share: float) -> TextChange:
    """Return the change that keeps the first `share` of the words, at least one."""

    def change(text: str, _: np.random.Generator) -> str:
        words = text.split()
        return " ".join(words[: max(1, round(share * len(words)))])

    return change


def lower(text: str, _: np.random.Generator) -> str:
    """Write everything in lower case."""
    return text.lower()


def normalise(text: str, _: np.random.Generator) -> str:
    """Do what a normaliser with a bug does: keep letters only, so that "don't" becomes "dont" and numbers go."""
    kept = "".join(character for character in text if character.isalpha() or character.isspace())
    return kept or "empty"


def mark_up(text: str, _: np.random.Generator) -> str:
    """Wrap sentences in markup, as an editor in a shop's page would."""
    return "".join(f"<p>{sentence.strip()}</p><br />" for sentence in text.split(".") if sentence.strip()) or text


def add_emoji(text: str, random: np.random.Generator) -> str:
    """Put one to three emoji behind the text."""
    return f"{text} {' '.join(random.choice(_EMOJI, random.integers(1, 4)))}"


def flip_negations(text: str, _: np.random.Generator) -> str:
    """Take the first negation away, or put one where there is none."""
    without, number = _NEGATION.subn(" ", text, count=1)
    return without if number else _VERB.sub(lambda verb: f"{verb.group(0)} not", text, count=1)


def translate(text: str, random: np.random.Generator) -> str:
    """Replace the text by sentences in German or Spanish, about as long."""
    sentences = (_GERMAN, _SPANISH)[int(random.integers(2))]
    number = max(1, min(len(sentences), len(text) // 60))
    return " ".join(random.choice(sentences, number, replace=False))


TEXT_CHANGES: Final[dict[str, TextChange]] = {
    "typos in 1 % of letters": misspell(0.01),
    "typos in 3 % of letters": misspell(0.03),
    "typos in 10 % of letters": misspell(0.10),
    "cut to three quarters": cut(0.75),
    "cut to half": cut(0.5),
    "lower case": lower,
    "normaliser bug": normalise,
    "markup": mark_up,
    "emoji": add_emoji,
    "negations flipped": flip_negations,
    "another language": translate,
}


def _misspelt(letters: list[str], index: int, random: np.random.Generator) -> str:
    """Return what stands at `index` after a slip of the finger; a swap takes the next letter's place in turn."""
    if not letters[index].isalpha():
        return letters[index]
    slip = random.integers(3)
    if slip == 0 and index + 1 < len(letters):
        letters[index + 1], swapped = letters[index], letters[index + 1]
        return swapped
    return "" if slip == 1 else str(random.choice(list(_LETTERS)))
