"""The verdict on made-up windows: quiet, shifted, too small and degenerate ones."""

import math

import msgspec
import numpy as np
import pandas as pd
import pytest

from drift_jobs.judging.frames import DESCRIPTORS, LabelSet, sample_frame
from drift_jobs.judging.verdict import JudgingContext, judge
from drift_jobs.runs import MetricRow, RunVerdict
from tests.protocols import MakeFrame, MakeRecords


def _metric(verdict: RunVerdict, name: str) -> MetricRow:
    return next(row for row in verdict.metrics if row.metric == name)


def test_quiet_windows_are_not_drift(make_records: MakeRecords, make_frame: MakeFrame, labels: LabelSet) -> None:
    """Ten windows from the reference's own source are all judged, and none is in watch or drift."""
    reference = make_frame(make_records(1500, seed=1))
    windows = [make_frame(make_records(600, seed=seed)) for seed in range(100, 110)]
    assert {judge(window, reference, labels, JudgingContext(min_rows=500)).verdict for window in windows} == {"none"}


def test_a_better_mood_is_drift_upwards(make_records: MakeRecords, make_frame: MakeFrame, labels: LabelSet) -> None:
    """When reviews become more positive, logit and label share drift up and the inputs do not."""
    reference, window = make_frame(make_records(1500, seed=1)), make_frame(make_records(1000, seed=2, mood=1.0))
    verdict = judge(window, reference, labels, JudgingContext(min_rows=500))
    assert verdict.verdict == "drift"
    assert [(row.verdict, row.direction) for row in map(_metric, [verdict] * 2, ("logit", "label_share"))] == [
        ("drift", "up"),
        ("drift", "up"),
    ]
    assert _metric(verdict, "words").verdict == "none"
    assert _metric(verdict, "embedding").verdict == "drift"
    assert "logit up" in verdict.reason


def test_longer_reviews_are_drift_of_inputs(make_records: MakeRecords, make_frame: MakeFrame, labels: LabelSet) -> None:
    """When reviews become longer, the lengths drift up and the predictions do not."""
    reference, window = make_frame(make_records(1500, seed=1)), make_frame(make_records(1000, seed=2, wordiness=1.2))
    verdict = judge(window, reference, labels, JudgingContext(min_rows=500))
    drifted = {row.metric for row in verdict.metrics if row.verdict == "drift"}
    assert drifted == {"characters", "words", "tokens", "truncated"}


def test_worse_answers_are_drift_of_accuracy(
    make_records: MakeRecords, make_frame: MakeFrame, labels: LabelSet
) -> None:
    """When ratings no longer follow the text, accuracy drifts down though nothing else changed."""
    reference, window = make_frame(make_records(1500, seed=1)), make_frame(make_records(1000, seed=2))
    window["target"] = window["target"].sample(frac=1, random_state=0).to_numpy()
    verdict = judge(window, reference, labels, JudgingContext(min_rows=500))
    accuracy = _metric(verdict, "accuracy")
    assert (accuracy.verdict, accuracy.direction, accuracy.n) == ("drift", "down", 1000)
    assert {row.metric for row in verdict.metrics if row.verdict == "drift"} == {"accuracy"}


def test_no_change_is_asked_for_that_cannot_be(
    make_records: MakeRecords, make_frame: MakeFrame, labels: LabelSet
) -> None:
    """Three products, each of other words, tell little: no change can be seen, rather than one of 800 points."""
    reference, window = make_frame(make_records(1500, seed=1)), make_frame(make_records(600, seed=2))
    window["cluster"] = np.repeat([0, 1, 2], 200)
    window["words"] = np.repeat([20.0, 40.0, 60.0], 200)
    verdict = judge(window, reference, labels, JudgingContext(min_rows=500))
    assert (_metric(verdict, "words").verdict, _metric(verdict, "words").detectable) == ("none", None)
    assert (_metric(verdict, "logit").detectable or 1) < 1


def test_small_effects_are_not_drift_however_sure(
    labels: LabelSet, make_records: MakeRecords, make_frame: MakeFrame
) -> None:
    """In a large window a change that is certain but below its floor is no drift."""
    reference = make_frame(make_records(20_000, seed=1)).drop(columns="embedding").assign(embedding=None)
    window = make_frame(make_records(20_000, seed=2, mood=0.15)).drop(columns="embedding").assign(embedding=None)
    logit = _metric(judge(window, reference, labels, JudgingContext(min_rows=500)), "logit")
    assert logit.adjusted_p is not None
    assert logit.adjusted_p < 1e-3
    assert logit.verdict == "none"


def test_too_few_rows_are_described_but_not_judged(
    make_records: MakeRecords, make_frame: MakeFrame, labels: LabelSet
) -> None:
    """A small window, however odd, has values and no verdict, and the reason says how many rows are needed."""
    reference, window = make_frame(make_records(1500, seed=1)), make_frame(make_records(120, seed=2, mood=3.0))
    verdict = judge(window, reference, labels, JudgingContext(min_rows=500))
    assert verdict.verdict == "not_judged"
    assert "found 120 rows in the window, needed 500" in verdict.reason
    assert {row.verdict for row in verdict.metrics} == {"not_judged"}
    assert _metric(verdict, "logit").value == pytest.approx(3.0, abs=0.5)
    assert judge(window, reference, labels, JudgingContext(min_rows=100)).verdict == "drift"


def test_without_feedback_accuracy_is_not_judged(
    make_records: MakeRecords, make_frame: MakeFrame, labels: LabelSet
) -> None:
    """A window without feedback keeps the reference's accuracy and has none of its own."""
    reference, window = make_frame(make_records(1500, seed=1)), make_frame(make_records(600, seed=2))
    accuracy = _metric(judge(window.assign(target=None), reference, labels, JudgingContext(min_rows=500)), "accuracy")
    assert (accuracy.value, accuracy.p_value, accuracy.n, accuracy.verdict) == (None, None, 0, "not_judged")
    assert accuracy.reference_value is not None


@pytest.mark.parametrize("n", [0, 1, 2])
def test_tiny_windows_never_fail(n: int, make_records: MakeRecords, make_frame: MakeFrame, labels: LabelSet) -> None:
    """Windows of none, one or two rows are not judged, in either place."""
    tiny, reference = make_frame(make_records(n, seed=1)), make_frame(make_records(600, seed=2))
    assert judge(tiny, reference, labels, JudgingContext(min_rows=500)).verdict == "not_judged"
    assert judge(reference, tiny, labels, JudgingContext(min_rows=500)).verdict == "not_judged"


def test_constant_columns_and_one_label_never_fail(
    make_records: MakeRecords, make_frame: MakeFrame, labels: LabelSet
) -> None:
    """A window that repeats one review, without embeddings, is judged and no number is NaN or infinite."""
    window = make_frame(make_records(1, seed=4) * 600).assign(embedding=None, upper_share=np.nan, digit_share=np.inf)
    verdict = judge(window, window, labels, JudgingContext(min_rows=500))
    assert verdict.verdict == "none"
    numbers = [value for row in verdict.metrics for value in msgspec.structs.astuple(row) if isinstance(value, float)]
    assert all(map(math.isfinite, numbers))
    assert _metric(verdict, "upper_share").n == 0
    assert _metric(verdict, "roc_auc").value is None


def test_the_same_frames_give_the_same_verdict(
    make_records: MakeRecords, make_frame: MakeFrame, labels: LabelSet
) -> None:
    """Judging is repeatable to the last digit, whatever numpy's global state."""
    reference, window = make_frame(make_records(1500, seed=1)), make_frame(make_records(600, seed=2))
    assert judge(window, reference, labels, JudgingContext(min_rows=500)) == judge(
        window, reference, labels, JudgingContext(min_rows=500)
    )


def test_three_labels_have_a_logit_each() -> None:
    """With three labels each logit is described and all are tested together; the share of any label counts."""
    labels = LabelSet(("negative", "neutral", "positive"), "positive")
    reference, window = _three_way(1500, 0.0, labels), _three_way(1000, 1.5, labels)
    verdict = judge(window, reference, labels, JudgingContext(min_rows=500))
    neutral, logits = _metric(verdict, "logit_neutral"), _metric(verdict, "logits")
    assert (neutral.direction, neutral.p_value, neutral.verdict) == ("up", None, "not_judged")
    assert logits.effect == pytest.approx(1.5, abs=0.2)
    assert logits.verdict == "drift"
    share = _metric(verdict, "label_share")
    assert (share.verdict, share.direction) == ("drift", "down")
    assert _metric(verdict, "roc_auc").value is not None


def _three_way(n: int, neutral: float, labels: LabelSet) -> pd.DataFrame:
    random = np.random.default_rng(n)
    logits = random.normal([0.0, neutral, 0.0], size=(n, 3))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    names = np.array(labels.names)
    return sample_frame(
        labels,
        logits=logits,
        probabilities=probabilities,
        label=names[logits.argmax(axis=1)],
        target=names[random.integers(0, 3, n)],
        product=[None] * n,
        embedding=[None] * n,
        descriptors={name: [1.0] * n for name in DESCRIPTORS},
    )
