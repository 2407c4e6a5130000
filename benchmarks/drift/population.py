"""Shops whose traffic is real and whose truth is known: nothing changes unless a window is changed on purpose.

A shop is one category, or several, as one out-of-fold model sees it. Its products are divided at random into those of
the reference and those of the evaluation; windows hold reviews of evaluation products only. (To judge segments, both
sides need the same products: then each product's reviews are divided.) How many reviews each product of a window has is
what it had in real months of the shop, drawn at random: popularity is no parameter here.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray

from drift_jobs.judging.frames import DESCRIPTORS, LabelSet, matrix, sample_frame

LABELS = LabelSet(("negative", "positive"), "positive")
Rows = NDArray[np.intp]


class Shop(NamedTuple):
    """Reviews of one shop as a frame, and what windows are drawn by."""

    frame: pd.DataFrame
    """In the order of time, with the further columns `segment_product`, `review`, `category` and `month`."""
    months: list[NDArray[np.int64]]
    """For each real month, the numbers of reviews of its products."""


class Split(NamedTuple):
    """One division of a shop's products, or of their reviews."""

    reference: pd.DataFrame
    evaluation: pd.DataFrame


def as_frame(scored: pl.DataFrame) -> pd.DataFrame:
    """Return scored reviews in the drift job's shape."""
    ordered = scored.sort("timestamp", maintain_order=True)
    frame = sample_frame(
        LABELS,
        logits=matrix(ordered["logits"], 2),
        probabilities=matrix(ordered["probabilities"], 2),
        label=ordered["given"],
        target=ordered["label"],
        product=ordered["product_id"],
        embedding=ordered["embedding"],
        descriptors={name: ordered[name] for name in DESCRIPTORS},
    )
    month = ordered["timestamp"].dt.strftime("%Y-%m").to_numpy()
    return frame.assign(
        segment_product=ordered["product_id"].to_numpy(),
        review=ordered["review"].to_numpy(),
        category=ordered["category"].to_numpy(),
        month=month,
    )


def shop(scored: pl.DataFrame, categories: Sequence[str]) -> Shop:
    """Return the shop of these categories."""
    frame = as_frame(scored.filter(pl.col("category").is_in(list(categories))))
    months = [counts.to_numpy() for _, counts in frame.groupby("month")["cluster"].apply(_counts).groupby(level=0)]
    return Shop(frame, months)


def split(of: Shop, random: np.random.Generator) -> Split:
    """Return the shop's products in two random halves of about as many rows."""
    products = random.permutation(of.frame["cluster"].unique())
    sizes = of.frame["cluster"].value_counts()
    middle = int(np.searchsorted(np.cumsum(sizes[products].to_numpy()), len(of.frame) / 2)) + 1
    is_reference = of.frame["cluster"].isin(products[:middle])
    return Split(*(of.frame[kept].reset_index(drop=True) for kept in (is_reference, ~is_reference)))


def split_reviews(of: Shop, random: np.random.Generator) -> Split:
    """Return the reviews of each product in two random halves: both sides have the same products."""
    place = of.frame.iloc[random.permutation(len(of.frame))].groupby("cluster").cumcount().sort_index()
    is_reference = place % 2 == 0
    return Split(*(of.frame[kept].reset_index(drop=True) for kept in (is_reference, ~is_reference)))


def draw(pool: pd.DataFrame, months: Sequence[NDArray[np.int64]], n: int, random: np.random.Generator) -> Rows | None:
    """Return `n` different rows of `pool` as a shop's traffic would bring them; None when the pool has too few.

    Whole months of counts are drawn until there are `n` reviews. Each count goes to a product that still has as many
    reviews, drawn by how many it has: so a review of the pool is as likely as another.
    """
    if len(pool) < n:
        return None
    left = {product: list(random.permutation(rows)) for product, rows in pool.groupby("cluster").indices.items()}
    chosen: list[int] = []
    while len(chosen) < n:
        counts = months[int(random.integers(len(months)))]
        for count in random.permutation(counts):
            rows = _take(left, int(min(count, n - len(chosen))), random)
            chosen.extend(rows)
    return np.array(chosen[:n], dtype=np.intp)


def bootstrap(pool: pd.DataFrame, n: int, random: np.random.Generator) -> pd.DataFrame:
    """Return `n` rows of products drawn with replacement, each with all its rows.

    A product that is drawn twice is one product with twice as many reviews: the pool has no others, and counting copies
    as further products would claim to know more of it than it holds.
    """
    groups = list(pool.groupby("cluster").indices.values())
    drawn: list[Rows] = []
    while sum(len(rows) for rows in drawn) < n:
        drawn.append(groups[int(random.integers(len(groups)))])
    return pool.iloc[np.concatenate(drawn)[:n]].reset_index(drop=True)


def effective_products(frame: pd.DataFrame) -> float:
    """Return the number of equally popular products that would tell as much."""
    sizes = frame["cluster"].value_counts().to_numpy()
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def _counts(clusters: pd.Series) -> pd.Series:
    return clusters.value_counts()


def _take(left: dict[int, list[int]], count: int, random: np.random.Generator) -> list[int]:
    """Return `count` rows of one product that has them, or of the largest one that is left; they are then gone."""
    sizes = np.array([len(rows) for rows in left.values()])
    products = list(left)
    able = np.flatnonzero(sizes >= count)
    index = random.choice(able, p=sizes[able] / sizes[able].sum()) if len(able) else sizes.argmax()
    product = products[int(index)]
    taken, rest = left[product][:count], left[product][count:]
    if rest:
        left[product] = rest
    else:
        del left[product]
    return taken
