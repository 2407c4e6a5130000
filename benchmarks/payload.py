"""The texts that every benchmark sends: real reviews where you have some, otherwise texts with such lengths."""

import random
import sys
from pathlib import Path

import polars as pl

_WORDS = (
    "the and it is this for with was not very great good bad sound quality price product works broke after days weeks "
    "months bought return again would recommend cable guitar screen battery case book story album kitchen knife light"
).split()


def texts(reviews: list[Path], count: int, seed: int = 0) -> list[str]:
    """Return `count` texts of 1 to 20,000 characters.

    They are drawn from the column `text` of the parquet files `reviews`; without any, they are word salad whose lengths
    are distributed like those of product reviews (log-normal, median 60 words).

    Raises:
        SystemExit: a file cannot be read, has no such column, or all of them hold fewer texts; with what was expected.
    """
    chosen = random.Random(seed)  # noqa: S311 - no secret
    if reviews:
        return [text[:20_000] for text in chosen.sample(_read(reviews, count), count)]
    lengths = (max(3, round(chosen.lognormvariate(4.1, 0.9))) for _ in range(count))
    return [" ".join(chosen.choices(_WORDS, k=min(length, 1500))) for length in lengths]


def _read(files: list[Path], count: int) -> list[str]:
    texts: list[str] = []
    for path in files:
        try:
            column = pl.read_parquet(path, columns=["text"])["text"].str.strip_chars()
        except (OSError, pl.exceptions.PolarsError) as error:
            what = "".join(str(error).splitlines()[:1])
            sys.exit(f"--reviews {path}: expected a parquet file with a column text: {type(error).__name__}: {what}")
        texts += column.filter(column != "").to_list()
    if len(texts) < count:
        sys.exit(f"--reviews: expected at least {count} texts that are not empty, found {len(texts)}; name more files")
    return texts
