"""The paired tests, against published figures and against what chance does."""

import numpy as np
import pytest

from sentiment_train.comparison.paired import holm, loss_beyond, mcnemar, score_interval, score_statistic, visible_loss


def test_few_discordant_rows_are_tested_exactly() -> None:
    """Five against fifteen: twice the chance of at most 5 heads of 20, which is 0.0414."""
    assert mcnemar(5, 15) == (pytest.approx(0.041389, abs=1e-6), "exact binomial")
    assert mcnemar(15, 5) == mcnemar(5, 15)
    assert mcnemar(0, 0) == (1.0, "exact binomial")


def test_many_discordant_rows_are_tested_by_the_mid_p() -> None:
    """Half the chance of the very outcome is left out: for 20 against 40, 0.0098 instead of 0.0135."""
    assert mcnemar(20, 40) == (pytest.approx(0.00985, abs=1e-5), "mid-p")
    assert mcnemar(30, 30)[0] == pytest.approx(1.0)


def test_the_interval_holds_the_truth_as_often_as_stated() -> None:
    """Of 4,000 intervals from 600 rows with a true gain of 1 point about 95 % hold it."""
    drawn = np.random.default_rng(2).multinomial(600, [0.03, 0.02, 0.95], 4_000)[:, :2]
    kinds, places = np.unique(drawn, axis=0, return_inverse=True)
    ends = np.array([score_interval(int(gained), int(lost), 600) for gained, lost in kinds])[places]
    assert np.mean((ends[:, 0] <= 0.01) & (ends[:, 1] >= 0.01)) == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (10, 10), (0, 30), (40, 5), (300, 0), (0, 300)])
def test_the_ends_of_the_interval_are_196_standard_errors_away(gained: int, lost: int) -> None:
    """At each end the statistic is 1.96, so that the interval is the test turned round; it stays within -1 and 1."""
    low, high = score_interval(gained, lost, 300)
    assert -1.0 <= low <= (gained - lost) / 300 <= high <= 1.0
    if gained < 300 and lost < 300:
        assert score_statistic(gained, lost, 300, low) == pytest.approx(1.96, abs=1e-3)
        assert score_statistic(gained, lost, 300, high) == pytest.approx(-1.96, abs=1e-3)


def test_no_disagreement_on_few_rows_leaves_room() -> None:
    """On n rows without a disagreement a difference of 3.84 / (n + 3.84) cannot be ruled out."""
    assert score_interval(0, 0, 100)[0] == pytest.approx(-3.8415 / 103.8415, abs=1e-5)


def test_a_loss_at_the_margin_is_rejected_as_often_as_stated() -> None:
    """Of 4,000 slices of 400 rows that truly lose 2 points about 5 % are called worse by more than that."""
    random = np.random.default_rng(3)
    drawn = random.multinomial(400, [0.015, 0.035, 0.95], 4_000)[:, :2]
    kinds, places = np.unique(drawn, axis=0, return_inverse=True)
    p = np.array([loss_beyond(int(gained), int(lost), 400, 0.02) for gained, lost in kinds])[places]
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.015)


def test_the_visible_loss_is_seen_four_times_of_five() -> None:
    """Slices that lose what `visible_loss` states are refused about as often as it states."""
    random = np.random.default_rng(4)
    loss = visible_loss(20, 20, 400, 0.02, alpha=0.002)
    assert 0.05 < loss < 0.12
    drawn = random.multinomial(400, [max(0.1 - loss, 0) / 2, (0.1 + loss) / 2, 0.9 - max(loss - 0.1, 0)], 2_000)[:, :2]
    seen = [loss_beyond(int(gained), int(lost), 400, 0.02) < 0.002 for gained, lost in drawn]
    assert np.mean(seen) == pytest.approx(0.8, abs=0.1)


def test_holms_correction_is_stepwise() -> None:
    """The smallest of n counts n times, the next n - 1 times, and none less than the one before it."""
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([0.6, 0.9]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []
