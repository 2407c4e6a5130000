"""Levels: p-values and floors together."""

import pytest

from drift_jobs.judging.levels import highest, judged
from drift_jobs.runs import Level
from drift_jobs.statistics.two_sample import Difference

_SOME_LEVELS: list[list[Level]] = [["none", "watch", "drift"], ["none", "watch"], ["not_judged", "none"], []]


def _floor(_: str, __: Difference) -> float:
    return 0.1


def test_both_p_value_and_effect_are_needed() -> None:
    """A sure change that is small is none, as is a large one that is not sure."""
    tests = {
        "small": Difference(0.05, 1e-9, 0.01),
        "unsure": Difference(0.4, 0.3, 0.3),
        "both": Difference(0.4, 1e-9, 0.01),
    }
    assert {name: found.level for name, found in judged(tests, _floor).items()} == {
        "small": "none",
        "unsure": "none",
        "both": "drift",
    }


def test_between_the_alphas_it_is_watch() -> None:
    """Holm's p-value of 0.02 is below 0.03 and not below 0.003."""
    assert judged({"a": Difference(0.4, 0.02, 0.1)}, _floor)["a"].level == "watch"


def test_what_quiet_windows_bring_weighs_more_than_theory() -> None:
    """A p-value that one of five quiet windows had is no alarm, however small it is."""
    tests = {"a": Difference(0.4, 1e-4, 0.1)}
    assert judged(tests, _floor)["a"].level == "drift"
    found = judged(tests, _floor, [1e-5, 1e-4, 0.3, 0.7, 0.9])["a"]
    assert (found.adjusted_p, found.level) == (pytest.approx(3 / 6), "none")


def test_quiet_windows_never_make_a_p_value_smaller() -> None:
    """Where they are quieter than theory, Holm's method stays."""
    assert judged({"a": Difference(0.4, 0.03, 0.1)}, _floor, [0.5] * 99)["a"].adjusted_p == pytest.approx(0.03)


def test_a_share_of_alpha_is_a_larger_p_value() -> None:
    """With a fifth of the alphas a p-value counts five times."""
    assert judged({"a": Difference(0.4, 0.004, 0.1)}, _floor, share=0.2)["a"].adjusted_p == pytest.approx(0.02)


def test_more_tests_hide_smaller_changes() -> None:
    """What could have been seen grows with the number of tests, and is never below the floor."""
    one = {"a": Difference(0.0, 0.9, 0.1, 500)}
    many = one | {str(number): Difference(0.0, 0.9, 0.1, 500) for number in range(20)}
    alone, among = (judged(tests, _floor)["a"].detectable for tests in (one, many))
    assert alone is not None
    assert among is not None
    assert 0.1 < alone == pytest.approx(0.1 * (2.176 + 0.842), rel=0.01)
    assert among > alone


def test_the_gravest_level_counts() -> None:
    """Drift before watch before none; nothing judged is not judged."""
    assert [highest(levels) for levels in _SOME_LEVELS] == [
        "drift",
        "watch",
        "none",
        "not_judged",
    ]
