"""Words by which programs write that a cell holds nothing."""

from sentiment_api.review_files.libraries import pl

WORDS_FOR_NOTHING = ("NA", "N/A", "#N/A", "NULL", "Null", "null", "None", "NaN", "nan", "<NA>", "\\N")
"""Of R, spreadsheets, SQL, Python, pandas and MySQL. Not `none`, which customers write."""
_LONGEST_BYTES = 16
"""Of a cell that may hold nothing, blanks included; most texts are longer and need not be looked at."""


def is_word_for_nothing(cells: pl.Series) -> pl.Series:
    """Return which of the cells hold nothing but one of `WORDS_FOR_NOTHING`, `(n,)` bool; null counts as no word."""
    return _among_short(cells, WORDS_FOR_NOTHING)


def without_words_for_nothing(cells: pl.Series) -> pl.Series:
    """Return the cells, null in place of a word for nothing and of blanks."""
    nothing = _among_short(cells, (*WORDS_FOR_NOTHING, ""))
    return cells.zip_with(~nothing, pl.Series([None], dtype=pl.String)) if nothing.any() else cells


def _among_short(cells: pl.Series, words: tuple[str, ...]) -> pl.Series:
    short = (cells.str.len_bytes() <= _LONGEST_BYTES).fill_null(value=False)
    if not short.any():
        return short
    rows = short.arg_true()
    return short.scatter(rows, cells.gather(rows).str.strip_chars().is_in(words))
