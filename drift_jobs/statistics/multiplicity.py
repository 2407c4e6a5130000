"""Many tests at once: p-values adjusted so that one wrong alarm stays rare, or that few of many are wrong."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


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
