"""How often the interval of the label-free accuracy holds the accuracy that labels then show."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import pandas as pd

from benchmarks.drift.judging import Rate
from benchmarks.drift.population import LABELS, Shop, Split, split
from benchmarks.drift.quiet import window_of
from benchmarks.drift.shifts import Change, Source, changed_texts, move_positive, other_shop, wrong_ratings
from drift_jobs.judging.estimates import estimate

COVERED_ROWS = 1_000

Found = tuple[str, float, float, float, float]
"""What happened, the accuracy, and the estimate with its interval."""


def coverage(
    shop: Shop, other: Shop, changed: dict[str, pd.DataFrame], *, windows: int, splits: int, seed: int, workers: int
) -> list[dict[str, object]]:
    """Return a row for each case."""
    seeds = np.random.SeedSequence(seed).spawn(splits)
    with ProcessPoolExecutor(workers) as pool:
        parts = pool.map(partial(_one_split, shop, other, changed, windows // splits), seeds)
        found = pd.DataFrame([row for part in parts for row in part], columns=["what", "truth", "value", "low", "high"])
    return [_row(str(what), rows) for what, rows in found.groupby("what", sort=False)]


def _row(what: str, rows: pd.DataFrame) -> dict[str, object]:
    covered = (rows["low"] <= rows["truth"]) & (rows["truth"] <= rows["high"])
    return {
        "what": what,
        "covered": Rate(int(covered.sum()), len(rows)),
        "width": round(100 * float((rows["high"] - rows["low"]).mean()), 1),
        "bias": round(100 * float((rows["value"] - rows["truth"]).mean()), 2),
        "accuracy": round(float(rows["truth"].mean()), 4),
    }


def _cases() -> Iterator[tuple[str, Change | None]]:
    yield "nothing", None
    yield "label shift, 10 points fewer positive", partial(move_positive, -0.10)
    yield "label shift, 20 points fewer positive", partial(move_positive, -0.20)
    yield "covariate shift, half of another category", partial(other_shop, 0.5)
    yield "covariate shift, texts cut to half", partial(changed_texts, "cut to half", 1.0)
    yield "covariate shift, typos in 10 % of letters", partial(changed_texts, "typos in 10 % of letters", 1.0)
    yield "concept drift, 10 % of ratings disagree", partial(wrong_ratings, 0.10)


def _one_split(
    shop: Shop, other: Shop, changed: dict[str, pd.DataFrame], windows: int, seed: np.random.SeedSequence
) -> list[Found]:
    random = np.random.default_rng(seed)
    sides = split(shop, random)
    source = Source(sides.evaluation, other.frame, changed)
    return [
        _found(what, _labelled(window), sides.reference)
        for what, change in _cases()
        for window in (_window(change, source, sides, shop, random) for _ in range(windows))
    ]


def _window(
    change: Change | None, source: Source, sides: Split, shop: Shop, random: np.random.Generator
) -> pd.DataFrame:
    window = window_of(sides, shop, COVERED_ROWS, random)[0]
    return change(window, source, random) if change else window


def _labelled(window: pd.DataFrame) -> pd.DataFrame:
    """Leave out reviews of three stars: with two labels nobody can say what is right for them."""
    return window[window["target"].isin(LABELS.names)].reset_index(drop=True)


def _found(what: str, window: pd.DataFrame, reference: pd.DataFrame) -> Found:
    truth = float((window["label"] == window["target"]).mean())
    row = next(
        row for row in estimate(window.assign(target=None), reference, LABELS) if row.metric == "estimated_accuracy"
    )
    values = [np.nan if value is None else value for value in (row.value, row.lower, row.upper)]
    return what, truth, values[0], values[1], values[2]
