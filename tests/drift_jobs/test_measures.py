"""The statistics against values worked out by hand, and their false alarms on seeded samples."""

import numpy as np
import pytest

from drift_jobs.measures import domain_auc, holm, kolmogorov_smirnov, largest_share_change, two_proportions


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
    assert kolmogorov_smirnov(np.array([1.0, 2, 3, 4]), np.array([3.0, 4, 5, 6]))[0] == pytest.approx(0.5)


def test_share_change_takes_both_sides_as_samples() -> None:
    """60 of 100 against 50 of 100 is a change of 0.1 with the p-value 0.1552 of the 2 x 2 table."""
    effect, p_value = largest_share_change(np.array([40, 60]), np.array([50, 50]))
    assert (effect, p_value) == (pytest.approx(0.1), pytest.approx(0.1552, abs=1e-4))


def test_share_change_of_one_label_is_none() -> None:
    """When only one label was ever predicted nothing changed, and nothing fails."""
    assert largest_share_change(np.array([0, 60]), np.array([0, 50])) == (0.0, 1.0)


def test_two_proportions_agrees_with_the_pooled_z_test() -> None:
    """80 of 100 against 90 of 100 gives z = 1.98."""
    assert two_proportions(80, 100, 90, 100) == pytest.approx(0.0477, abs=1e-4)


def test_two_proportions_without_errors_are_equal() -> None:
    """When everything is right on both sides there is no variance, and no difference."""
    assert two_proportions(50, 50, 70, 70) == 1.0


def test_domain_classifier_sees_a_moved_mean() -> None:
    """Embeddings whose first dimension moved by one standard deviation are told apart about 76 % of the time."""
    random = np.random.default_rng(2)
    auc, p_value = domain_auc(random.normal(size=(1000, 8)) + np.eye(8)[0], random.normal(size=(1000, 8)))
    assert auc == pytest.approx(0.76, abs=0.04)
    assert p_value < 1e-10


def test_domain_classifier_keeps_its_level_on_equal_samples() -> None:
    """With nothing wrong, p falls below 0.05 in about one of twenty seeded repeats."""
    random = np.random.default_rng(3)
    below = [domain_auc(random.normal(size=(300, 16)), random.normal(size=(500, 16)))[1] < 0.05 for _ in range(200)]
    assert 0.01 < np.mean(below) < 0.1


def test_domain_classifier_takes_constant_embeddings() -> None:
    """Embeddings that never vary cannot be told apart."""
    assert domain_auc(np.ones((100, 3)), np.ones((100, 3)))[0] == pytest.approx(0.5)
