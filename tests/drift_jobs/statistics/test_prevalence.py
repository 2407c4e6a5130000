"""Label shares without labels, against values worked out by hand, and how often their intervals hold."""

import numpy as np
import pytest

from drift_jobs.statistics.prevalence import bbse_shares, black_box, em_shares, expectation_maximization
from drift_jobs.statistics.scored_rows import UNKNOWN, ScoredRows, recalibration


def _rows(*parts: tuple[float, int, int, int]) -> ScoredRows:
    """Return rows by (probability of label 1, label given, right label, how many), each a product by itself."""
    chance, given, truth = (np.repeat([part[i] for part in parts], [part[3] for part in parts]) for i in range(3))
    probabilities = np.stack([1 - chance, chance], axis=1)
    return ScoredRows(probabilities, given.astype(np.intp), truth.astype(np.intp), np.arange(len(given)))


HALF = _rows((0.8, 1, 1, 40), (0.8, 1, 0, 10), (0.2, 0, 1, 10), (0.2, 0, 0, 40))
"""Half of the labels are 1; of rows that say so, and of those that do not, 8 of 10 are right."""


def _three(random: np.random.Generator, n: int, shares: list[float]) -> ScoredRows:
    """Return `n` rows in products of about four, with logits that are too large."""
    truth = random.choice(3, n, p=shares)
    logits = np.eye(3)[truth] * 2.2 + random.normal(size=(n, 3)) * [1.0, 0.6, 1.3]
    odds = np.exp(1.3 * logits)
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    return ScoredRows(probabilities, probabilities.argmax(axis=1), truth, random.integers(0, n // 4, n))


def test_likeliest_shares_are_those_that_explain_the_answers() -> None:
    """17 of 25 rows say 1, as 0.8 of label 1's and 0.2 of label 0's do: 0.8 * share + 0.2 * (1 - share) = 0.68."""
    probabilities = np.repeat([[0.2, 0.8], [0.8, 0.2]], [17, 8], axis=0)
    assert expectation_maximization(probabilities, np.array([0.5, 0.5])) == pytest.approx([0.2, 0.8], abs=1e-4)


def test_answers_as_in_the_reference_leave_its_shares() -> None:
    """A window that is the reference has the reference's shares, by both methods."""
    for method in (em_shares, bbse_shares):
        found = method(HALF, HALF)
        assert found is not None
        assert found.values == pytest.approx([0.5, 0.5], abs=1e-6)


def test_black_box_undoes_the_confusion() -> None:
    """Two labels: (0.66 - 0.1) / (0.8 - 0.1) = 0.8; three labels that are taken for each other in 1 of 10 cases."""
    assert black_box(np.array([0.34, 0.66]), np.array([[0.9, 0.2], [0.1, 0.8]])) == pytest.approx([0.2, 0.8])
    three = np.full((3, 3), 0.1) + 0.7 * np.eye(3)
    assert black_box(np.array([0.45, 0.31, 0.24]), three) == pytest.approx([0.5, 0.3, 0.2])


def test_shares_stay_between_zero_and_one() -> None:
    """Fewer answers 1 than label 0 alone explains make a share of 0, not a negative one."""
    assert black_box(np.array([0.95, 0.05]), np.array([[0.9, 0.2], [0.1, 0.8]])) == pytest.approx([1.0, 0.0])


def test_answers_that_do_not_depend_on_the_label_tell_nothing() -> None:
    """Where both labels are answered alike there is no estimate."""
    alike = _rows((0.5, 1, 1, 30), (0.5, 1, 0, 30), (0.5, 0, 1, 30), (0.5, 0, 0, 30))
    assert black_box(np.array([0.5, 0.5]), np.array([[0.5, 0.5], [0.5, 0.5]])) is None
    assert em_shares(alike, alike) is None
    assert bbse_shares(alike, alike) is None


def test_a_label_that_the_reference_lacks_cannot_be_estimated() -> None:
    """Nothing is known of how a label is answered that never was right in the reference; nor of an empty window."""
    one_sided = _rows((0.8, 1, 1, 50), (0.2, 0, 1, 50))
    assert em_shares(HALF, one_sided) is None
    assert bbse_shares(HALF, one_sided) is None
    nothing = HALF.only(HALF.truth == UNKNOWN)
    assert em_shares(nothing, HALF) is None
    assert bbse_shares(nothing, HALF) is None


def test_copies_inside_a_product_prove_no_more() -> None:
    """A window in which each row is there four times, in its own product, has the interval of the single rows."""
    rows = np.repeat(np.arange(HALF.rows), 4)
    copied = ScoredRows(HALF.probabilities[rows], HALF.given[rows], HALF.truth[rows], rows)
    for method in (em_shares, bbse_shares):
        single, fourfold = method(HALF, HALF), method(copied, HALF)
        assert single is not None
        assert fourfold is not None
        assert fourfold.upper - fourfold.lower == pytest.approx(single.upper - single.lower)


def test_one_product_alone_leaves_every_share_possible() -> None:
    """How much a single product's answers differ from others' is unknown."""
    found = em_shares(HALF._replace(clusters=np.zeros(HALF.rows, dtype=np.intp)), HALF)
    assert found is not None
    assert (list(found.lower), list(found.upper)) == ([0.0, 0.0], [1.0, 1.0])


def test_intervals_are_those_of_both_sides_answers() -> None:
    """A reference known exactly leaves the error of the share of answers 1, a window that of the recalls; over 0.6."""
    many = np.tile(np.arange(HALF.rows), 1000)
    exact = ScoredRows(HALF.probabilities[many], HALF.given[many], HALF.truth[many], np.arange(len(many)))
    of_window, of_recalls = np.sqrt(0.25 / 100), np.sqrt(2 * 0.25 * 0.16 / 50)
    for window, reference, error in ((HALF, exact, of_window), (exact, HALF, of_recalls)):
        for method in (em_shares, bbse_shares):
            found = method(window, reference)
            assert found is not None
            assert found.upper[1] - found.values[1] == pytest.approx(1.984 * error / 0.6, rel=0.02)


@pytest.mark.parametrize("method", [em_shares, bbse_shares], ids=["em", "bbse"])
def test_intervals_hold_the_shares_of_three_labels(method: type) -> None:
    """When neutral reviews grow from 15 to 20 % and negative ones double, 60 windows' intervals hold the truth."""
    random = np.random.default_rng(6)
    held = []
    for _ in range(60):
        reference, window = _three(random, 2000, [0.2, 0.15, 0.65]), _three(random, 800, [0.4, 0.2, 0.4])
        learned = recalibration(reference)
        sides = (side._replace(probabilities=learned.apply(side.probabilities)) for side in (window, reference))
        found = method(*sides)
        held.append((found.lower <= [0.4, 0.2, 0.4]) & (found.upper >= [0.4, 0.2, 0.4]))
    assert np.mean(held) >= 0.9
