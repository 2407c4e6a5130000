"""From the tests of a window to levels: p-values adjusted for their number, and effects held against floors."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

import numpy as np

from drift_jobs.runs import Level
from drift_jobs.statistics.multiplicity import holm, share_at_most
from drift_jobs.statistics.two_sample import Difference

ALPHA_WATCH: Final = 0.03
ALPHA_DRIFT: Final = 0.003
"""Watch may be wrong in 5 % of windows and drift in 1 %. The rest is a margin: quiet windows are drawn from the
products of the reference, and know nothing of those that a shop has beside them (docs/drift-measured.md: what comes of
it).
"""
SEGMENT_SHARE: Final = 0.2
"""Of both alphas: what the tests of segments may use when there are any. The rest is for the window as a whole."""


class Judged(NamedTuple):
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
) -> dict[Name, Judged]:
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
        found[name] = Judged(min(1.0, seen / share), least, level, test.smallest_visible(critical_p, least))
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
