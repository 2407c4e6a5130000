"""Plain files of labelled texts, whose other columns somebody else named and filled."""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from sentiment_train.errors import UnusableData

_READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".parquet": pl.read_parquet,
    # As text: a product id such as 0439023483 is no number.
    ".csv": lambda path: pl.read_csv(path, infer_schema=False),
    ".jsonl": lambda path: pl.read_ndjson(path, infer_schema_length=None),
}


def read_texts(file: Path) -> pl.DataFrame:
    """Return all columns of a .parquet, .csv or .jsonl file; those that a prepared part has too, as it has them.

    A time in text is a date: its first ten characters, as ISO 8601 has them. What cannot be read as its column is
    null; `unseen` is false there and `id` the number of the row, from 0. A column of lists or structs is left out.

    Raises:
        UnusableData: it has another ending, or cannot be read.
    """
    if file.suffix not in _READERS:
        raise UnusableData(f"expected a file ending in {', '.join(_READERS)}, found {file}")
    try:
        found = _READERS[file.suffix](file)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UnusableData(f"cannot read {file}, expected a {file.suffix[1:]} file: {error}") from error
    known = found.select(_KNOWN.keys() & set(found.columns))
    nested = [name for name, dtype in known.schema.items() if dtype.is_nested()]
    readable = known.drop(nested)
    return found.drop(nested).with_columns(_KNOWN[name](readable[name]).alias(name) for name in readable.columns)


def _words(column: pl.Series) -> pl.Series:
    words = column.cast(pl.String, strict=False)
    return words.set(words == "", None)


def _ids(column: pl.Series) -> pl.Series:
    words = _words(column)
    return words.zip_with(words.is_not_null(), pl.Series(range(len(words)), dtype=pl.Int64).cast(pl.String))


def _whole_numbers(column: pl.Series) -> pl.Series:
    numbers = column.cast(pl.Float64, strict=False)
    return numbers.set(numbers != numbers.round(), None).cast(pl.Int64, strict=False)


def _times(column: pl.Series) -> pl.Series:
    if column.dtype == pl.Date or column.dtype == pl.Datetime:  # noqa: PLR1714 - a type with a zone has another hash
        return column
    return column.cast(pl.String, strict=False).str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)


def _truths(column: pl.Series) -> pl.Series:
    return column.cast(pl.String, strict=False).str.to_lowercase().is_in(["true", "1"]).fill_null(value=False)


_KNOWN: dict[str, Callable[[pl.Series], pl.Series]] = {
    "id": _ids,
    "rating": _whole_numbers,
    "product_id": _words,
    "timestamp": _times,
    "category": _words,
    "product_reviews": _whole_numbers,
    "unseen": _truths,
}
