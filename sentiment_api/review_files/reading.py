"""From what a user names to rows with typed values. This is the story: tables, a survey of each, then its rows.

What rows are for (training, bulk scoring) is decided elsewhere.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.cells.missing import is_word_for_nothing, without_words_for_nothing
from sentiment_api.review_files.cells.times import EARLIEST, YEARS_AHEAD
from sentiment_api.review_files.libraries import pl
from sentiment_api.review_files.options import ReadOptions
from sentiment_api.review_files.profiles import profile_of
from sentiment_api.review_files.readers.forms import open_tables
from sentiment_api.review_files.surveys import is_too_long, survey
from sentiment_api.review_files.tables import LONGEST_CELL, CellBatch, ReviewTable

_TEXT_ROLES = ("id", "text", "title", "product_id", "category")
_ENDED = r"[.!?…:,;)\]\"'”]$"


class RowBatch(NamedTuple):
    """Some rows of a file, in its order."""

    rows: pl.DataFrame
    """id, text (after its title), rating (Int8: whole stars, 1 to 5), polarity (Int8: 1 positive, 0 neutral, -1
    negative), product_id, timestamp (UTC, microseconds) and category, which is never null; others may be null."""
    numbers: pl.Series
    """Of the rows in the file, from 1, `(n,)`."""
    read: int
    """Rows of the file since the last batch, those that were left out included."""
    left_out: dict[str, int]
    """How many of them, by reason."""
    share: float
    """Of the file that has been read now, 0 to 1."""


class ReviewFile:
    """A table whose columns and cells are understood, and the way to its rows."""

    def __init__(self, table: ReviewTable, options: ReadOptions) -> None:
        self._table, self._skip_bad_rows = table, options.skip_bad_rows
        self._survey = survey(table, options)
        self.name = table.name
        self.columns = self._survey.columns
        """By role."""

    @property
    def found(self) -> dict[str, Any]:
        """Everything that was inferred, for records."""
        found = self._survey
        return {
            "name": self.name,
            "profile": profile_of(self._table.columns),
            "columns": found.columns,
            "form": self._table.form,
            "scale": {role: scale.name for role, scale in self._scales()},
            "times": [] if found.times is None else found.times.found,
            "words_for_nothing": found.nothing,
            "notes": found.notes,
            "rows": found.rows + found.unreadable,
        }

    def _scales(self) -> list[tuple[str, Any]]:
        pairs = (("rating", self._survey.ratings), ("label", self._survey.labels))
        return [(role, scale) for role, scale in pairs if scale is not None]

    def batches(self) -> Iterator[RowBatch]:
        """Yield all rows.

        Raises:
            ReviewFileInvalid: the file has other rows than in its survey, or a cell that cannot be told.
        """
        seen = 0
        for batch in self._table.batches(list(dict.fromkeys(self.columns.values()))):
            seen += len(batch.cells) + batch.unreadable
            yield self._typed(batch)
        if seen != self._survey.rows + self._survey.unreadable:
            expected = self._survey.rows + self._survey.unreadable
            raise ReviewFileInvalid(
                f"expected {expected} rows in {self.name}, read {seen}; did the file change meanwhile?"
            )

    def _typed(self, batch: CellBatch) -> RowBatch:
        cells = {role: batch.cells[name] for role, name in self.columns.items()}
        rows = pl.DataFrame({role: self._texts(cells, role, len(batch.cells)) for role in _TEXT_ROLES})
        rating, polarity, bad_rating = self._rated(cells, len(rows))
        moments, bad_time = self._timed(cells, len(rows))
        bad_text = is_too_long(rows["text"])
        if not self._skip_bad_rows:
            times = f"times from {EARLIEST.year} to {YEARS_AHEAD} years from now"
            for what, role, bad in (("ratings", "rating", bad_rating), (times, "timestamp", bad_time)):
                self._refuse_first(what, cells.get(role, cells.get("label")), bad, batch.numbers)
        text = _with_title() if "title" in cells else pl.col("text")
        typed = rows.select(
            "id", text.alias("text"), rating.alias("rating"), polarity.alias("polarity"), "product_id",
            moments.alias("timestamp"), pl.col("category").fill_null(self._table.category),
        )  # fmt: skip
        bad = bad_text | bad_rating | bad_time
        left_out = {
            "unreadable row": batch.unreadable,
            f"text of more than {LONGEST_CELL} characters": int(bad_text.sum()),
            "unreadable rating": int((bad_rating & ~bad_text).sum()),
            "unreadable time": int((bad_time & ~bad_rating & ~bad_text).sum()),
        }
        numbers = pl.Series("number", batch.numbers, dtype=pl.Int64)
        return RowBatch(
            typed.filter(~bad),
            numbers.filter(~bad),
            len(rows) + batch.unreadable,
            dict(+Counter(left_out)),
            batch.share,
        )

    def _texts(self, cells: dict[str, pl.Series], role: str, rows: int) -> pl.Series:
        if role not in cells:
            return pl.Series(role, [None], dtype=pl.String).new_from_index(0, rows)
        texts = cells[role].cast(pl.String)
        if role == "text":  # as it is: what a blank text means is decided where texts are cleaned
            return texts.zip_with(~is_word_for_nothing(texts), pl.Series([None], dtype=pl.String)).alias(role)
        return without_words_for_nothing(texts).alias(role)

    def _rated(self, cells: dict[str, pl.Series], rows: int) -> tuple[pl.Series, pl.Series, pl.Series]:
        """Return stars, polarities, and which rows have a number that is neither."""
        stars = polarity = pl.Series([None], dtype=pl.Int8).new_from_index(0, rows)
        stated = pl.Series([False]).new_from_index(0, rows)
        for role, scale in self._scales():
            given = self._texts(cells, role, rows)
            is_open = stars.is_null() & polarity.is_null()
            stars, polarity = (
                before.zip_with(~is_open, now)
                for before, now in ((stars, scale.rated(given)), (polarity, scale.polarities(given)))
            )
            # A word where a number is expected says no rating, as `n` or `missing`; a number that is none is a mistake.
            stated |= given.str.contains(r"\d").fill_null(value=False)
        return stars, polarity, stated & stars.is_null() & polarity.is_null()

    def _timed(self, cells: dict[str, pl.Series], rows: int) -> tuple[pl.Series, pl.Series]:
        """Return moments, and which rows have a cell that is none."""
        if self._survey.times is None:
            none = pl.Series("timestamp", [None], dtype=pl.Datetime("us", "UTC"))
            return none.new_from_index(0, rows), pl.Series([False]).new_from_index(0, rows)
        given = cells["timestamp"]
        moments = self._survey.times.moments(given)
        if given.dtype.is_temporal():
            return moments, given.is_not_null() & moments.is_null()
        return moments, moments.is_null() & ~self._survey.times.is_unsaid(given)

    def _refuse_first(self, what: str, cells: pl.Series | None, bad: pl.Series, numbers: Sequence[int]) -> None:
        """Raise for the first of the cells that is `bad`, and name its row."""
        if cells is not None and (index := bad.arg_true()).len() > 0:
            others = f" and {len(index) - 1} more near it" if len(index) > 1 else ""
            found = f"{_shown(str(cells[index[0]]))} in row {numbers[index[0]]}{others}"
            raise ReviewFileInvalid(
                f"expected {what} in {self.name}, found {found}; mend it or give --skip-bad-rows to leave such rows out"
            )


def _with_title() -> pl.Expr:
    """Return the text after its title, unless it begins with it."""
    title, text = pl.col("title").str.strip_chars(), pl.col("text").str.strip_chars_start()
    joined = pl.when(title.str.contains(_ENDED)).then(title + " " + text).otherwise(title + ". " + text)
    is_repeated = text.str.to_lowercase().str.starts_with(title.str.to_lowercase()).fill_null(value=False)
    return pl.when(title.is_null() | is_repeated).then(pl.col("text")).otherwise(joined)


def _shown(value: str, longest: int = 24) -> str:
    """Return `value` for a message, or only its length when it could be the text of a review."""
    return repr(value) if len(value) <= longest else f"a text of {len(value)} characters"


@contextmanager
def open_review_files(sources: Sequence[str], options: ReadOptions) -> Iterator[list[ReviewFile]]:
    """Yield all tables of the sources, surveyed; temporary copies of what is packed go at the end.

    Raises:
        ReviewFileInvalid: a source cannot be read, or what its columns mean is not certain.
    """
    with ExitStack() as stack:
        tables = [table for source in sources for table in stack.enter_context(open_tables(source, options))]
        yield [ReviewFile(table, options) for table in tables]
