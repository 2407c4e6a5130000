"""Parts of a window: which are tested, what makes an alarm of them, and how rarely a quiet shop has one."""

import time

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from drift_jobs.judging.comparisons import Compared
from drift_jobs.judging.frames import DESCRIPTORS, LabelSet, sample_frame
from drift_jobs.judging.levels import SEGMENT_SHARE, highest, judged
from drift_jobs.judging.metrics import practical_floor
from drift_jobs.judging.segments import MAX_SEGMENTS, MAX_VALUE_CHARACTERS, compare_segments
from drift_jobs.judging.verdict import JudgingContext, judge

pytestmark = pytest.mark.slow

LABELS = LabelSet(("negative", "positive"), "positive")
CHANNELS = ("web", "app", "shop")


class _Shop:
    """Products that keep their own share of praise and their own length of reviews, whichever window is drawn."""

    def __init__(self, products: int, seed: int, praise: tuple[float, float] = (8, 2), skew: float = 0.8) -> None:
        self.random = np.random.default_rng(seed)
        popularity = 1 / np.arange(1, products + 1) ** skew
        self.popularity = popularity / popularity.sum()
        self.praise = self.random.beta(*praise, products)
        self.words = self.random.gamma(8, 5, products)
        self.channel = self.random.integers(len(CHANNELS), size=products)

    def window(self, n: int, *, spoiled: int | None = None) -> pd.DataFrame:
        """`n` reviews; of product `spoiled` four of five are complaints. A product is sold through one channel."""
        product = self.random.choice(len(self.popularity), n, p=self.popularity)
        share = np.where(product == spoiled, 0.2, self.praise[product])
        is_positive = self.random.random(n) < share
        names = [f"B{number}" for number in product]
        frame = _frame(is_positive, self.random.random(n) < 0.9, self.random.poisson(self.words[product]), names)
        return frame.assign(segment_product=names, segment_channel=np.array(CHANNELS)[self.channel[product]])


def _frame(is_positive: np.ndarray, is_right: np.ndarray, words: np.ndarray, products: list[str]) -> pd.DataFrame:
    probabilities = np.where(is_positive[:, None], [0.1, 0.9], [0.9, 0.1])
    names = np.array(LABELS.names)
    return sample_frame(
        LABELS,
        logits=np.log(probabilities),
        probabilities=probabilities,
        label=names[is_positive.astype(int)],
        target=names[(is_positive == is_right).astype(int)],
        product=products,
        embedding=[None] * len(words),
        descriptors={name: words.astype(float) for name in DESCRIPTORS},
    )


def _plain(n: int, **columns: object) -> pd.DataFrame:
    """A window of `n` reviews with the given columns."""
    return _Shop(20, seed=n).window(n).drop(columns=["segment_product", "segment_channel"]).assign(**columns)


def _names(found: list[Compared]) -> list[str]:
    return list(dict.fromkeys(each.row.segment for each in found))


def test_one_product_of_many_that_turns_bad_is_named() -> None:
    """A product with 3 % of the reviews loses its praise: the run is an alarm by that segment, and says which."""
    shop = _Shop(300, seed=1)
    verdict = judge(shop.window(4000, spoiled=2), shop.window(6000), LABELS, JudgingContext(min_rows=500))
    assert verdict.verdict in ("watch", "drift")
    assert "label_share of product:B2 down" in verdict.reason
    alarms = [(row.metric, row.segment) for row in verdict.metrics if row.verdict in ("watch", "drift")]
    assert alarms == [("label_share", "product:B2")]


def test_segments_use_their_own_part_of_the_alarms() -> None:
    """An adjusted p of a segment is Holm's over all segment tests divided by their share; the rest is for the whole."""
    shop = _Shop(100, seed=2)
    rows = judge(shop.window(3000), shop.window(5000), LABELS, JudgingContext(min_rows=500)).metrics
    for chosen, share in (
        ([row for row in rows if row.segment], SEGMENT_SHARE),
        ([row for row in rows if not row.segment and row.p_value is not None], 1 - SEGMENT_SHARE),
    ):
        least = min((row for row in chosen), key=lambda row: row.p_value or 0.0)
        assert least.p_value is not None
        assert least.adjusted_p == pytest.approx(min(1.0, least.p_value * len(chosen) / share))


@pytest.mark.parametrize(
    ("praise", "skew"), [((8, 2), 0.8), ((39, 1), 0.0)], ids=["praise of 80 %", "praise of 97 %, many of 100 rows"]
)
def test_a_quiet_shop_has_few_alarms_of_segments(praise: tuple[float, float], skew: float) -> None:
    """Where products keep their shares and lengths, at most 5 % of 60 windows with dozens of tests alarm.

    With Holm's method at a fifth of 5 %, 1 in 100 is to be expected.
    """
    shop = _Shop(12, seed=3, praise=praise, skew=skew)
    references = [shop.window(4000) for _ in range(15)]
    windows = [compare_segments(shop.window(1400), reference, LABELS) for reference in references * 4]
    assert np.mean(list(map(len, windows))) > 20
    assert np.mean([_is_alarm(window) for window in windows]) <= 0.05


def _is_alarm(window: list[Compared]) -> bool:
    tests = {number: each.test for number, each in enumerate(window) if each.test is not None}
    found = judged(tests, lambda number, _: practical_floor(window[number].row.metric), share=SEGMENT_SHARE)
    return highest(each.level for each in found.values()) in ("watch", "drift")


def test_single_segment_tests_hold_their_level() -> None:
    """Each test within a product is below 0.05 in about one of twenty quiet windows."""
    shop = _Shop(8, seed=4)
    windows = [compare_segments(shop.window(1500), shop.window(2500), LABELS) for _ in range(40)]
    found = [each for window in windows for each in window if each.row.segment.startswith("product:")]
    for metric in ("label_share", "words", "accuracy"):
        p_values = [each.test.p_value for each in found if each.test and each.row.metric == metric]
        assert len(p_values) > 150
        assert 0.005 < np.mean(np.array(p_values) < 0.05) < 0.08


def test_each_segment_has_three_tests_with_their_values() -> None:
    """Praise, words and accuracy are tested; value and n are those of the segment's own rows."""
    shop = _Shop(4, seed=5)
    current, reference = shop.window(1200), shop.window(1500)
    found = {each.row.metric: each.row for each in compare_segments(current, reference, LABELS)
             if each.row.segment == "product:B1"}  # fmt: skip
    own = current[current["segment_product"] == "B1"]
    assert {name: row.family for name, row in found.items()} == {
        "label_share": "predictions", "words": "inputs", "accuracy": "accuracy",
    }  # fmt: skip
    assert found["label_share"].value == pytest.approx((own["label"] == "positive").mean())
    assert found["words"].value == pytest.approx(own["words"].mean())
    assert found["accuracy"].value == pytest.approx((own["label"] == own["target"]).mean())
    assert {row.n for row in found.values()} == {len(own)}


@pytest.mark.parametrize(("labelled", "metrics"), [(100, {"accuracy", "label_share", "words"}),
                                                   (99, {"label_share", "words"})])  # fmt: skip
def test_accuracy_needs_a_hundred_labelled_rows(labelled: int, metrics: set[str]) -> None:
    """With fewer rows whose label is known, a segment has no test of accuracy."""
    current = _plain(300, segment_market="uk")
    current.loc[labelled:, "target"] = None
    found = compare_segments(current, _plain(400, segment_market="uk"), LABELS)
    assert {each.row.metric for each in found} == metrics


def test_a_share_of_one_is_no_proof_by_itself() -> None:
    """100 of 100 are positive where 970 of 1,000 were, which happens in one window of twenty: p is above 0.05."""
    current, reference = (
        _frame(np.arange(n) >= complaints, np.ones(n, dtype=bool), np.full(n, 30), names)
        for n, complaints, names in ((100, 0, ["B1"] * 100), (1000, 30, ["B1"] * 1000))
    )
    exact = _p_of_praise(current.assign(segment_product="B1"), reference.assign(segment_product="B1"))
    assert exact == pytest.approx(stats.fisher_exact([[100, 0], [970, 30]]).pvalue)
    assert exact > 0.05
    pairs = [f"B{number // 2}" for number in range(1000)]
    current, reference = (
        _frame(np.arange(n) >= complaints, np.ones(n, dtype=bool), np.full(n, 30), pairs[:n])
        for n, complaints in ((100, 0), (1000, 30))
    )
    assert _p_of_praise(current.assign(segment_market="uk"), reference.assign(segment_market="uk")) > 0.05


def _p_of_praise(current: pd.DataFrame, reference: pd.DataFrame) -> float:
    found = compare_segments(current, reference, LABELS)
    return next(each.test.p_value for each in found if each.test and each.row.metric == "label_share")


def test_a_product_whose_every_review_changes_is_seen() -> None:
    """From all positive to all negative neither side varies, and nothing could be plainer."""
    always, words = np.ones(200, dtype=bool), np.full(200, 30)
    current, reference = (
        _frame(is_positive, always, words, ["B1"] * 200).assign(segment_product="B1")
        for is_positive in (~always, always)
    )
    assert _p_of_praise(current, reference) < 1e-50


def test_reviews_within_another_key_are_clustered_by_product() -> None:
    """A market of one product proves nothing of markets, however many reviews it has."""
    is_bad = np.zeros(300, dtype=bool)
    always = np.ones(300, dtype=bool)
    current = _frame(is_bad, always, np.full(300, 30), ["B1"] * 300).assign(segment_market="uk", segment_product="B1")
    found = compare_segments(current, _plain(2000, segment_market="uk", segment_product="B1"), LABELS)
    p_values = {each.row.segment: each.test.p_value for each in found if each.test and each.row.metric == "label_share"}
    assert p_values["market:uk"] == 1.0
    assert p_values["product:B1"] < 1e-6


def test_values_are_named_as_json_has_them() -> None:
    """Numbers, truth values and texts of both sides meet, also where pandas made floats of whole numbers."""
    current = _plain(600, segment_tier=[1.0, 2.0, None] * 200, segment_gift=[True, False] * 300)
    reference = _plain(900, segment_tier=["1", "2", "3"] * 300, segment_gift=[False, True] * 450)
    found = compare_segments(current, reference, LABELS)
    assert _names(found) == ["tier:1", "tier:2", "gift:false", "gift:true"]


def test_rows_without_a_value_are_no_segment() -> None:
    """None, NaN, pandas' NA and an empty text are what a row without the key has."""
    missing = [None, float("nan"), pd.NA, pd.NaT, ""] * 100
    column = np.empty(500, dtype=object)
    column[:] = missing
    assert compare_segments(_plain(500, segment_tier=column), _plain(500, segment_tier=column), LABELS) == []
    assert compare_segments(_plain(500, segment_tier=np.nan), _plain(500, segment_tier=None), LABELS) == []


def test_a_products_id_cannot_break_the_reason() -> None:
    """Line breaks and escape characters of a client's words are replaced in the line, and kept in the row."""
    always, words, names = np.ones(600, dtype=bool), np.full(600, 30), ["mug\n\x1b[2Jseven"] * 600
    current, reference = (
        _frame(is_positive, always, words, names).assign(segment_product=names) for is_positive in (~always, always)
    )
    verdict = judge(current, reference, LABELS, JudgingContext(min_rows=500))
    assert verdict.reason.isprintable()
    assert "label_share of product:mug\ufffd\ufffd[2Jseven down" in verdict.reason
    assert "product:mug\n\x1b[2Jseven" in {row.segment for row in verdict.metrics}


def test_values_that_no_index_could_hold_are_no_segment() -> None:
    """A metadata value longer than a product id may be is left out; the others of its key are tested."""
    longest = "u" * MAX_VALUE_CHARACTERS
    frame = _plain(600, segment_market=[longest, longest + "k", "v" * 3900] * 200)
    assert _names(compare_segments(frame, frame, LABELS)) == [f"market:{longest}"]


def test_segments_that_are_small_or_on_one_side_only_are_left_out() -> None:
    """A value needs a hundred rows in the window and in the reference."""
    current = _plain(500, segment_market=["uk"] * 150 + ["fr"] * 150 + ["de"] * 99 + ["it"] * 101)
    reference = _plain(500, segment_market=["uk"] * 150 + ["de"] * 150 + ["es"] * 101 + ["it"] * 99)
    assert _names(compare_segments(current, reference, LABELS)) == ["market:uk"]


def test_the_largest_segments_of_each_key_are_tested() -> None:
    """Of 25 values those with the most rows in the window are, by number and then by name."""
    values = [f"m{number:02}" for number in range(25) for _ in range(100 + number // 2)]
    frame = _plain(len(values), segment_market=values)
    names = _names(compare_segments(frame, frame, LABELS))
    assert len(names) == MAX_SEGMENTS
    assert names[:3] == ["market:m24", "market:m22", "market:m23"]
    assert names[-1] == "market:m04"


def test_keys_that_one_side_lacks_are_no_segments() -> None:
    """A bundle's reference knows no products by name: nothing is compared, and empty windows are no error."""
    shop = _Shop(4, seed=6)
    current, reference = shop.window(1000), shop.window(1000)
    without = reference.drop(columns=["segment_product", "segment_channel"])
    assert compare_segments(current, without, LABELS) == []
    assert compare_segments(without, current, LABELS) == []
    assert compare_segments(current[:0], reference, LABELS) == []
    assert compare_segments(current[:0], reference[:0], LABELS) == []


def test_a_large_window_takes_less_than_two_seconds() -> None:
    """100,000 rows of 5,000 products on both sides, with embeddings, which no segment needs."""
    shop = _Shop(5000, seed=7)
    current, reference = (
        shop.window(100_000).assign(embedding=list(np.zeros((100_000, 64), dtype=np.float32))) for _ in range(2)
    )
    start = time.process_time()
    found = compare_segments(current, reference, LABELS)
    assert time.process_time() - start < 2.0
    assert len(_names(found)) == MAX_SEGMENTS + len(CHANNELS)
