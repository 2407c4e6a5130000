"""Quiet windows: what they are drawn from, and what they teach."""

import numpy as np
import pandas as pd
import pytest

from drift_jobs.judging.calibration import (
    Calibration,
    calibrate,
    learned_floor,
    quiet_pairs,
    size_for,
    upper_bound,
)
from drift_jobs.judging.columns import Columns, paired_columns
from drift_jobs.judging.frames import LabelSet
from drift_jobs.judging.metrics import practical_floor
from drift_jobs.judging.verdict import JudgingContext, judge
from drift_jobs.statistics.two_sample import Difference
from tests.protocols import MakeFrame, MakeRecords

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def reference(make_records: MakeRecords, make_frame: MakeFrame) -> pd.DataFrame:
    """1,500 reviews of products whose customers have moods of their own."""
    return _with_moods(make_frame(make_records(1500, seed=1)), seed=1)


@pytest.fixture(scope="module")
def pool(reference: pd.DataFrame, labels: LabelSet) -> Columns:
    """The reference as arrays."""
    return paired_columns(reference, reference, labels)[0]


@pytest.fixture(scope="module")
def calibration(reference: pd.DataFrame, labels: LabelSet) -> Calibration:
    """What 200 quiet windows of 500 rows bring."""
    return calibrate(reference, labels, 500, windows=200)


def _with_moods(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Move every log-odds by what is its product's own: a tenth of the products, and so their reviews, differ."""
    products = np.unique(frame["cluster"].to_numpy() % 150)
    moods = np.random.default_rng(seed).normal(0, 1.0, len(products))
    cluster = frame["cluster"].to_numpy() % 150
    return frame.assign(cluster=cluster, logit=frame["logit"] + moods[np.searchsorted(products, cluster)])


def test_quiet_windows_have_the_asked_size_and_the_pools_mean(pool: Columns) -> None:
    """Each has as many rows as asked for; over many of them the mean is that of the pool, popular products or not."""
    windows = [window for window, _ in quiet_pairs(pool, 400, 120)]
    assert {len(window.hits) for window in windows} == {400}
    means = np.array([window.numbers["logit"].mean() for window in windows])
    assert means.mean() == pytest.approx(pool.numbers["logit"].mean(), abs=4 * means.std() / np.sqrt(len(means)))


def test_windows_larger_than_the_pool_are_drawn_too(pool: Columns) -> None:
    """Products are then as many times more popular."""
    ((window, drawn),) = quiet_pairs(pool, 4000, 1)
    assert len(window.hits) == 4000
    assert len(drawn.hits) == pytest.approx(len(pool.hits), rel=0.3)


def test_three_windows_have_one_reference(pool: Columns) -> None:
    """As three nights of a shop do: what is odd about a reference shows in all of them."""
    drawn = [reference for _, reference in quiet_pairs(pool, 200, 6)]
    assert drawn[0] is drawn[2]
    assert drawn[3] is drawn[5]
    assert drawn[2] is not drawn[3]


def test_a_product_drawn_twice_is_two_clusters_of_one_product(pool: Columns) -> None:
    """Clusters are draws, so that variances are right; products are kept, so that a classifier cannot learn them."""
    _, drawn = next(quiet_pairs(pool, 200, 1))
    assert drawn.products is not None
    assert len(np.unique(drawn.clusters)) == len(np.unique(pool.clusters))
    assert len(np.unique(drawn.products)) < len(np.unique(drawn.clusters))


def test_the_same_reference_teaches_the_same(reference: pd.DataFrame, labels: LabelSet) -> None:
    """A calibration can be repeated to the last digit."""
    one, other = (calibrate(reference, labels, 200, windows=30) for _ in range(2))
    assert one == other


def test_the_back_test_keeps_what_is_promised(calibration: Calibration) -> None:
    """Watch in at most one of twenty quiet nights, drift in about one of a hundred, with bounds above both."""
    found = calibration.back_test
    assert (found.size, found.windows) == (500, 200)
    assert found.watch_rate <= 0.08
    assert found.drift_rate <= 0.03
    assert found.drift_rate <= found.watch_rate
    assert found.watch_rate < found.watch_upper
    assert found.alarms_a_year == pytest.approx(365 * found.drift_rate)


def test_windows_of_other_products_are_quiet(
    reference: pd.DataFrame,
    calibration: Calibration,
    make_records: MakeRecords,
    make_frame: MakeFrame,
    labels: LabelSet,
) -> None:
    """What was learned from the reference holds for products that it never saw."""
    context = JudgingContext(min_rows=500, calibration=calibration)
    windows = [_with_moods(make_frame(make_records(500, seed=seed)), seed=seed) for seed in range(200, 240)]
    levels = [judge(window, reference, labels, context).verdict for window in windows]
    assert levels.count("none") >= 36


def test_floors_grow_with_what_is_not_known(calibration: Calibration) -> None:
    """In the effect's own unit the floor is more for a window that knows less, and never below the practical one."""
    sure, unsure = (calibration.floor("logit", Difference(0.1, 0.5, error)) for error in (0.001, 0.05))
    assert sure == practical_floor("logit")
    assert unsure == pytest.approx(calibration.errors["logit"] * 0.05)
    assert learned_floor("logit", Difference(0.1, 1.0), calibration.errors) == practical_floor("logit")


def test_progress_is_told(reference: pd.DataFrame, labels: LabelSet) -> None:
    """After each window it is said how many are done."""
    heard: list[int] = []
    calibrate(reference, labels, 200, windows=4, progress=heard.append)
    assert heard == [1, 2, 3, 4]


def test_without_rows_there_is_nothing_to_learn(reference: pd.DataFrame, labels: LabelSet) -> None:
    """An empty reference is an error that says so."""
    with pytest.raises(ValueError, match="no rows"):
        calibrate(reference.iloc[:0], labels, 200)


@pytest.mark.parametrize(("rows", "size"), [(30, 100), (500, 500), (1999, 1000), (5000, 5000), (6000, 5000)])
def test_windows_are_judged_by_the_size_below_theirs(rows: int, size: int) -> None:
    """Smaller windows bring larger effects by chance, so this errs to quiet."""
    assert size_for(rows) == size


def test_bounds_of_rates_are_exact() -> None:
    """None of 200 leaves up to 1.5 %; all of ten leave nothing out (the rule of three, and Clopper and Pearson)."""
    assert upper_bound(0, 200) == pytest.approx(1 - 0.05 ** (1 / 200))
    assert upper_bound(10, 10) == 1.0
