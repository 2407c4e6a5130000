"""What the page says beside the tests: causes, estimates, golden texts, false alarms."""

import uuid

import pytest
from msgspec.structs import replace

from drift_jobs.reporting.summary import report_page
from drift_jobs.runs import BackTest, Causes, Change, Coverage, Details, Level, MetricRow, MixChange
from tests.protocols import MakeRun, RowsOf, TextOf

GOLDEN = MetricRow(
    metric="golden", family="model", value=0.002, reference_value=0.0, effect=0.002, threshold=0.03, verdict="none",
    n=24,
)  # fmt: skip
NOVEL = uuid.UUID("0199f0c2-7c1e-7b52-9d3f-0d6a3f1c2b4e")


def test_causes_are_told(make_run: MakeRun, text_of: TextOf, rows_of: RowsOf) -> None:
    """Descriptors in their order, the split in points, segments with their p, and predictions by id."""
    words = Change(metric="words", effect=0.31, value=61.0, reference_value=40.2)
    product = Change(
        metric="label_share", segment="product:B0042", effect=0.14, value=0.36, reference_value=0.5, adjusted_p=0.003
    )
    mix = MixChange(change=-0.061, mix=-0.041, within=-0.0195, unmatched=-0.0005, matched_share=0.93)
    causes = Causes(descriptors=(words,), mix=mix, segments=(product,), novel=(NOVEL,))
    page = report_page(make_run(details=Details(causes=causes)), None)
    assert rows_of(page, "Descriptors, by how much they changed") == ["words | 61 | 40.2 | 31.0 points"]
    assert "changed by -6.1 points: -4.1 the mix of products, -1.9 within products" in text_of(page)
    assert "93.0 % of this window's rows are of products that the reference has too." in text_of(page)
    assert rows_of(page, "Segments that changed (at most 1 in 20 of them by chance)") == [
        "share of the positive label of product:B0042 | 36.0 % | 50.0 % | 14.0 points | 0.0030"
    ]
    assert f"<code>{NOVEL}</code>" in page


def test_estimates_stand_with_intervals_and_their_record(make_run: MakeRun, rows_of: RowsOf) -> None:
    """The estimate, the label shares by both methods, and what labels showed beside what was estimated."""
    rows = (
        _estimate("estimated_accuracy", 0.87), _estimate("share_em_positive", 0.5),
        _estimate("share_bbse_positive", 0.5), _estimate("checked_accuracy", 0.84),
    )  # fmt: skip
    page = report_page(make_run(*rows), None)
    assert rows_of(page, "Without labels") == [
        "estimated accuracy | 87.0 % (85.0 % to 89.0 %) | 88.0 % | 900",
        "share of positive (EM) share_em_positive | 50.0 % (48.0 % to 52.0 %) | 88.0 % | 900",
        "share of positive (BBSE) share_bbse_positive | 50.0 % (48.0 % to 52.0 %) | 88.0 % | 900",
    ]
    assert rows_of(page, "The estimate beside the labels that came") == [
        "accuracy of labelled rows checked_accuracy | 84.0 % (82.0 % to 86.0 %) | 88.0 % | 900"
    ]


def test_a_withdrawn_estimate_is_called_that(make_run: MakeRun, text_of: TextOf, rows_of: RowsOf) -> None:
    """The word stands beside the estimate, and the reason below."""
    row = replace(_estimate("estimated_accuracy", 0.87), note="withdrawn: 3.1 points too high over 10 windows")
    page = report_page(make_run(row), None)
    assert rows_of(page, "Without labels")[0].startswith("estimated accuracy withdrawn |")
    assert "estimated accuracy: withdrawn: 3.1 points too high over 10 windows" in text_of(page)


def test_label_coverage_is_told_by_age(make_run: MakeRun, rows_of: RowsOf) -> None:
    """How many predictions have a label, by the days since; an age without predictions divides by nothing."""
    coverage = (Coverage(days=0, rows=200, labelled=10), Coverage(days=3, rows=0, labelled=0))
    page = report_page(make_run(details=Details(coverage=coverage)), None)
    assert rows_of(page, "Labels by age of the prediction") == ["0 | 200 | 10 | 5.0 %", "3 | 0 | 0 |"]


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("none", "They did not move: what changed, if anything, is in what was reviewed."),
        ("drift", "They moved: it is"),
    ],
)
def test_golden_texts_tell_model_from_data(make_run: MakeRun, text_of: TextOf, verdict: Level, said: str) -> None:
    """When they moved it is the model or its runtime; when not, the data."""
    assert said in text_of(report_page(make_run(replace(GOLDEN, verdict=verdict)), None))


def test_golden_texts_that_were_not_asked_say_why(make_run: MakeRun, text_of: TextOf) -> None:
    """A service that is away is no proof of anything."""
    text = text_of(report_page(make_run(MetricRow(metric="golden", family="model", n=0, note="found no answer")), None))
    assert "largest change of a probability: found no answer" in text
    assert "They " not in text


def test_false_alarms_are_told_with_their_bounds(make_run: MakeRun, text_of: TextOf) -> None:
    """The back-tested rates, their bounds, and what they make in a year."""
    back_test = BackTest(
        size=1000, windows=400, watch_rate=0.03, watch_upper=0.048, drift_rate=0.005, drift_upper=0.0157,
        alarms_a_year=1.825,
    )  # fmt: skip
    text = text_of(report_page(make_run(details=Details(back_test=back_test)), None))
    assert "1.8 drift alarms a year from nights in which nothing is wrong." in text
    assert "Of 400 quiet windows of 1,000 rows, 3.0 % were called watch or drift (at most 4.8 %) and 0.5 %" in text


def test_a_run_without_a_back_test_says_so(make_run: MakeRun, text_of: TextOf) -> None:
    """Nobody may think that the floors were tried."""
    assert "Not back-tested" in text_of(report_page(make_run(), None))


def _estimate(metric: str, value: float) -> MetricRow:
    return MetricRow(
        metric=metric, family="estimates", value=value, lower=value - 0.02, upper=value + 0.02, reference_value=0.88,
        n=900,
    )  # fmt: skip
