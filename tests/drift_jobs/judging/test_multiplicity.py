"""Many p-values at once, against values worked out by hand."""

import numpy as np
import pytest

from drift_jobs.judging.levels import benjamini_hochberg, share_at_most


def test_false_discovery_takes_the_smallest_from_above() -> None:
    """Five p-values, in their own order: 5 p / rank, and none above that of the next larger one.

    In order these are 0.01 x 5, 0.02 x 5 / 2, 0.03 x 5 / 3, 0.2 x 5 / 4 and 0.22.
    """
    found = benjamini_hochberg([0.2, 0.01, 0.22, 0.03, 0.02])
    assert found == pytest.approx([0.22, 0.05, 0.22, 0.05, 0.05])


def test_equal_p_values_stay_equal() -> None:
    """Tests that found the same get the same, that of the last of them."""
    assert benjamini_hochberg([0.04, 0.01, 0.04, 0.04]) == pytest.approx([0.04] * 4)


def test_false_discovery_never_exceeds_one_nor_falls_below_p() -> None:
    """Adjusted p-values stay probabilities, and are never smaller than they were."""
    p_values = np.random.default_rng(1).random(50).tolist()
    found = benjamini_hochberg([*p_values, 1.0])
    assert max(found) == 1.0
    assert all(adjusted >= p for adjusted, p in zip(found, p_values, strict=False))


def test_one_test_and_no_test_need_no_adjustment() -> None:
    """A single p-value stays, and nothing stays nothing."""
    assert benjamini_hochberg([0.03]) == [0.03]
    assert benjamini_hochberg([]) == []


def test_few_of_what_is_found_is_false() -> None:
    """With 20 real changes among 100 tests, at most about 5 % of what is found below 0.05 is not one."""
    random = np.random.default_rng(2)
    shares = []
    for _ in range(200):
        p_values = np.concatenate([random.beta(0.1, 20, 20), random.random(80)])
        found = np.array(benjamini_hochberg(p_values.tolist())) < 0.05
        shares.append(found[20:].sum() / max(1, found.sum()))
    assert 0.02 < np.mean(shares) < 0.06


@pytest.mark.parametrize(("value", "share"), [(0.1, 2 / 5), (0.2, 3 / 5), (0.25, 3 / 5), (1.0, 1.0)])
def test_share_of_draws_counts_the_value_itself(value: float, share: float) -> None:
    """Of four draws and the value, between one and all are as small; ties count."""
    assert share_at_most(np.array([0.1, 0.2, 0.3, 0.4]), value) == pytest.approx(share)


def test_below_all_draws_the_share_falls_in_proportion() -> None:
    """A value of half the smallest of four draws is half as frequent as one draw of five; none is never."""
    draws = np.array([0.1, 0.2, 0.3, 0.4])
    assert [share_at_most(draws, value) for value in (0.05, 0.001, 0.0)] == pytest.approx([0.1, 0.002, 0.0])


def test_without_draws_nothing_is_rare() -> None:
    """The value is all that was seen."""
    assert share_at_most(np.array([]), 0.001) == 1.0
