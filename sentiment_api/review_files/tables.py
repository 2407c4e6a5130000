"""What every reader gives: a table of cells, which can be read any number of times."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from sentiment_api.review_files.libraries import pl

BATCH_ROWS = 32_768
LONGEST_CELL = 100_000
"""Characters. A longer one is no review but rows that were swallowed, or another kind of file."""


class CellBatch(NamedTuple):
    """Some rows of a table, in its order."""

    cells: pl.DataFrame
    """A column for each name that was asked for: text, null where there is no cell; or dates and times by type."""
    numbers: Sequence[int]
    """Of the rows in the file, from 1: a header does not count; in JSON lines the number of the line."""
    unreadable: int
    """Rows left out since the last batch, because they are no rows at all."""
    share: float
    """Of the table that has been read now, 0 to 1."""


class ReviewTable(Protocol):
    """Rows with named cells, wherever they stand."""

    @property
    def name(self) -> str:
        """What messages call it: `ratings.csv`, or `ratings.zip: 2024.csv`."""
        ...

    @property
    def category(self) -> str:
        """What its rows are filed under unless they say so themselves: the file's name without its endings."""
        ...

    @property
    def columns(self) -> Sequence[str]:
        """The names of the cells, those of nested values with dots: `text.languageCode`. None is empty or double."""
        ...

    @property
    def form(self) -> dict[str, Any]:
        """What was found of its form, in words that people read and JSON can hold: `{"encoding": "cp1252"}`."""
        ...

    def batches(self, columns: Sequence[str]) -> Iterator[CellBatch]:
        """Yield the rows with the cells of `columns`, at most `BATCH_ROWS` at once.

        Raises:
            ReviewFileInvalid: the file cannot be read.
        """
        ...
