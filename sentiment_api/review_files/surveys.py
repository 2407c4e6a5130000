"""The first reading of a table: all of its cells are looked at before any of them is given a meaning."""

from collections import Counter
from typing import NamedTuple

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.cells.missing import is_word_for_nothing
from sentiment_api.review_files.cells.ratings import RatingEvidence, RatingScale
from sentiment_api.review_files.cells.times import TimeEvidence, TimeFormat
from sentiment_api.review_files.columns import MatchedColumns, match_columns
from sentiment_api.review_files.libraries import pl
from sentiment_api.review_files.options import ReadOptions
from sentiment_api.review_files.tables import LONGEST_CELL, CellBatch, ReviewTable

_SAMPLE_ROWS = 1_000
_FEWEST_PRODUCTS = 20
"""Fewer cannot be divided into products that train and products that do not."""
_SMALL_TABLE = 100
"""Rows of a table whose few products say nothing."""
_BRACKET, _CLOSED = r"^\s*[\[{]", r"[\]}]\s*$"
_OBSERVED = ("text", "title", "rating", "label", "product_id", "timestamp")


def is_too_long(texts: pl.Series) -> pl.Series:
    """Return which texts are longer than `LONGEST_CELL`, `(n,)` bool."""
    long = (texts.str.len_bytes() > LONGEST_CELL).fill_null(value=False)
    return long & (texts.str.len_chars() > LONGEST_CELL).fill_null(value=False) if long.any() else long


class Survey(NamedTuple):
    """What a table's cells mean."""

    columns: dict[str, str]
    """By role; without columns that turned out to hold nothing of use."""
    ratings: RatingScale | None
    labels: RatingScale | None
    times: TimeFormat | None
    rows: int
    """That can be read."""
    unreadable: int
    nothing: dict[str, int]
    """Cells that hold a word for nothing, such as NA, by role."""
    notes: list[str]
    """What else is worth saying, each a sentence without its full stop."""


def survey(table: ReviewTable, options: ReadOptions) -> Survey:
    """Return what all cells of the table together say.

    Raises:
        ReviewFileInvalid: a role that is needed has no column, or what a column means is not certain.
    """
    first = next((batch for batch in table.batches(table.columns) if len(batch.cells)), None)
    if first is None:
        raise ReviewFileInvalid(f"expected rows in {table.name}, found none")
    columns = match_columns(first.cells.head(_SAMPLE_ROWS), options.columns, table.name, join_title=options.join_title)
    seen = _Seen(table.name, columns, options)
    for batch in table.batches(list(dict.fromkeys(columns.values()))):
        seen.observe(batch)
    return seen.survey()


class _Seen:
    """What the cells so far have shown."""

    def __init__(self, place: str, columns: MatchedColumns, options: ReadOptions) -> None:
        self._place, self._columns, self._options = place, columns, options
        self._ratings, self._labels, self._times = RatingEvidence(), RatingEvidence(), TimeEvidence()
        self._products: set[str] = set()
        self._nothing: Counter[str] = Counter()
        self._rows = self._unreadable = self._spelled = self._stated_times = 0

    def observe(self, batch: CellBatch) -> None:
        self._rows += len(batch.cells)
        self._unreadable += batch.unreadable
        roles = {role: batch.cells[self._columns[role]] for role in _OBSERVED if role in self._columns}
        for role, cells in roles.items():
            if cells.dtype == pl.String:
                self._nothing[role] += int(is_word_for_nothing(cells).sum())
        self._observe_texts(roles["text"], batch)
        if "rating" in roles:
            self._ratings.observe(roles["rating"].cast(pl.String))
        if "label" in roles:
            self._labels.observe(roles["label"].cast(pl.String))
        if "timestamp" in roles:
            self._times.observe(roles["timestamp"])
        if "product_id" in roles and len(self._products) < _FEWEST_PRODUCTS:
            self._products.update(roles["product_id"].drop_nulls().cast(pl.String).unique())

    def _observe_texts(self, texts: pl.Series, batch: CellBatch) -> None:
        texts = texts.cast(pl.String)
        self._spelled += int(texts.filter(texts.str.contains(_BRACKET)).str.contains(_CLOSED).sum())
        long = is_too_long(texts).arg_true()
        if len(long) and not self._options.skip_bad_rows:
            raise ReviewFileInvalid(
                f"expected texts of at most {LONGEST_CELL} characters in {self._place}, found {len(texts[long[0]])} in "
                f"row {batch.numbers[long[0]]}, which may hold other rows; mend it or give --skip-bad-rows"
            )

    def survey(self) -> Survey:
        if self._spelled > self._rows / 2:
            raise ReviewFileInvalid(
                f"expected texts in the column {self._columns['text']!r} of {self._place}, found objects or lists as "
                "programs write them; name another with --column text=NAME"
            )
        columns, notes = dict(self._columns), list(self._columns.notes)
        times = self._times_format(columns, notes)
        self._check_products(columns, notes)
        return Survey(
            columns=columns,
            ratings=self._scale("rating", self._ratings),
            labels=self._scale("label", self._labels),
            times=times,
            rows=self._rows,
            unreadable=self._unreadable,
            nothing=dict(+self._nothing),
            notes=notes,
        )

    def _scale(self, role: str, evidence: RatingEvidence) -> RatingScale | None:
        options = self._options
        if role not in self._columns:
            return None
        return evidence.scale(options.scale, self._where(role), skip_bad_rows=options.skip_bad_rows)

    def _times_format(self, columns: dict[str, str], notes: list[str]) -> TimeFormat | None:
        """Return how times are read; without any, take the column from `columns` and say so."""
        if "timestamp" not in columns:
            return None
        kinds = self._times.kinds
        is_relative = bool(kinds["relative"]) and kinds["relative"] >= kinds.total() / 2
        if (kinds.total() == 0 and not self._times.is_date_type) or (is_relative and self._options.as_of is None):
            reason = "counts from a day that --as-of DATE names" if is_relative else "is empty"
            notes.append(f"no time is used: `{columns.pop('timestamp')}` {reason}")
            return None
        return self._times.format(self._options, self._where("timestamp"))

    def _check_products(self, columns: dict[str, str], notes: list[str]) -> None:
        """Take a column of hardly any products from `columns`, unless a user named it, and say so."""
        few = len(self._products) < _FEWEST_PRODUCTS and self._rows >= _SMALL_TABLE
        if "product_id" in columns and few and "product_id" not in self._options.columns:
            name = columns.pop("product_id")
            notes.append(
                f"no product is used: `{name}` has only {len(self._products)} (--column product_id={name} insists)"
            )

    def _where(self, role: str) -> str:
        return f"{self._place}, column {self._columns[role]!r}"
