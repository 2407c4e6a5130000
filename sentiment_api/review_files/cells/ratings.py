"""What a column of ratings means: told from all of its values at once, as whole stars from 1 to 5 or as a polarity.

Of stars at least 4 are positive and at most 2 negative; on other scales more than 60 % and at most 40 %. Halves between
become 3 stars.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.cells.missing import without_words_for_nothing
from sentiment_api.review_files.libraries import pl

_MOST_VALUES = 100_000
"""Different values of a column of ratings; more are something else."""
_NUMBER = r"([-+]?\d+(?:[.,]\d+)?)"
_OF = r"\s*(?:/|out of|of|von|sur|de|su|di|auf)\s*"
_SHARE = re.compile(rf"(?:rated\s+)?{_NUMBER}{_OF}(\d+)\b.*", re.IGNORECASE)
_PERCENT = re.compile(rf"{_NUMBER}\s*%")
_PLAIN = re.compile(
    rf"(?:rated\s+)?{_NUMBER}\s*(?:[★⭐*]|(?:stars?|points?|sterne?|punkte?|étoiles?|estrellas?|stelle|estrelas?)\b)?"
    r"\s*(?:rating)?",
    re.IGNORECASE,
)
_SIGNS = re.compile(r"[★⭐🌟]\ufe0f?|[☆✩]")
_WORDS = {"one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0}
_STRENGTH = re.compile(r"^(?:very|extremely|strongly|mostly|overwhelmingly|somewhat|slightly)[ _-]+")
_POSITIVE = ("positive", "pos", "yes", "true", "recommended", "thumbs up", "up", "good", "👍", "positiv", "positivo")
_NEUTRAL = ("neutral", "neu", "mixed")
_NEGATIVE = (
    "negative", "neg", "no", "false", "not recommended", "thumbs down", "down", "bad", "👎", "negativ", "negativo",
)  # fmt: skip
POLARITY = dict.fromkeys(_POSITIVE, 1) | dict.fromkeys(_NEUTRAL, 0) | dict.fromkeys(_NEGATIVE, -1)
"""1 positive, 0 neutral, -1 negative, by the word in lower case."""
_NEEDED_ABOVE = 0.1
"""Of the ratings, how many must lie above 5 or 10 for a scale that is larger; fewer are slips of single rows."""
_FEW = 50
"""Ratings that do not tell a scale by the greatest of them."""


class RatingValue(NamedTuple):
    """What one cell says."""

    number: float | None = None
    best: float | None = None
    """The best rating, where the cell itself says it: `4 out of 5`, `80 %`."""
    polarity: int | None = None


class RatingScale(NamedTuple):
    """What every value of a column means; values that are in neither mapping cannot be told."""

    name: str
    """For people and records: `1 to 5`, `0 to 10`, `polarity`."""
    stars: dict[str, int]
    """Whole stars by the value as it is written."""
    polarity: dict[str, int]

    def rated(self, cells: pl.Series) -> pl.Series:
        """Return whole stars from 1 to 5, Int8; null where there is none or it cannot be told."""
        return _mapped(cells, self.stars)

    def polarities(self, cells: pl.Series) -> pl.Series:
        """Return -1, 0 or 1, Int8; null where there is none or it cannot be told."""
        return _mapped(cells, self.polarity)


def _mapped(cells: pl.Series, meanings: Mapping[str, int]) -> pl.Series:
    if not meanings:
        return pl.Series(cells.name, [None], dtype=pl.Int8).new_from_index(0, len(cells))
    return cells.replace_strict(list(meanings), list(meanings.values()), default=None, return_dtype=pl.Int8)


def rating_value(text: str) -> RatingValue | None:
    """Return what a cell says, None if it is neither a rating nor a polarity."""
    text = text.strip()
    if (signs := _SIGNS.findall(text)) and not _SIGNS.sub("", text).strip():
        full = sum(sign[0] in "★⭐🌟" for sign in signs)
        return RatingValue(float(full), 5.0 if len(signs) == 5 else None)
    if match := _PERCENT.fullmatch(text):
        return RatingValue(_number(match[1]), 100.0)
    if match := _SHARE.fullmatch(text):
        return RatingValue(_number(match[1]), float(match[2]))
    if match := _PLAIN.fullmatch(text):
        return RatingValue(_number(match[1]))
    word = _STRENGTH.sub("", text.lower())
    if word in _WORDS:
        return RatingValue(_WORDS[word])
    return RatingValue(polarity=POLARITY[word]) if word in POLARITY else None


def _number(text: str) -> float:
    return float(text.replace(",", "."))


class RatingEvidence:
    """All values of a column so far, and how often each occurs."""

    def __init__(self) -> None:
        self._values: Counter[str] = Counter()

    def observe(self, cells: pl.Series) -> None:
        """Add the cells of some rows."""
        if len(self._values) <= _MOST_VALUES:
            counts = without_words_for_nothing(cells).drop_nulls().value_counts()
            self._values.update(dict(counts.iter_rows()))

    def scale(self, given: tuple[float, float] | None, place: str, *, skip_bad_rows: bool = False) -> RatingScale:
        """Return what the values mean.

        `given` is the worst and the best rating, `place` names the column in errors. To skip bad rows is to leave out
        the few ratings that are beyond the scale of all others.

        Raises:
            ReviewFileInvalid: the scale cannot be told from the values.
        """
        found = {text: value for text in self._values if (value := rating_value(text)) is not None}
        numbers = {text: value for text, value in found.items() if value.number is not None}
        polarity = {text: value.polarity for text, value in found.items() if value.polarity is not None}
        rows = sum(self._values[text] for text in numbers)
        if given is None and (not numbers or (rows < 0.05 * self._values.total() and polarity)):
            return RatingScale("polarity", {}, polarity)
        counts = Counter({text: self._values[text] for text in numbers})
        if given is None and _is_flag(numbers):
            return RatingScale("0 and 1", {}, polarity | _flags(numbers))
        told = given or _told_scale(_unsaid(numbers), counts, place, skip_bad_rows=skip_bad_rows)
        return _scaled(numbers, polarity, told, is_given=given is not None)


def _is_flag(numbers: Mapping[str, RatingValue]) -> bool:
    """Whether the numbers are 0 and 1, or -1 with them: no rating but a polarity."""
    found = {value.number for value in numbers.values()}
    return (found <= {0.0, 1.0} or found <= {-1.0, 0.0, 1.0}) and len(found) > 1 and not _said(numbers)


def _said(numbers: Mapping[str, RatingValue]) -> bool:
    return any(value.best is not None for value in numbers.values())


def _flags(numbers: Mapping[str, RatingValue]) -> dict[str, int]:
    """Return the polarity of 0 and 1, or of -1, 0 and 1."""
    lowest = -1 if any(value.number == -1.0 for value in numbers.values()) else 0
    return {text: 1 if value.number == 1.0 else -1 if value.number == lowest else 0 for text, value in numbers.items()}


def _unsaid(numbers: Mapping[str, RatingValue]) -> dict[str, float]:
    """Return the numbers that do not say themselves what the best one is."""
    return {text: value.number for text, value in numbers.items() if value.best is None and value.number is not None}


def _scaled(
    numbers: Mapping[str, RatingValue], polarity: dict[str, int], scale: tuple[float, float], *, is_given: bool
) -> RatingScale:
    low, high = scale
    stars: dict[str, int] = {}
    for text, value in numbers.items():
        worst, best = scale if is_given or value.best is None else (0.0, value.best)
        if value.number is not None and (rated := _stars(value.number, worst, best)) is not None:
            stars[text] = rated
    return RatingScale(_scale_name(low, high, numbers), stars, polarity)


def _scale_name(low: float, high: float, numbers: Mapping[str, RatingValue]) -> str:
    bests = {value.best for value in numbers.values()}
    if len(bests) == 1 and (best := bests.pop()) is not None:
        low, high = (1.0, 5.0) if best == 5 else (0.0, best)
    return f"{low:g} to {high:g}"


def _told_scale(
    numbers: Mapping[str, float], counts: Counter[str], place: str, *, skip_bad_rows: bool
) -> tuple[float, float]:
    """Return worst and best of a column's plain numbers.

    Raises:
        ReviewFileInvalid: several scales fit, or none does.
    """
    rows = sum(counts[text] for text in numbers)
    if rows == 0:
        return 1.0, 5.0
    ordered = sorted(numbers.values())
    for bound, larger in ((5.0, 10), (10.0, 100)):
        beyond = sum(counts[text] for text, number in numbers.items() if number > bound)
        if beyond >= _NEEDED_ABOVE * rows:
            continue
        if beyond and not skip_bad_rows:
            _refuse(place, f"{beyond} of {rows} ratings above {bound:g}", f"{bound:g} --skip-bad-rows", str(larger))
        return _checked(
            bound, [number for number in ordered if number <= bound], rows, place, skip_bad_rows=skip_bad_rows
        )
    return _checked(100.0, ordered, rows, place, skip_bad_rows=skip_bad_rows)


def _checked(best: float, ordered: list[float], rows: int, place: str, *, skip_bad_rows: bool) -> tuple[float, float]:
    """Return the scale up to `best` if the ratings, in order, reach over it."""
    least, greatest = ordered[0], ordered[-1]
    reaches = greatest > 0.9 * best - (best == 5) * 0.5 if best > 5 or rows >= _FEW else True
    if not reaches or greatest > best or (least < 0 and not skip_bad_rows):
        _refuse(place, f"ratings from {least:g} to {greatest:g}", f"{least:g}:{greatest:g}", f"{best:g}")
    if best == 5 and least < 1 and not skip_bad_rows:
        _refuse(place, f"ratings from {least:g} to {greatest:g}", "0:5", "5 --skip-bad-rows")
    return (1.0, 5.0) if best == 5 else (0.0, best)


def _refuse(place: str, found: str, *scales: str) -> None:
    options = " or ".join(f"--scale {scale}" for scale in scales)
    raise ReviewFileInvalid(f"expected ratings on a scale that is certain in {place}, found {found}; say {options}")


def _stars(number: float, worst: float, best: float) -> int | None:
    """Return the whole stars of `number`, None if it is not on the scale."""
    low, high = min(worst, best), max(worst, best)
    if not low <= number <= high:
        return None
    if (worst, best) in {(1.0, 5.0), (0.0, 5.0)} and number >= 1:
        return 3 if 2 < number < 4 else max(1, min(5, round(number)))
    share = (number - worst) / (best - worst)
    return max(1, min(5, math.ceil(round(5 * share, 9))))
