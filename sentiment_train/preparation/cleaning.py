"""Makes the texts of reviews plain, and leaves out the rows that say nothing. Everything is counted.

A text that is good already is not touched: emoji, curly quotes, accents, line breaks and signs such as `<3` stay.
"""

import html
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import ftfy
import polars as pl

NEAR_EMPTY = 2
"""Fewer letters and digits than this are no review: `A`, `...` and `:)` go, `ok` and `10/10` stay."""

_ENTITY = r"&(?:#[0-9xX]|[A-Za-z])"
_NOT_ASCII = r"[^\x00-\x7f]"
_AMAZON_LINK = r"\[\[(?:VIDEOID|ASIN):[^\]\s]*\s?([^\]]*)\]\]"
_BREAK = r"(?i)</?(?:br|p|div|li|ul|ol|tr|h[1-6])\s*/?>"
_TAG = r"(?i)</?(?:b|i|u|em|strong|a|span|font|small|big)(?:\s+[a-z-]+\s*=[^<>]*)?\s*/?>"
_LINE_CONTROL = r"[\x0b\x0c\x1c-\x1f\x85\u{2028}\u{2029}]"
# The zero-width joiner, which emoji are made with, and the non-joiner are no controls.
_CONTROL = (
    r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u{ad}\u{200b}\u{200e}\u{200f}\u{202a}-\u{202e}\u{2060}-\u{2064}"
    r"\u{2066}-\u{2069}\u{feff}]"
)
_TWO_LETTERS = r"(?s)[\p{L}\p{N}].*[\p{L}\p{N}]"


class CleanedRows(NamedTuple):
    """What is left of some rows."""

    rows: pl.DataFrame
    dropped: Counter[str]
    """Rows by reason, the first that holds."""
    mended: Counter[str]
    """Rows that are kept and whose text changed, by what changed it; one may count under several."""


def clean(rows: pl.DataFrame, *, timed: bool = True) -> CleanedRows:
    """Return the rows that have a text, a rating or a polarity, and with `timed` a time, with plain texts.

    Expects the columns text, rating, polarity and timestamp; others are kept.
    """
    steps = [rows["text"].fill_null("")]
    for mend in _STEPS.values():
        steps.append(mend(steps[-1]))
    text = steps[-1].str.strip_chars()
    reason = _reasons(rows.with_columns(text=text), timed=timed)
    kept = reason.is_null()
    changed = {
        name: int(((after != before) & kept).sum())
        for name, before, after in zip(_STEPS, steps, steps[1:], strict=False)
    }
    dropped = Counter(dict(reason.drop_nulls().value_counts().iter_rows()))
    return CleanedRows(rows.with_columns(text=text).filter(kept), dropped, Counter(changed))


def _reasons(rows: pl.DataFrame, *, timed: bool) -> pl.Series:
    return rows.select(
        pl.when(pl.col("text") == "").then(pl.lit("no text"))
        .when(~pl.col("text").str.contains(_TWO_LETTERS)).then(pl.lit("hardly any text"))
        .when(pl.col("rating").is_null() & pl.col("polarity").is_null()).then(pl.lit("no rating"))
        .when(pl.lit(timed) & pl.col("timestamp").is_null()).then(pl.lit("no time"))
        .alias("reason")
    ).to_series()  # fmt: skip


def _mapped(texts: pl.Series, pattern: str, function: Callable[[str], str]) -> pl.Series:
    """Apply a Python function to the few texts in which `pattern` occurs."""
    matches = texts.str.contains(pattern)
    if not matches.any():
        return texts
    index = matches.arg_true()
    return texts.clone().scatter(index, [function(text) for text in texts.gather(index)])


def _without_entities(texts: pl.Series) -> pl.Series:
    return _mapped(texts, _ENTITY, html.unescape)


def _without_mojibake(texts: pl.Series) -> pl.Series:
    # Not ftfy.fix_text, which by default also straightens quotes and joins letters in good text.
    return _mapped(texts, _NOT_ASCII, ftfy.fix_encoding)


def _without_markup(texts: pl.Series) -> pl.Series:
    plain = texts.str.replace_all(_AMAZON_LINK, "${1}").str.replace_all(_BREAK, "\n")
    return plain.str.replace_all(_TAG, "")


def _without_controls(texts: pl.Series) -> pl.Series:
    return texts.str.replace_all(_LINE_CONTROL, "\n").str.replace_all(_CONTROL, "")


_STEPS: dict[str, Callable[[pl.Series], pl.Series]] = {
    "HTML entities": _without_entities,
    "mojibake": _without_mojibake,
    "markup": _without_markup,
    "control characters": _without_controls,
}
"""In this order: markup may be written in entities, and what looks like a control character may be mojibake."""
MENDS = tuple(_STEPS)
