"""The rules by which B may replace A, at their edges and on models whose quality is known."""

import math

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sentiment_train.comparison.compare import comparison_figures, statistics
from sentiment_train.comparison.verdict import Bounds, ComparisonFigures, SliceFigures, failed_rules
from sentiment_train.evaluation.answers import LabelledAnswers

_BOUNDS = Bounds()
_EQUAL = ComparisonFigures(accuracy_low_points=0.0, slices=[], calibration_loss=0.0, slowdown=1.0)


def _slice(loss_points: float, p_beyond: float, rows: int = 200) -> SliceFigures:
    return SliceFigures(name="category: books", rows=rows, loss_points=loss_points, p_beyond=p_beyond)


def _failed(**changes: object) -> list[str]:
    return [reason.split(":")[0] for reason in failed_rules(msgspec.structs.replace(_EQUAL, **changes), _BOUNDS)]


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({"accuracy_low_points": -0.499}, []),
        ({"accuracy_low_points": -0.5}, ["accuracy"]),
        ({"calibration_loss": 0.01}, []),
        ({"calibration_loss": 0.0101}, ["calibration"]),
        ({"slowdown": 1.25}, []),
        ({"slowdown": 1.2501}, ["speed"]),
        ({"slices": [_slice(9.0, 0.05)]}, []),
        ({"slices": [_slice(9.0, 0.0499)]}, ["slice 'category"]),
        ({"slices": [_slice(50.0, 0.0, rows=199)]}, []),
    ],
)
def test_each_rule_has_its_edge(changes: dict[str, object], failed: list[str]) -> None:
    """At the bound itself all pass but the accuracy, whose interval must lie above it; small slices are not judged."""
    assert _failed(**changes) == failed


def test_every_failed_rule_is_named_with_its_numbers() -> None:
    """A candidate that is worse in all respects is told each of them."""
    worst = ComparisonFigures(
        accuracy_low_points=-3.21, slices=[_slice(7.5, 0.001)], calibration_loss=0.05, slowdown=2.0
    )
    reasons = failed_rules(worst, _BOUNDS)
    expected = (
        ("-3.21 points", "above -0.5"),
        ("'category: books'", "loses 7.5 points on 200 rows", "more than 2", "p 0.001"),
        ("0.0500 higher", "at most 0.01"),
        ("2.00 x A's", "at most 1.25 x"),
    )
    assert len(reasons) == len(expected)
    for reason, parts in zip(reasons, expected, strict=True):
        assert all(part in reason for part in parts)


@pytest.mark.parametrize("name", ["accuracy_low_points", "calibration_loss", "slowdown"])
def test_what_is_no_number_passes_no_rule(name: str) -> None:
    """A figure that could not be measured is no proof."""
    assert len(_failed(**{name: math.nan})) == 1
    assert len(_failed(slices=[_slice(math.nan, math.nan)])) == 1


_numbers = st.floats(-5.0, 5.0)
_figures = st.builds(
    ComparisonFigures,
    accuracy_low_points=_numbers,
    slices=st.lists(st.builds(_slice, _numbers, st.floats(0.0, 1.0), st.integers(1, 500)), max_size=4),
    calibration_loss=_numbers,
    slowdown=st.floats(0.01, 5.0),
)


@given(_figures, st.floats(0.0, 5.0), st.floats(0.0, 5.0), st.floats(0.0, 5.0))
def test_more_figures_against_b_never_helps_it(
    found: ComparisonFigures, accuracy: float, calibration: float, slow: float
) -> None:
    """What fails once fails when B is worse still."""
    worse = msgspec.structs.replace(
        found,
        accuracy_low_points=found.accuracy_low_points - accuracy,
        calibration_loss=found.calibration_loss + calibration,
        slowdown=found.slowdown + slow,
        slices=[msgspec.structs.replace(each, p_beyond=each.p_beyond / 2) for each in found.slices],
    )
    assert len(failed_rules(worse, _BOUNDS)) >= len(failed_rules(found, _BOUNDS))


@given(_figures)
def test_wider_bounds_never_refuse_more(found: ComparisonFigures) -> None:
    """What passes passes with larger bounds as well."""
    wide = Bounds(accuracy_loss_points=1.0, slice_rows=300, calibration_loss=0.02, slowdown=1.5)
    assert len(failed_rules(found, wide)) <= len(failed_rules(found, _BOUNDS))


def _reviews(random: np.random.Generator, rows: int) -> pl.DataFrame:
    """A hundred products, five ratings and eight categories, all without meaning."""
    return pl.DataFrame(
        {
            "product_id": random.integers(0, 100, rows).astype(str),
            "rating": random.integers(1, 6, rows),
            "category": random.integers(0, 8, rows).astype(str),
        }
    )


def _drawn(random: np.random.Generator, rows: int, loss: float = 0.0) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return scores and, with the chance that each states less `loss`, whether the answer is right: accuracy 0.95."""
    score = np.clip(0.5 + 0.5 * random.beta(9.0, 1.0, rows), 0.5, 0.9999)
    return score, random.random(rows) < score - loss


def _pair(
    random: np.random.Generator, rows: int, drawn_anew: float, loss: float = 0.0
) -> tuple[LabelledAnswers, LabelledAnswers]:
    """Two calibrated models: B answers the share `drawn_anew` of rows by itself, the others as A does."""
    reviews, truth = _reviews(random, rows), (random.random(rows) < 0.8).astype(np.int64)
    tokens = random.integers(5, 300, rows)
    score, right = _drawn(random, rows)
    new_score, new_right = _drawn(random, rows, loss / drawn_anew if drawn_anew else 0.0)
    anew = random.random(rows) < drawn_anew

    def answers(score: NDArray[np.float64], right: NDArray[np.bool_]) -> LabelledAnswers:
        given = np.where(right, truth, 1 - truth)
        probabilities = np.stack([1 - score, score], axis=1)
        probabilities[given == 0] = probabilities[given == 0][:, ::-1]
        return LabelledAnswers(["negative", "positive"], reviews, truth, probabilities, tokens)

    return answers(score, right), answers(np.where(anew, new_score, score), np.where(anew, new_right, right))


def _refused(pair: tuple[LabelledAnswers, LabelledAnswers]) -> list[str]:
    return failed_rules(comparison_figures(statistics(*pair, _BOUNDS), slowdown=1.0), _BOUNDS)


@pytest.mark.slow
def test_equal_models_are_seldom_refused() -> None:
    """On 6,000 rows two equally good models that differ in the rightness of 1 % are refused at most 2 times of 40."""
    random = np.random.default_rng(5)
    pairs = [_pair(random, 6_000, drawn_anew=0.105) for _ in range(40)]
    discordant = [np.mean((a.given == a.truth) != (b.given == b.truth)) for a, b in pairs]
    assert np.mean(discordant) == pytest.approx(0.01, abs=0.002)
    assert sum(bool(_refused(pair)) for pair in pairs) <= 2


@pytest.mark.slow
def test_three_points_fewer_on_6000_rows_never_pass() -> None:
    """A candidate that is 3 points worse is refused each time, for its accuracy."""
    random = np.random.default_rng(6)
    for _ in range(10):
        assert any(reason.startswith("accuracy") for reason in _refused(_pair(random, 6_000, 0.3, loss=0.03)))


@pytest.mark.parametrize(("rows", "refused"), [(100, 1), (1_000, 0)])
def test_a_few_rows_without_a_disagreement_are_no_proof(rows: int, refused: int) -> None:
    """Two models that agree on 100 rows may still differ by points; on 1,000 rows a difference would have shown."""
    pair = _pair(np.random.default_rng(7), rows, drawn_anew=0.0)
    assert len(_refused(pair)) == refused


def test_the_same_version_passes_on_any_rows() -> None:
    """A model against itself needs no proof, however few the rows."""
    pair = _pair(np.random.default_rng(8), 30, drawn_anew=0.0)
    measured = statistics(*pair, _BOUNDS, same_version=True)
    assert measured["accuracy"]["low"] == measured["accuracy"]["high"] == 0.0
    assert failed_rules(comparison_figures(measured, slowdown=1.0), _BOUNDS) == []


def test_a_slice_that_loses_much_is_refused_although_the_whole_gains() -> None:
    """B may not pay for a better mean with one category: it is named, after Holm's correction."""
    random = np.random.default_rng(9)
    a, b = _pair(random, 6_000, drawn_anew=0.0)
    books = (a.reviews["category"] == "3").to_numpy()
    wrong = a.given != a.truth
    probabilities = b.probabilities.copy()
    probabilities[wrong & ~books] = probabilities[wrong & ~books][:, ::-1]  # all other mistakes are mended
    worse = books & ~wrong & (random.random(6_000) < 0.1)
    probabilities[worse] = probabilities[worse][:, ::-1]
    reasons = failed_rules(
        comparison_figures(statistics(a, b._replace(probabilities=probabilities), _BOUNDS), 1.0), _BOUNDS
    )
    assert [reason.split(": B")[0] for reason in reasons if "calibration" not in reason] == ["slice 'category: 3'"]
