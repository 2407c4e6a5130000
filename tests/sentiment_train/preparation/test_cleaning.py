"""Which texts are mended, which are left alone, and which rows go."""

import datetime as dt

import polars as pl
import pytest

from sentiment_train.preparation.cleaning import clean

_MOMENT = dt.datetime(2024, 1, 5, tzinfo=dt.UTC)


def _rows(*texts: str | None) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "text": texts,
            "rating": [5] * len(texts),
            "polarity": [None] * len(texts),
            "timestamp": [_MOMENT] * len(texts),
        },
        schema_overrides={"text": pl.String, "polarity": pl.Int8},
    )


@pytest.mark.parametrize(
    ("raw", "plain", "why"),
    [
        ("Salt &amp; pepper&nbsp;", "Salt & pepper", "HTML entities"),
        ("a 1/4&#34; jack", 'a 1/4" jack', "HTML entities"),
        ("The cafÃ© doesnâ€™t open", "The café doesn\u2019t open", "mojibake"),
        ("Loved it \u00f0\u0178\u02dc\u20ac a lot", "Loved it 😀 a lot", "mojibake"),
        ("First line.<br /><br>Second <b>bold</b> line", "First line.\n\nSecond bold line", "markup"),
        ('See <a data-hook="x" href="/dp/1">this one</a> too', "See this one too", "markup"),
        ("As good as [[ASIN:B000123456 The Kettle]], says she", "As good as The Kettle, says she", "markup"),
        ("[[VIDEOID:abc123]]Look at it", "Look at it", "markup"),
        ("Good\x00 and\u200b fine\x07", "Good and fine", "control characters"),
    ],
)
def test_damage_is_mended_and_counted(raw: str, plain: str, why: str) -> None:
    """Entities, mojibake, markup and control characters become what the writer meant, each counted by its name."""
    cleaned = clean(_rows(raw, "Untouched text"))
    assert cleaned.rows["text"].to_list() == [plain, "Untouched text"]
    assert {name: count for name, count in cleaned.mended.items() if count} == {why: 1}


@pytest.mark.parametrize(
    "text",
    [
        "I <3 this, a<b and c>d, size < 5 and > 3",
        "“Curly” quotes, it\u2019s — well… fine",
        "Family 👩‍👩‍👧 and thumbs 👍🏽, café, naïve, ﬁne, ½ cup, 20 °C",
        "Two lines\n\tand a tab",
        "Größe passt, très bien, ¡qué bueno! ПРИВЕТ 日本語",
        "AT&T and R&D & more; 5 & 6",
        "10/10",
        "ok",
    ],
)
def test_good_texts_are_left_alone(text: str) -> None:
    """What looks like markup or mojibake but is none stays to the letter, and short words are texts."""
    cleaned = clean(_rows(text))
    assert cleaned.rows["text"].to_list() == [text]
    assert sum(cleaned.mended.values()) == 0


def test_rows_that_say_nothing_go_by_reason() -> None:
    """A row is left out for the first reason that holds, after its text was mended."""
    rows = _rows(None, "  ", "<br />&nbsp;", "A", "?!", "👍👍", "fine", "fine", "fine", "fine").with_columns(
        rating=pl.Series([None] + [5] * 5 + [None, None] + [5] * 2),
        polarity=pl.Series([None] * 7 + [1, None, None], dtype=pl.Int8),
        timestamp=pl.Series([_MOMENT] * 7 + [None] * 3),
    )
    cleaned = clean(rows)
    assert len(cleaned.rows) == 0
    assert cleaned.dropped == {"no text": 3, "hardly any text": 3, "no rating": 1, "no time": 3}
    assert len(clean(rows, timed=False).rows) == 3
    assert sum(cleaned.mended.values()) == 0  # only what is kept was mended
