"""The texts that every benchmark sends: real reviews where you have some, otherwise texts with such lengths."""

import random
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
    """
    chosen = random.Random(seed)  # noqa: S311 - no secret
    if reviews:
        found = pl.concat([pl.read_parquet(path, columns=["text"]) for path in reviews])["text"].str.strip_chars()
        return [text[:20_000] for text in chosen.sample(found.filter(found != "").to_list(), count)]
    lengths = (max(3, round(chosen.lognormvariate(4.1, 0.9))) for _ in range(count))
    return [" ".join(chosen.choices(_WORDS, k=min(length, 1500))) for length in lengths]
