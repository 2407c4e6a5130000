"""Windows in which something happened, at several strengths: how often the drift job sees it.

Every window begins as a quiet one of real rows (or, of 5,000, of products drawn with replacement); then a share of its
rows is changed. Changed texts are scored again by the model that scored the originals.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.drift.judging import alarmed_metrics, alarms, court
from benchmarks.drift.population import Shop, Split, split
from benchmarks.drift.quiet import window_of
from drift_jobs.judging.calibration import size_for
from drift_jobs.runs import RunVerdict

Change = Callable[[pd.DataFrame, "Source", np.random.Generator], pd.DataFrame]

SHARES = (0.1, 0.25, 0.5, 1.0)
TEXT_SHARES = (0.1, 0.3, 1.0)
POINTS = (0.03, 0.05, 0.10, 0.20)
"""By how much the share of positive reviews moves, in both directions, as far as the shop has such reviews."""
WRONG_RATINGS = (0.05, 0.10, 0.20)


class Source(NamedTuple):
    """Where changed rows come from."""

    evaluation: pd.DataFrame
    """The shop's own rows of evaluation products."""
    other: pd.DataFrame
    """Rows of another shop; empty where only the share of positive reviews is moved."""
    changed: dict[str, pd.DataFrame]
    """By text change: the shop's rows scored again, indexed by review."""


class Shift(NamedTuple):
    """One thing that happens, at one strength."""

    name: str
    strength: str
    change: Change


def shifts(source: Source) -> Iterator[Shift]:
    """Yield everything that is tried."""
    for points in (*(-points for points in POINTS[::-1]), *POINTS):
        if _is_possible(points, source.evaluation):
            name = "more positive reviews" if points > 0 else "fewer positive reviews"
            yield Shift(name, f"{100 * points:+.0f} points", partial(move_positive, points))
    if source.other.empty:
        return
    for share in SHARES:
        yield Shift("another category", f"{100 * share:.0f} %", partial(other_shop, share))
    for name in source.changed:
        for share in TEXT_SHARES:
            yield Shift(name, f"{100 * share:.0f} % of texts", partial(changed_texts, name, share))
    for share in WRONG_RATINGS:
        yield Shift("ratings disagree, with feedback", f"{100 * share:.0f} %", partial(wrong_ratings, share))
    yield Shift("ratings disagree, without feedback", "20 %", without_feedback)


def move_positive(points: float, window: pd.DataFrame, source: Source, random: np.random.Generator) -> pd.DataFrame:
    """Replace positive reviews (by their stars) by negative ones of the shop; with `points` above 0 the reverse."""
    old, new = ("negative", "positive") if points > 0 else ("positive", "negative")
    replaceable = np.flatnonzero(window["target"] == old)
    donors = np.flatnonzero(source.evaluation["target"] == new)
    number = min(round(abs(points) * len(window)), len(replaceable))
    replaced = random.choice(replaceable, number, replace=False)
    taken = source.evaluation.iloc[random.choice(donors, number, replace=number > len(donors))]
    return _replaced(window, replaced, taken)


def _is_possible(points: float, evaluation: pd.DataFrame) -> bool:
    """Return whether a usual window has more than so many reviews that can be replaced."""
    old = "negative" if points > 0 else "positive"
    return bool((evaluation["target"] == old).mean() > abs(points) + 0.01)


def other_shop(share: float, window: pd.DataFrame, source: Source, random: np.random.Generator) -> pd.DataFrame:
    """Replace a share of the rows by another shop's, product by product."""
    number = round(share * len(window))
    replaced = random.choice(len(window), number, replace=False)
    groups = list(source.other.groupby("cluster").indices.values())
    order = np.concatenate([groups[index] for index in random.permutation(len(groups))])
    return _replaced(window, replaced, source.other.iloc[np.resize(order, number)])


def changed_texts(
    name: str, share: float, window: pd.DataFrame, source: Source, random: np.random.Generator
) -> pd.DataFrame:
    """Replace a share of the rows by what the model says of their changed texts."""
    replaced = random.choice(len(window), round(share * len(window)), replace=False)
    changed = source.changed[name].loc[window["review"].iloc[replaced]]
    kept = changed.assign(cluster=window["cluster"].iloc[replaced].to_numpy())
    return _replaced(window, replaced, kept)


def wrong_ratings(share: float, window: pd.DataFrame, _: Source, random: np.random.Generator) -> pd.DataFrame:
    """Turn a share of the known labels round: texts stay as they are, ratings no longer agree with them."""
    turned = random.random(len(window)) < share
    opposite = window["target"].map({"positive": "negative", "negative": "positive"})
    return window.assign(target=window["target"].where(~turned, opposite))


def without_feedback(window: pd.DataFrame, _: Source, __: np.random.Generator) -> pd.DataFrame:
    """Do the same where no rating ever arrives: nothing that the job sees has changed."""
    return window.assign(target=None)


def detect(
    shop: Shop,
    other: Shop | None,
    changed: dict[str, pd.DataFrame],
    size: int,
    windows: int,
    splits: int,
    seed: int,
    workers: int,
) -> list[dict[str, object]]:
    """Return a row for each shift and strength: how often it was watch or drift, and in which metrics."""
    seeds = np.random.SeedSequence(seed).spawn(splits)
    one = partial(_one_split, shop, other, changed, size, windows // splits)
    with ProcessPoolExecutor(workers) as pool:
        parts = list(pool.map(one, seeds))
    found: dict[tuple[str, str], list[RunVerdict]] = {}
    for part in parts:
        for key, verdicts in part.items():
            found.setdefault(key, []).extend(verdicts)
    return [_row(name, strength, size, verdicts) for (name, strength), verdicts in found.items()]


def _row(name: str, strength: str, size: int, verdicts: list[RunVerdict]) -> dict[str, object]:
    return {
        "shift": name,
        "strength": strength,
        "size": size,
        "windows": len(verdicts),
        "watch": alarms(verdicts, "watch", "drift"),
        "drift": alarms(verdicts, "drift"),
        "metrics": dict(list(alarmed_metrics(verdicts).items())[:4]),
    }


def _one_split(
    shop: Shop,
    other: Shop | None,
    changed: dict[str, pd.DataFrame],
    size: int,
    windows: int,
    seed: np.random.SeedSequence,
) -> dict[tuple[str, str], list[RunVerdict]]:
    random = np.random.default_rng(seed)
    judge = court(split(shop, random), (size_for(size),))
    source = Source(judge.split.evaluation, other.frame if other else pd.DataFrame(), changed)
    return {
        (shift.name, shift.strength): [
            judge.judge(shift.change(_quiet(judge.split, shop, size, random), source, random)) for _ in range(windows)
        ]
        for shift in shifts(source)
    }


def _quiet(of: Split, shop: Shop, size: int, random: np.random.Generator) -> pd.DataFrame:
    return window_of(of, shop, size, random)[0]


def _replaced(window: pd.DataFrame, rows: np.ndarray, by: pd.DataFrame) -> pd.DataFrame:
    kept = window.drop(index=window.index[rows])
    return pd.concat([kept, by], ignore_index=True)
