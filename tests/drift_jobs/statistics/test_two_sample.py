"""The statistics against values worked out by hand, and their false alarms on samples that come in clusters."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from drift_jobs.judging.levels import holm
from drift_jobs.statistics.samples import Floats, Sample
from drift_jobs.statistics.two_sample import (
    Difference,
    domain_auc,
    kolmogorov_smirnov,
    mean_difference,
    share_difference,
    shares_difference,
)
from tests.protocols import Shop


def _independent(values: Floats) -> Sample:
    return Sample(values, np.arange(len(values)))


def _first(sample: Sample) -> Sample:
    """Return the first number of each row."""
    return sample._replace(values=sample.values[:, 0])


def test_holm_multiplies_by_the_number_of_hypotheses_left() -> None:
    """Four p-values become what Holm's step-down procedure gives by hand, in their own order."""
    assert holm([0.03, 0.005, 0.04, 0.01]) == pytest.approx([0.06, 0.02, 0.06, 0.03])


def test_holm_never_exceeds_one() -> None:
    """Adjusted p-values stay probabilities."""
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_holm_of_nothing_is_nothing() -> None:
    """A run without tests has nothing to adjust."""
    assert holm([]) == []


def test_distance_is_the_largest_gap_between_distribution_functions() -> None:
    """Samples that overlap by half are half apart."""
    found = kolmogorov_smirnov(_independent(np.array([1.0, 2, 3, 4])), _independent(np.array([3.0, 4, 5, 6])))
    assert found.effect == pytest.approx(0.5)


def test_independent_rows_have_the_usual_p_values() -> None:
    """Where each row is a cluster by itself, Kolmogorov-Smirnov and Welch's test are what scipy has."""
    random = np.random.default_rng(1)
    one, other = random.normal(0.1, 1.0, 400), random.normal(0.0, 1.3, 600)
    distance = kolmogorov_smirnov(_independent(one), _independent(other))
    assert distance.p_value == pytest.approx(stats.ks_2samp(one, other, method="asymp").pvalue, rel=0.25)
    mean = mean_difference(_independent(one), _independent(other))
    assert mean.effect == pytest.approx(one.mean() - other.mean())
    assert mean.p_value == pytest.approx(stats.ttest_ind(one, other, equal_var=False).pvalue, rel=0.01)


def test_rows_that_are_there_twice_prove_no_more() -> None:
    """Copies of each row in its own cluster leave every p-value about where it was."""
    random = np.random.default_rng(2)
    one, other = random.normal(0.12, 1.0, 500), random.normal(0.0, 1.0, 700)
    thrice = [Sample(np.repeat(side, 3), np.repeat(np.arange(len(side)), 3)) for side in (one, other)]
    for test in (kolmogorov_smirnov, mean_difference):
        assert test(*thrice).p_value == pytest.approx(test(_independent(one), _independent(other)).p_value, rel=0.2)


def test_all_means_are_tested_together() -> None:
    """Of two columns of which one moved, the effect is its change; the p-value is Hotelling's for both."""
    random = np.random.default_rng(3)
    one, other = random.normal([0.0, 0.1], size=(300, 2)), random.normal(size=(300, 2))
    found = mean_difference(_independent(one), _independent(other))
    change = one.mean(axis=0) - other.mean(axis=0)
    spread = np.cov(one, rowvar=False) / 300 + np.cov(other, rowvar=False) / 300
    assert found.effect == pytest.approx(np.abs(change).max())
    assert found.p_value == pytest.approx(stats.chi2.sf(change @ np.linalg.solve(spread, change), 2), rel=0.15)


@pytest.mark.parametrize(
    "test", [kolmogorov_smirnov, mean_difference, domain_auc], ids=["distance", "mean", "embedding"]
)
def test_levels_hold_where_rows_come_in_clusters(shop: Shop, test: Callable[[Sample, Sample], Difference]) -> None:
    """With nothing wrong p falls below 0.05 in about one of twenty windows, where a test of rows finds one of five."""
    random = np.random.default_rng(4)
    dim = 8 if test is domain_auc else 1
    windows = [(shop(random, 600, 60, dim), shop(random, 1500, 200, dim)) for _ in range(150)]
    if dim == 1:
        windows = [(_first(one), _first(other)) for one, other in windows]
        naive = [stats.ks_2samp(one.values, other.values, method="asymp").pvalue < 0.05 for one, other in windows]
        assert np.mean(naive) > 0.2
    assert np.mean([test(*window).p_value < 0.05 for window in windows]) < 0.11


def test_one_product_alone_proves_nothing() -> None:
    """How much a single product's reviews differ from other products' is unknown: no p-value is small."""
    random = np.random.default_rng(5)
    one = Sample(random.normal(1.0, 1.0, 500), np.zeros(500, dtype=np.intp))
    other = _independent(random.normal(size=500))
    assert mean_difference(one, other).p_value == 1.0
    assert kolmogorov_smirnov(one, other).p_value > 0.5
    assert one.effective_clusters == 1.0


def test_a_constant_is_no_difference() -> None:
    """When everything is right on both sides there is no variance, and no difference."""
    assert mean_difference(_independent(np.ones(50)), _independent(np.ones(70))) == Difference(0.0, 1.0)


def test_domain_classifier_sees_a_moved_mean() -> None:
    """Embeddings whose first dimension moved by one standard deviation are told apart about 76 % of the time."""
    random = np.random.default_rng(2)
    moved = _independent(random.normal(size=(1000, 8)) + np.eye(8)[0])
    found = domain_auc(moved, _independent(random.normal(size=(1000, 8))))
    assert found.effect == pytest.approx(0.26, abs=0.04)
    assert found.p_value < 1e-10


def test_domain_classifier_takes_constant_embeddings() -> None:
    """Embeddings that never vary cannot be told apart."""
    found = domain_auc(_independent(np.ones((100, 3))), _independent(np.ones((100, 3))))
    assert found.effect == pytest.approx(0.0)
    assert found.p_value == 1.0


def test_embeddings_that_have_nothing_in_common_are_seen() -> None:
    """Where every row is told from every other one nothing varies: it is as sure as so many products make it."""
    random = np.random.default_rng(5)
    products = np.repeat(np.arange(40), 5)
    sides = [Sample(random.normal(size=(200, 4)) + shift, products) for shift in (100.0, 0.0)]
    found = domain_auc(*sides)
    assert found.effect == pytest.approx(0.5)
    assert found.p_value < 1e-4
    few = [side._replace(clusters=np.repeat(np.arange(4), 50)) for side in sides]
    assert 0.01 < domain_auc(*few).p_value < 0.2


def test_a_collapsed_model_is_seen() -> None:
    """All positive before and all negative now: without any variance, and as sure as so many products make it."""
    products = np.repeat(np.arange(60), 10)
    before, now = Sample(np.ones(600), products), Sample(np.zeros(600), products)
    found = share_difference(now, before)
    assert (found.effect, found.sign) == (1.0, -1)
    assert found.p_value < 1e-9
    assert np.isfinite(found.standard_error)


def test_one_product_that_turns_proves_nothing() -> None:
    """All reviews of one product, all of one opinion, are one opinion."""
    one = np.zeros(300, dtype=np.intp)
    assert share_difference(Sample(np.zeros(300), one), Sample(np.ones(300), one)).p_value > 0.2


def test_shares_of_three_labels_near_one_are_tested_as_two_are() -> None:
    """100 of 100 against 970 of 1,000 is no surprise, with three labels as with two."""
    now = np.tile([1.0, 0.0, 0.0], (100, 1))
    before = np.repeat(np.eye(3), [970, 20, 10], axis=0)
    found = shares_difference(_independent(now), _independent(before))
    assert found.effect == pytest.approx(0.03)
    assert found.p_value > 0.05
