"""From the tests of a window to levels: p-values adjusted for their number, and effects held against floors.

Pure functions. What the tests are is said in `metrics`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from drift_jobs.runs import Level
from drift_jobs.statistics.two_sample import Difference

ALPHA_WATCH: Final = 0.03
ALPHA_DRIFT: Final = 0.003
"""Watch may be wrong in 5 % of windows and drift in 1 %. The rest is a margin: quiet windows are drawn from the
products of the reference, and know nothing of those that a shop has beside them (docs/drift-measured.md: what comes of
it).
"""
SEGMENT_SHARE: Final = 0.2
"""Of both alphas: what the tests of segments may use when there are any. The rest is for the window as a whole."""


class JudgedMetric(NamedTuple):
    """What becomes of one test."""

    adjusted_p: float
    floor: float
    level: Level
    detectable: float | None
    """The true effect that would reach watch in 8 of 10 such windows."""


Name = TypeVar("Name")


def judged(
    tests: Mapping[Name, Difference],
    floor: Callable[[Name, Difference], float],
    smallest_p: Sequence[float] = (),
    *,
    share: float = 1.0,
) -> dict[Name, JudgedMetric]:
    """Return the level of each of the tests that are made together.

    A test is in watch or drift when its p-value, adjusted by Holm's method and then by how often quiet windows came to
    one as small (`smallest_p`, ascending, after Holm), is below `share` of alpha **and** its effect is at least its
    floor. The first without the second is what large windows always show; the second without the first is what small
    ones do.
    """
    quiet = np.asarray(smallest_p, dtype=float)
    adjusted = holm([test.p_value for test in tests.values()])
    critical_p = _critical_p(len(tests), quiet, share)
    found = {}
    for (name, test), p_value in zip(tests.items(), adjusted, strict=True):
        seen = max(p_value, share_at_most(quiet, p_value)) if len(quiet) else p_value
        least = floor(name, test)
        level = _level(min(1.0, seen / share), test.effect >= least)
        found[name] = JudgedMetric(min(1.0, seen / share), least, level, test.smallest_visible(critical_p, least))
    return found


def highest(levels: Iterable[Level]) -> Level:
    """Return the gravest level; not judged when nothing was."""
    found = set(levels)
    order: tuple[Level, ...] = ("drift", "watch", "none")
    return next((level for level in order if level in found), "not_judged")


def _level(adjusted_p: float, is_large: bool) -> Level:
    if not is_large or adjusted_p >= ALPHA_WATCH:
        return "none"
    return "drift" if adjusted_p < ALPHA_DRIFT else "watch"


def _critical_p(number: int, quiet: np.ndarray, share: float) -> float:
    """Return the p-value that a test must be below for watch when no other one is."""
    if not number:
        return 0.0
    alpha = ALPHA_WATCH * share
    rare = int(np.floor(alpha * (len(quiet) + 1))) - 1 if len(quiet) else 0
    by_quiet = float(quiet[rare]) if 0 <= rare < len(quiet) else alpha
    return min(alpha, by_quiet) / number


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for their number, in the given order (Holm 1979, Scandinavian J. of Statistics 6).

    Rejecting those below alpha keeps the chance of any false rejection at alpha, however the tests depend.
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for false discovery, in the given order (Benjamini and Hochberg 1995, JRSS B 57).

    Of those below q, a share of q is false on average, when the tests are independent or positively dependent.
    """
    ordered = np.sort(np.asarray(p_values, dtype=float))
    number = len(ordered)
    raised = np.minimum(1.0, ordered * number / np.arange(1, number + 1))
    smallest_from_above = np.minimum.accumulate(raised[::-1])[::-1]
    return [float(smallest_from_above[np.searchsorted(ordered, p)]) for p in p_values]


def share_at_most(sorted_values: NDArray[np.float64], value: float) -> float:
    """Return how often something at most `value` comes out of chance, as `sorted_values` came out of it.

    Each draw and `value` itself are counted: a p-value by Monte Carlo, never zero (Phipson and Smyth 2010, Statistical
    Applications in Genetics and Molecular Biology 9). Below the smallest draw it falls in proportion, so that an alpha
    that is divided among many can still be reached.
    """
    at_most = int(np.searchsorted(sorted_values, value, side="right"))
    share = (at_most + 1) / (len(sorted_values) + 1)
    smallest = float(sorted_values[0]) if len(sorted_values) else 0.0
    return share if value >= smallest or smallest == 0 else share * value / smallest
