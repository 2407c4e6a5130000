"""What windows look like in which nothing is wrong: drawn from the reference, product by product.

A quiet window, and a reference of the reference's own size, are both drawn from the reference's products: whole
products with replacement for the reference (Cameron, Gelbach and Miller 2008, Review of Economics and Statistics 90),
and for the window products whose numbers of reviews are those of a stretch of the reference's own time line, so that
what is popular for a day is as popular here. Both go through the tests of a night. What comes out are, for windows of
that size, the effects that nothing but chance brings, in standard errors (floors), and the p-values that it brings
(`smallest_p`). In standard errors, because a window in which one product is half of the reviews must show more than one
with many products, and tonight's window knows which it is.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Final, NamedTuple

import msgspec
import numpy as np
import pandas as pd
from scipy import stats

from drift_jobs.judging.columns import Columns, paired_columns
from drift_jobs.judging.comparisons import Differences, differences
from drift_jobs.judging.frames import LabelSet
from drift_jobs.judging.levels import highest, judged
from drift_jobs.judging.metrics import practical_floor
from drift_jobs.runs import BackTest, Level, is_alarm
from drift_jobs.statistics.samples import Codes, Sample
from drift_jobs.statistics.two_sample import Difference

QUIET_WINDOWS: Final = 400
FLOOR_QUANTILE: Final = 0.99
SIZES: Final = (100, 200, 500, 1_000, 2_000, 5_000, 10_000)
"""Windows are judged by the largest size that is not above theirs: floors fall with size, so this errs to quiet.

Larger windows, too, are judged by the last one: floors are in standard errors, which know the window's own size.
"""
NIGHTS_A_YEAR: Final = 365
NIGHTS_IN_A_ROW: Final = 3
"""Watch on two of three nights in the same direction is drift."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """What quiet windows of one size brought against one reference."""

    size: int
    windows: int
    products: float
    """Effective number of products of a quiet window, the mean over all."""
    quantiles: dict[str, float]
    """By metric: the effect that 99 of 100 quiet windows stay below."""
    errors: dict[str, float]
    """By metric: the effect, in its standard errors, that 99 of 100 quiet windows stay below."""
    smallest_p: tuple[float, ...]
    """The smallest p-value of each quiet window after Holm's method, ascending."""
    back_test: BackTest

    def floor(self, metric: str, test: Difference) -> float:
        """Return the effect that `test` of `metric` must reach: more than chance brings, and worth a reader's time."""
        return learned_floor(metric, test, self.errors)


def learned_floor(metric: str, test: Difference, errors: Mapping[str, float]) -> float:
    """Return the larger of the practical floor and what chance brings, in the effect's own unit."""
    practical = practical_floor(metric)
    by_chance = errors.get(metric, 0.0) * test.standard_error
    return max(practical, by_chance) if np.isfinite(by_chance) else practical


def upper_bound(hits: int, trials: int) -> float:
    """Return the one-sided upper 95 % bound of a share (Clopper and Pearson 1934, Biometrika 26)."""
    return 1.0 if hits >= trials else float(stats.beta.ppf(0.95, hits + 1, trials - hits))


def size_for(n: int) -> int:
    """Return the size of quiet windows by which a window of `n` rows is judged."""
    return max((size for size in SIZES if size <= n), default=SIZES[0])


def calibrate(
    reference: pd.DataFrame,
    labels: LabelSet,
    size: int,
    *,
    windows: int = QUIET_WINDOWS,
    progress: Callable[[int], None] | None = None,
) -> Calibration:
    """Return what `windows` quiet windows of `size` rows bring; `progress` hears how many are done.

    The rows of `reference` are in the order of their time. The same reference gives the same calibration.

    Raises:
        ValueError: the reference is empty.
    """
    pool = paired_columns(reference, reference, labels)[0]
    if not len(pool.clusters):
        raise ValueError("no rows to draw quiet windows from")
    quiet = []
    for number, (window, drawn) in enumerate(quiet_pairs(pool, size, windows)):
        quiet.append(_Quiet(differences(window, drawn), Sample(window.hits, window.clusters).effective_clusters))
        if progress:
            progress(number + 1)
    return Calibration(
        size=size,
        windows=windows,
        products=float(np.mean([each.products for each in quiet])),
        quantiles=_quantiles([each.tests for each in quiet], lambda test: test.effect),
        errors=_quantiles([each.tests for each in quiet], _in_errors),
        smallest_p=_smallest_p([each.tests for each in quiet]),
        back_test=_back_test([each.tests for each in quiet], size),
    )


class _Quiet(NamedTuple):
    tests: Differences
    products: float


def quiet_pairs(pool: Columns, size: int, windows: int, seed: int = 0) -> Iterator[tuple[Columns, Columns]]:
    """Yield quiet windows of `size` rows, each with a reference of about as many rows as the pool has.

    `NIGHTS_IN_A_ROW` windows have one reference, as a shop's nights do: when it is an unlucky one, all of them differ.
    """
    random = np.random.default_rng(seed)
    reference = pool
    for number in range(windows):
        products = _shuffled(pool.clusters, random)
        if number % NIGHTS_IN_A_ROW == 0:
            reference = _draw_reference(pool, products, random)
        yield _draw_window(pool, products, _popularity(pool.clusters, size, random), random), reference


class _Products(NamedTuple):
    """The rows of a pool, product by product."""

    rows: Codes
    starts: Codes
    """Where the rows of each product begin."""
    sizes: Codes

    def some(self, chosen: Codes, counts: Codes, offsets: Codes) -> Codes:
        """Return `counts[i]` rows of the product `chosen[i]`, from its `offsets[i]` on and round again."""
        ends = np.cumsum(counts)
        within = np.arange(ends[-1]) - np.repeat(ends - counts, counts)
        starts, sizes, first = (np.repeat(each, counts) for each in (self.starts[chosen], self.sizes[chosen], offsets))
        found: Codes = self.rows[starts + (first + within) % sizes]
        return found


def _shuffled(clusters: Codes, random: np.random.Generator) -> _Products:
    """Return the products, the rows of each in random order."""
    order = random.permutation(len(clusters))
    sizes = np.bincount(clusters)
    return _Products(order[np.argsort(clusters[order], kind="stable")], np.cumsum(sizes) - sizes, sizes)


def _popularity(clusters: Codes, size: int, random: np.random.Generator) -> Codes:
    """Return the numbers of reviews of the products in a stretch of `size` rows.

    A pool with fewer rows is taken as often as is needed: its products are as many times more popular.
    """
    whole, rest = divmod(size, len(clusters))
    start = int(random.integers(len(clusters)))
    stretch = np.take(clusters, np.arange(start, start + rest), mode="wrap")
    counts = whole * np.bincount(clusters) + np.bincount(stretch, minlength=int(clusters.max()) + 1)
    return counts[counts > 0].astype(np.intp)


def _draw_window(pool: Columns, products: _Products, counts: Codes, random: np.random.Generator) -> Columns:
    """Return a window in which products drawn at random have the given numbers of reviews.

    A product is drawn as often as it has reviews in the pool. Were all equally likely, the windows would look like the
    products that nobody buys, which often differ from the others, and all of them would seem to have drifted.
    """
    chosen = random.choice(len(products.sizes), len(counts), p=products.sizes / products.sizes.sum())
    rows = products.some(chosen, counts, random.integers(products.sizes[chosen]))
    return pool.take(rows, np.repeat(np.arange(len(counts)), counts))


def _draw_reference(pool: Columns, products: _Products, random: np.random.Generator) -> Columns:
    """Return as many products as the pool has, drawn with replacement, each with all its rows.

    Each draw is a cluster of its own: the pool stands for all products that there could be, and is drawn from as if it
    never ended. Taken for one, a product that is drawn twice would double the variance.
    """
    chosen = random.integers(len(products.sizes), size=len(products.sizes))
    counts = products.sizes[chosen]
    return pool.take(products.some(chosen, counts, np.zeros_like(counts)), np.repeat(np.arange(len(chosen)), counts))


def _in_errors(test: Difference) -> float:
    return test.effect / test.standard_error if test.standard_error > 0 else 0.0


def _quantiles(quiet: list[Differences], measured: Callable[[Difference], float]) -> dict[str, float]:
    names = sorted({name for tests in quiet for name in tests})
    values = {name: [measured(tests[name]) for tests in quiet if name in tests] for name in names}
    return {name: float(np.quantile(found, FLOOR_QUANTILE)) for name, found in values.items()}


def _smallest_p(quiet: list[Differences]) -> tuple[float, ...]:
    return tuple(
        sorted(min(1.0, len(tests) * min(test.p_value for test in tests.values())) for tests in quiet if tests)
    )


def _back_test(quiet: list[Differences], size: int) -> BackTest:
    """Judge each half of the windows by what the other half teaches, so that no window is judged by itself."""
    series = [quiet[start : start + NIGHTS_IN_A_ROW] for start in range(0, len(quiet), NIGHTS_IN_A_ROW)]
    halves = series[::2], series[1::2]
    found = [
        level
        for learned, tried in (halves, halves[::-1])
        for level in _levels(list(chain.from_iterable(learned)), tried)
    ]
    watch, drift = (sum(level in wanted for level in found) for wanted in (("watch", "drift"), ("drift",)))
    return BackTest(
        size=size,
        windows=len(found),
        watch_rate=watch / len(found),
        watch_upper=upper_bound(watch, len(found)),
        drift_rate=drift / len(found),
        drift_upper=upper_bound(drift, len(found)),
        alarms_a_year=NIGHTS_A_YEAR * drift / len(found),
    )


def _levels(learned: list[Differences], tried: list[list[Differences]]) -> Iterator[Level]:
    """Yield the level of each night, with watch on two nights of its series in one direction as drift."""
    smallest_p, errors = _smallest_p(learned), _quantiles(learned, _in_errors)
    for nights in tried:
        found = [judged(tests, partial(learned_floor, errors=errors), smallest_p) for tests in nights]
        alarms = [
            {(name, tests[name].sign) for name, each in levels.items() if is_alarm(each.level)}
            for tests, levels in zip(nights, found, strict=True)
        ]
        for number, levels in enumerate(found):
            others = set().union(*(alarm for place, alarm in enumerate(alarms) if place != number))
            is_repeated = bool(alarms[number] & others)
            yield "drift" if is_repeated else highest(each.level for each in levels.values())
