"""How far a figure could lie elsewhere by chance: percentile bootstrap over whole products.

Reviews of one product share its faults, its words and its fans, so a product that the model misjudges costs it several
rows at once. To draw rows as if they were independent would make intervals too narrow; products are drawn instead, each
with all its reviews (cluster bootstrap: Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section
3.8; Efron's percentile interval, section 5.3).
"""

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Statistics = Callable[[Floats], dict[str, Floats]]

RESAMPLES = 1_000
LEVEL = 0.95
FEWEST_ROWS = 20
"""With fewer rows a resample knows next to nothing of what else could have been drawn: there is no interval."""
FEWEST_PRODUCTS = 10
"""With fewer products many resamples hold but two or three of them: rows are drawn instead."""
_COUNTS_AT_ONCE = 1_000_000
"""Held in memory, 8 bytes each, several times over; larger was no faster."""


def clusters(product_ids: pl.Series | None, rows: int) -> NDArray[np.int64]:
    """Return what is drawn together, `(rows,)` numbers from 0 without gaps: products, or each row for itself.

    Rows stand alone when there are no product ids, or fewer than `FEWEST_PRODUCTS` of them; so does one without an id.
    """
    if product_ids is None or product_ids.drop_nulls().n_unique() < FEWEST_PRODUCTS:
        return np.arange(rows)
    ranks = product_ids.rank("dense")
    alone = pl.Series(range(rows, 2 * rows), dtype=ranks.dtype)  # above every rank
    return (ranks.zip_with(ranks.is_not_null(), alone).rank("dense") - 1).cast(pl.Int64).to_numpy()


def intervals(statistics: Statistics, drawn: NDArray[np.int64], seed: int = 0) -> dict[str, Floats]:
    """Return the lower and upper end of each statistic's interval, `(2,)` or `(2, k)`; nothing below `FEWEST_ROWS`.

    `statistics` takes weights `(m, n)`, how often each row was drawn, and gives `(m,)` or `(m, k)` by name. `drawn` is
    `(n,)`, as `clusters` returns it. Resamples in which a statistic is NaN do not count for it; its ends are NaN when
    there is no other.
    """
    if len(drawn) < FEWEST_ROWS:
        return {}
    found = [statistics(weights) for weights in _resamples(drawn, seed)]
    ends = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        return {name: np.nanquantile(np.concatenate([each[name] for each in found]), ends, axis=0) for name in found[0]}


def _resamples(drawn: NDArray[np.int64], seed: int) -> Iterator[Floats]:
    """Yield weights `(m, n)`, `RESAMPLES` of them together."""
    random = np.random.default_rng(seed)
    n_clusters = int(drawn.max()) + 1
    at_once = max(1, _COUNTS_AT_ONCE // len(drawn))
    for start in range(0, RESAMPLES, at_once):
        size = min(at_once, RESAMPLES - start)
        picked = random.integers(n_clusters, size=(size, n_clusters))
        places = picked + n_clusters * np.arange(size)[:, None]
        times = np.bincount(places.ravel(), minlength=size * n_clusters).reshape(size, n_clusters)
        yield times[:, drawn].astype(np.float64)
