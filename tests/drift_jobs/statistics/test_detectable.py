"""The smallest visible change against windows in which it is really there: about 8 of 10 show it."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from drift_jobs.statistics.samples import Floats, Sample
from drift_jobs.statistics.two_sample import Difference, domain_auc, kolmogorov_smirnov, mean_difference
from tests.protocols import Shop

pytestmark = pytest.mark.slow

Test = Callable[[Sample, Sample], Difference]

WINDOWS = 60
TERMS = [(0.05, 0.0), (0.002, 0.0), (0.05, 0.25)]
"""P-value and floor to be reached: mild, one of many tests, and one whose floor is above what chance brings."""


def _found(shop: Shop, test: Test, move: float, dim: int, seed: int) -> list[Difference]:
    """Test windows in which the mean of the first number moved."""
    random = np.random.default_rng(seed)
    return [test(*_window(shop, random, move, dim)) for _ in range(WINDOWS)]


def _window(shop: Shop, random: np.random.Generator, move: float, dim: int) -> tuple[Sample, Sample]:
    current, reference = shop(random, 800, 90, dim), shop(random, 1500, 200, dim)
    sides = current._replace(values=current.values + move * np.eye(dim)[0]), reference
    one, other = sides if dim > 1 else (side._replace(values=side.values[:, 0]) for side in sides)
    return one, other


def _smallest_visible(shop: Shop, test: Test, dim: int, p_value: float, floor: float) -> float:
    visible = [each.smallest_visible(p_value, floor) for each in _found(shop, test, 0.0, dim, seed=1)]
    return float(np.median([each for each in visible if each is not None]))


def _power(shop: Shop, test: Test, move: float, dim: int, p_value: float, floor: float) -> float:
    found = _found(shop, test, move, dim, seed=2)
    return float(np.mean([each.p_value < p_value and each.effect >= floor for each in found]))


@pytest.mark.parametrize(("p_value", "floor"), TERMS)
def test_a_moved_mean_is_seen(shop: Shop, p_value: float, floor: float) -> None:
    """A mean that moved by the smallest visible change is found in about 8 of 10 windows."""
    visible = _smallest_visible(shop, mean_difference, 1, p_value, floor)
    assert 0.6 <= _power(shop, mean_difference, visible, 1, p_value, floor) <= 0.97


@pytest.mark.parametrize(("p_value", "floor"), TERMS)
def test_a_moved_distribution_is_seen(shop: Shop, p_value: float, floor: float) -> None:
    """Normal variables whose distribution functions are the smallest visible distance apart are found as often."""
    visible = _smallest_visible(shop, kolmogorov_smirnov, 1, p_value, floor)
    move = 2 * float(stats.norm.ppf((1 + visible) / 2))
    assert 0.6 <= _power(shop, kolmogorov_smirnov, move, 1, p_value, floor) <= 0.97


@pytest.mark.parametrize(("p_value", "floor"), TERMS)
def test_a_new_place_in_the_embedding_is_seen(shop: Shop, p_value: float, floor: float) -> None:
    """So are embeddings that the classifier, as it is fitted to such windows, tells apart by that area on average."""
    visible = _smallest_visible(shop, domain_auc, 4, p_value, floor)
    moves = np.linspace(0.0, 1.6, 9)
    areas = [float(np.mean([each.effect for each in _found(shop, domain_auc, move, 4, seed=3)])) for move in moves]
    move = float(np.interp(visible, areas, moves))
    assert 0.6 <= _power(shop, domain_auc, move, 4, p_value, floor) <= 0.97


def test_where_the_spread_is_not_known_no_change_is_surely_seen() -> None:
    """A window of one product could not have seen a change of any size."""
    values: Floats = np.random.default_rng(4).normal(size=300)
    one = Sample(values, np.zeros(300, dtype=np.intp))
    other = Sample(values, np.arange(300))
    assert mean_difference(one, other).smallest_visible(0.05, 0.02) is None


def test_a_higher_floor_or_a_smaller_p_value_needs_a_larger_change() -> None:
    """What must be reached plus 0.84 standard errors, whichever of both is larger."""
    test = Difference(0.0, 1.0, standard_error=0.1, freedom=1e6)
    assert test.smallest_visible(0.05, 0.0) == pytest.approx(0.1 * (1.960 + 0.842), abs=1e-3)
    assert test.smallest_visible(0.01, 0.0) == pytest.approx(0.1 * (2.576 + 0.842), abs=1e-3)
    assert test.smallest_visible(0.05, 0.5) == pytest.approx(0.5 + 0.1 * 0.842, abs=1e-3)
