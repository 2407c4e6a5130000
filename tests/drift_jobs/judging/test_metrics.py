"""The table of metrics: each row of a run has its line, and what the lines say is used."""

import numpy as np
import pandas as pd
import pytest

from drift_jobs.judging.columns import paired_columns
from drift_jobs.judging.comparisons import compare, differences
from drift_jobs.judging.estimates import estimate
from drift_jobs.judging.frames import DESCRIPTORS, LabelSet, sample_frame
from drift_jobs.judging.metrics import TESTED, find_metric, metric_words
from drift_jobs.reporting.wording import shown_effect, shown_value


def _frame(labels: LabelSet, seed: int, n: int = 240) -> pd.DataFrame:
    """Return rows with embeddings and labels, of which some are wrong."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(n, len(labels.names)))
    odds = np.exp(logits)
    names = np.array(labels.names)
    return sample_frame(
        labels,
        logits=logits,
        probabilities=odds / odds.sum(axis=1, keepdims=True),
        label=names[logits.argmax(axis=1)],
        target=names[(logits + random.normal(size=logits.shape)).argmax(axis=1)],
        product=[f"p{row % 60}" for row in range(n)],
        embedding=list(random.normal(size=(n, 3))),
        descriptors={name: random.random(n) for name in DESCRIPTORS},
    )


@pytest.fixture(params=[("negative", "positive"), ("negative", "neutral", "positive")], ids=["two", "three"])
def several(request: pytest.FixtureRequest) -> LabelSet:
    """Two labels, and three."""
    return LabelSet(request.param, "positive")


def test_each_row_of_a_run_has_a_line_in_the_table(several: LabelSet) -> None:
    """Family and name agree, and no metric is tested whose line does not say how."""
    current, reference = _frame(several, 1), _frame(several, 2)
    found = compare(current, reference, several)
    rows = [each.row for each in found] + estimate(current, reference, several)
    lines = {row.metric: find_metric(row.metric) for row in rows}
    assert {name for name, line in lines.items() if line is None} == set()
    assert {row.metric: row.family for row in rows} == {name: line.family for name, line in lines.items() if line}
    tested = {each.row.metric for each in found if each.test is not None}
    assert tested == {metric.name for metric in TESTED} - ({"logits"} if len(several.names) == 2 else {"logit"})


def test_a_metric_is_tested_only_with_enough_rows(several: LabelSet) -> None:
    """With 99 rows on one side neither accuracy nor the embedding is; the distributions are."""
    sides = paired_columns(_frame(several, 1, 99), _frame(several, 2), several)
    assert {metric.name for metric in TESTED if metric.fewest_rows > 2} == {"accuracy", "embedding"}
    assert not {"accuracy", "embedding"} & set(differences(*sides))
    assert {"words", "score", "label_share"} <= set(differences(*sides))


@pytest.mark.parametrize(
    ("name", "words", "value", "effect"),
    [
        ("words", "words", "0.250", "10.0 points"),
        ("truncated", "share of texts cut short", "25.0 %", "10.0 points"),
        ("embedding", "embedding (domain classifier)", "0.250", "AUC 0.600"),
        ("logits", "all logits together", "0.250", "0.10 standard deviations"),
        ("logit_neutral", "logit of neutral", "0.250", "10.0 points"),
        ("share_em_positive", "share of positive (EM)", "25.0 %", "10.0 points"),
        ("estimated_accuracy", "estimated accuracy", "25.0 %", "10.0 points"),
        ("calibration_error", "calibration error", "0.250", "0.1"),
        ("golden", "largest change of a probability", "0.250", "0.1"),
        ("of_an_older_release", "of an older release", "0.250", "0.1"),
    ],
)
def test_words_and_units_come_from_the_table(name: str, words: str, value: str, effect: str) -> None:
    """A value of 0.25 and an effect of 0.1 are shown as the metric's line says; an unknown metric as plain numbers."""
    assert (metric_words(name), shown_value(name, 0.25), shown_effect(name, 0.1)) == (words, value, effect)
