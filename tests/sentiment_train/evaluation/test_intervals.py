"""Bootstrap intervals where the right ones are known."""

import numpy as np
import polars as pl
import pytest

from sentiment_train.evaluation.intervals import clusters, intervals


def _mean_of(values: np.ndarray, drawn: np.ndarray, seed: int = 0) -> np.ndarray:
    """The interval of the mean of `values`."""
    return intervals(lambda weights: {"mean": weights @ values / weights.sum(axis=1)}, drawn, seed)["mean"]


def test_single_rows_give_the_usual_interval() -> None:
    """Of 2,000 rows, 90 % right, the interval is that of the normal approximation, within a tenth of its width."""
    values = np.array([1.0] * 1800 + [0.0] * 200)
    half = 1.96 * np.sqrt(0.9 * 0.1 / 2000)
    assert _mean_of(values, np.arange(2000)) == pytest.approx([0.9 - half, 0.9 + half], abs=0.2 * half)


def test_rows_that_come_together_widen_the_interval() -> None:
    """With 16 equal rows a product the interval is four times as wide: there are but so many products."""
    values = np.repeat(np.array([1.0] * 90 + [0.0] * 35), 16)
    alone, together = (_mean_of(values, drawn) for drawn in (np.arange(2000), np.repeat(np.arange(125), 16)))
    assert np.ptp(together) / np.ptp(alone) == pytest.approx(4.0, rel=0.1)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Of 200 samples of 60 products with 1 to 9 rows each, 90 to 99 % have the true mean in their interval."""
    random = np.random.default_rng(2)
    held = 0
    for seed in range(200):
        sizes = random.integers(1, 10, size=60)
        values = np.repeat(random.random(60) < 0.7, sizes).astype(float)
        low, high = _mean_of(values, np.repeat(np.arange(60), sizes), seed)
        held += low <= 0.7 <= high
    assert 180 <= held <= 198


def test_the_same_rows_give_the_same_interval() -> None:
    """The seed is fixed, so that figures can be found again."""
    values, drawn = np.arange(50.0), np.arange(50)
    assert _mean_of(values, drawn).tolist() == _mean_of(values, drawn).tolist()
    assert _mean_of(values, drawn).tolist() != _mean_of(values, drawn, seed=1).tolist()


def test_few_rows_have_no_interval() -> None:
    """Nineteen rows know too little of what else could have been drawn; twenty have an interval."""
    assert intervals(lambda weights: {"n": weights.sum(axis=1)}, np.arange(19)) == {}
    assert intervals(lambda weights: {"n": weights.sum(axis=1)}, np.arange(20))["n"].tolist() == [20.0, 20.0]


def test_resamples_without_a_value_do_not_count() -> None:
    """Where a resample lacks what is measured it is left out; where all do, the ends are NaN."""

    def statistics(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {
            "some": np.where(weights[:, 0] > 0, 1.0, np.nan),
            "none": np.full((len(weights), 2), np.nan),
        }

    found = intervals(statistics, np.arange(30))
    assert found["some"].tolist() == [1.0, 1.0]
    assert found["none"].shape == (2, 2)
    assert np.isnan(found["none"]).all()


def test_products_are_drawn_where_there_are_enough() -> None:
    """Rows of one product have one number; without ids, or with fewer than ten, each row has its own."""
    ids = pl.Series(["b", "a", "b", *(f"p{number}" for number in range(8))])
    assert clusters(ids, 11).tolist() == [1, 0, 1, *range(2, 10)]
    assert clusters(ids.head(10), 10).tolist() == list(range(10))
    assert clusters(None, 3).tolist() == [0, 1, 2]


def test_rows_without_a_product_stand_alone() -> None:
    """A row without a product id is drawn for itself, and is no product of its own among those that are counted."""
    products = pl.Series([f"p{number}" for number in range(10)] * 2)
    drawn = clusters(pl.concat([products, pl.Series([None, None], dtype=pl.String)]), 22)
    assert drawn.tolist() == [*range(10), *range(10), 10, 11]
    few = pl.Series([*products[:9], None, None])
    assert clusters(few, 11).tolist() == list(range(11))
