"""What is named as the cause of a change, from judged rows and frames made for it."""

import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from drift_jobs.judging.causes import MAX_DESCRIPTORS, MAX_NOVEL, MAX_SEGMENTS, causes
from drift_jobs.judging.frames import DESCRIPTORS, LabelSet, sample_frame
from drift_jobs.judging.verdict import JudgingContext, judge
from drift_jobs.runs import Causes, Level, MetricRow

LABELS = LabelSet(("negative", "positive"), "positive")
EMPTY = pd.DataFrame()


def _frame(products: Sequence[str | None], is_positive: np.ndarray, embedding: list[Any]) -> pd.DataFrame:
    n = len(products)
    probabilities = np.where(is_positive[:, None], [0.1, 0.9], [0.9, 0.1])
    return sample_frame(
        LABELS,
        logits=np.log(probabilities),
        probabilities=probabilities,
        label=np.array(LABELS.names)[is_positive.astype(int)],
        target=[None] * n,
        product=products,
        embedding=embedding,
        descriptors={name: np.arange(n) % 7 for name in DESCRIPTORS},
    )


def _reviews(**products: tuple[int, int]) -> pd.DataFrame:
    """Reviews of products given as (positive, negative); of `nothing` are those without a product."""
    names = [None if name == "nothing" else name for name, counts in products.items() for _ in range(sum(counts))]
    positive = np.concatenate([np.repeat([True, False], counts) for counts in products.values()])
    return _frame(names, positive, [None] * len(names))


def _input(metric: str, effect: float, floor: float = 0.05, verdict: Level = "none") -> MetricRow:
    return MetricRow(metric=metric, family="inputs", effect=effect, floor=floor, verdict=verdict, n=500)


def _segment(name: str, p_value: float, effect: float = 0.1, verdict: Level = "none") -> MetricRow:
    return MetricRow(
        metric="label_share", segment=name, family="predictions", value=0.5, reference_value=0.6, p_value=p_value,
        effect=effect, floor=0.02, verdict=verdict, n=200,
    )  # fmt: skip


def test_descriptors_are_ranked_by_floors_crossed() -> None:
    """The one that is most above its own floor is first; those below theirs, and other metrics, are not named."""
    rows = [
        _input("words", 0.2, floor=0.1),
        _input("digit_share", 0.15, floor=0.05),
        _input("tokens", 0.09, floor=0.1),
        _input("embedding", 0.4, verdict="none"),
        _input("upper_share", 0.5, verdict="not_judged"),
        MetricRow(metric="score", family="predictions", effect=0.5, floor=0.05, verdict="drift", n=500),
        MetricRow(metric="words", segment="product:B1", family="inputs", effect=0.5, floor=0.05, verdict="drift", n=9),
    ]
    found = causes(EMPTY, EMPTY, LABELS, rows).descriptors
    assert [(each.metric, each.effect) for each in found] == [("digit_share", 0.15), ("words", 0.2)]
    assert [each.adjusted_p for each in found] == [None, None]


def test_no_more_descriptors_than_a_reader_takes_in() -> None:
    """Of all nine the five that changed most are named."""
    rows = [_input(name, 0.1 + number / 100) for number, name in enumerate(DESCRIPTORS)]
    found = causes(EMPTY, EMPTY, LABELS, rows).descriptors
    assert [each.metric for each in found] == list(reversed(DESCRIPTORS))[:MAX_DESCRIPTORS]


def test_segments_are_named_under_false_discovery_control() -> None:
    """Of ten tests, two at 0.004 and 0.009 stay below 0.05 after adjustment and one at 0.02 does not."""
    rows = [_segment(f"product:B{number}", 0.3 + number / 20) for number in range(7)]
    rows += [_segment("product:C", 0.004, 0.1), _segment("market:uk", 0.009, 0.3), _segment("product:D", 0.02, 0.5)]
    found = causes(EMPTY, EMPTY, LABELS, rows).segments
    assert [(each.metric, each.segment) for each in found] == [
        ("label_share", "market:uk"), ("label_share", "product:C"),
    ]  # fmt: skip
    assert [each.adjusted_p for each in found] == pytest.approx([0.045, 0.04])
    assert (found[0].value, found[0].reference_value, found[0].effect) == (0.5, 0.6, 0.3)


def test_segments_that_were_not_judged_are_not_named() -> None:
    """They neither are named nor count as tests, and ten are named at most."""
    rows = [_segment("product:A", 1e-9, verdict="not_judged")]
    assert causes(EMPTY, EMPTY, LABELS, rows).segments == ()
    many = [_segment(f"product:B{number}", 1e-6, effect=0.1 + number / 100) for number in range(15)]
    found = causes(EMPTY, EMPTY, LABELS, [*rows, *many]).segments
    assert [each.segment for each in found] == [f"product:B{number}" for number in range(14, 14 - MAX_SEGMENTS, -1)]


def test_the_change_of_praise_is_split_by_products() -> None:
    """A hated product is bought more, another turns worse, and what has no product is neither's doing."""
    current = _reviews(loved=(16, 4), hated=(4, 16), nothing=(0, 10))
    reference = _reviews(loved=(27, 3), hated=(2, 8), nothing=(5, 5))
    mix = causes(current, reference, LABELS, []).mix
    assert mix is not None
    assert mix.change == pytest.approx(20 / 50 - 34 / 50)
    assert mix.mix + mix.within + mix.unmatched == pytest.approx(mix.change)
    assert mix.within == pytest.approx(-0.1 * (0.4 + 0.6) / 2)
    assert mix.unmatched == pytest.approx(-0.1)
    assert mix.matched_share == pytest.approx(0.8)


def test_the_split_is_of_the_change_that_is_judged() -> None:
    """Rows with a label that the model does not have are no part of it, as in the share of labels."""
    current, reference = _reviews(one=(12, 8), other=(5, 5)), _reviews(one=(9, 1), other=(10, 10))
    current.loc[:5, "label"] = "unheard of"
    found = causes(current, reference, LABELS, []).mix
    share = next(row for row in judge(current, reference, LABELS, JudgingContext(min_rows=1)).metrics
                 if row.metric == "label_share")  # fmt: skip
    assert found is not None
    assert share.value is not None
    assert share.reference_value is not None
    assert found.change == pytest.approx(share.value - share.reference_value)


def test_products_that_never_meet_are_not_split() -> None:
    """A bundle names products otherwise than the log; rows without a product never match, nor does an empty side."""
    current = _reviews(B1=(5, 5), nothing=(5, 5))
    assert causes(current, _reviews(c17=(9, 1), nothing=(5, 5)), LABELS, []).mix is None
    assert causes(current, current[:0], LABELS, []).mix is None
    assert causes(current[:0], current, LABELS, []).mix is None


def _with_strangers(verdict: Level) -> tuple[pd.DataFrame, pd.DataFrame, list[MetricRow], set[uuid.UUID]]:
    """A window with 60 rows that the reference does not know, among 600; every third row has no embedding."""
    random = np.random.default_rng(1)
    strange = np.arange(600) % 10 == 3
    vectors = random.normal(size=(600, 6)) + 8 * strange[:, None] * np.eye(6)[0]
    kept = [None if number % 3 == 1 else vector for number, vector in enumerate(vectors)]
    ids = np.array([uuid.UUID(int=number) for number in range(600)])
    current = _frame([f"B{number // 2}" for number in range(600)], strange, kept).assign(prediction_id=ids)
    reference = _frame([f"B{number // 2}" for number in range(900)], np.ones(900, dtype=bool),
                       list(random.normal(size=(900, 6))))  # fmt: skip
    return current, reference, [_input("embedding", 0.2, verdict=verdict)], set(ids[strange])


@pytest.mark.parametrize("verdict", ["watch", "drift"])
def test_the_strangest_predictions_are_named(verdict: Level) -> None:
    """Ten ids are named, and all are of rows whose embedding is where the reference has none."""
    current, reference, rows, strangers = _with_strangers(verdict)
    novel = causes(current, reference, LABELS, rows).novel
    assert len(set(novel)) == MAX_NOVEL
    assert set(novel) <= strangers


def test_without_alarm_of_the_embedding_no_prediction_is_named() -> None:
    """Where nothing is new the strangest rows are only the strangest of the usual ones."""
    current, reference, rows, _ = _with_strangers("none")
    assert causes(current, reference, LABELS, rows).novel == ()
    assert causes(current, reference, LABELS, []).novel == ()


def test_what_is_missing_leaves_out_only_its_part() -> None:
    """Without ids, embeddings, labels, products or any rows there is less to say and no error."""
    current, reference, rows, _ = _with_strangers("drift")
    without_embeddings = current.drop(columns="embedding").assign(embedding=None)
    for window in (
        current.drop(columns="prediction_id"), current.drop(columns="words"), without_embeddings, current[:0], EMPTY,
    ):  # fmt: skip
        assert causes(window, reference, LABELS, rows).novel == ()
    for other in (reference[:0], reference.drop(columns="embedding"), EMPTY):
        assert causes(current, other, LABELS, rows).novel == ()
    assert causes(current.drop(columns="cluster"), reference, LABELS, rows).mix is None
    assert causes(EMPTY, EMPTY, LABELS, []) == Causes()


def test_causes_follow_from_a_judged_window() -> None:
    """The rows of a verdict go in as they are: the product that turned bad is what is named."""
    random = np.random.default_rng(2)
    products = [f"B{number}" for number in random.integers(0, 12, 3000)]
    spoiled = np.array([name == "B5" for name in products])
    window, reference = (
        _frame(products, random.random(3000) < np.where(spoiled, share, 0.8), [None] * 3000).assign(
            segment_product=products
        )
        for share in (0.3, 0.8)
    )
    found = causes(window, reference, LABELS, judge(window, reference, LABELS, JudgingContext(min_rows=500)).metrics)
    assert [each.segment for each in found.segments] == ["product:B5"]
    assert found.mix is not None
    assert found.mix.within == pytest.approx(found.mix.change)
    assert (found.descriptors, found.novel) == ((), ())
