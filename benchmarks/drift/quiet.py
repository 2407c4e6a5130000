"""Windows in which nothing happened: how often the drift job is wrong.

Each window of three nights in a row is of other products than the reference, and so are the floors: they are learned
from the reference alone. The products are divided anew for each few windows, since one lucky reference proves nothing.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.drift.judging import Division, alarmed_metrics, alarms, court
from benchmarks.drift.population import Shop, Split, bootstrap, draw, effective_products, split, split_reviews
from drift_jobs.judging.calibration import size_for
from drift_jobs.runs import RunVerdict

NIGHTS = 3


class Plan(NamedTuple):
    """How much is tried."""

    sizes: tuple[int, ...]
    splits: int
    sequences: int
    """Of three nights, for each split and size."""
    same_products: bool = False
    """Whether the reviews of each product are divided, not the products, so that there are segments to judge."""


class Nights(NamedTuple):
    """What was said of windows of one size."""

    single: list[RunVerdict]
    """Of each night by itself."""
    last: list[RunVerdict]
    """Of the third nights, which know the two before."""
    products: list[float]
    """Effective number of products of each window."""
    bootstrapped: list[bool]
    """Whether the window is of products drawn with replacement, because the shop has too few rows."""


def quiet(shop: Shop, plan: Plan, seed: int, workers: int) -> dict[int, Nights]:
    """Return the verdicts by size of window."""
    seeds = np.random.SeedSequence(seed).spawn(plan.splits)
    with ProcessPoolExecutor(workers) as pool:
        parts = list(pool.map(partial(_one_split, shop, plan), seeds))
    return {size: Nights(*(_joined(part[size][kind] for part in parts) for kind in range(4))) for size in plan.sizes}


def summary(nights: Nights) -> dict[str, object]:
    """Return the figures of one size."""
    return {
        "windows": len(nights.single),
        "watch": alarms(nights.single, "watch", "drift"),
        "drift": alarms(nights.single, "drift"),
        "drift_with_two_of_three": alarms(nights.last, "drift"),
        "products": round(float(np.median(nights.products)), 1),
        "bootstrapped": any(nights.bootstrapped),
        "metrics": alarmed_metrics(nights.single),
    }


def _joined(parts: Iterable[Sequence[Any]]) -> list[Any]:
    return list(chain.from_iterable(parts))


def _one_split(shop: Shop, plan: Plan, seed: np.random.SeedSequence) -> dict[int, Nights]:
    random = np.random.default_rng(seed)
    divide = split_reviews if plan.same_products else split
    judge = court(divide(shop, random), tuple(sorted({size_for(size) for size in plan.sizes})))
    found = {}
    for size in plan.sizes:
        found[size] = Nights([], [], [], [])
        for _ in range(plan.sequences):
            _three_nights(judge, shop, size, random, found[size])
    return found


def _three_nights(judge: Division, shop: Shop, size: int, random: np.random.Generator, into: Nights) -> None:
    past: tuple[RunVerdict, ...] = ()
    for night in range(NIGHTS):
        window, products = window_of(judge.split, shop, size, random)
        into.products.append(products)
        into.bootstrapped.append(size > len(judge.split.evaluation))
        into.single.append(judge.judge(window))
        remembered = judge.judge(window, past) if past else into.single[-1]
        past = (remembered, *past)[:2]
        if night == NIGHTS - 1:
            into.last.append(remembered)


def window_of(split: Split, shop: Shop, size: int, random: np.random.Generator) -> tuple[pd.DataFrame, float]:
    """Return a quiet window of real rows, or by bootstrap over products where there are too few, and its products."""
    rows = draw(split.evaluation, shop.months, size, random)
    window = bootstrap(split.evaluation, size, random) if rows is None else split.evaluation.iloc[rows]
    window = window.reset_index(drop=True)
    return window, effective_products(window)
