"""What the page says of the tests: what changed, and what could not have been seen."""

from msgspec.structs import replace

from drift_jobs.reporting.summary import report_page
from drift_jobs.runs import Details, MetricRow
from tests.protocols import MakeRun, RowsOf, TextOf

SHARE = MetricRow(
    metric="label_share", family="predictions", value=0.612, reference_value=0.5, effect=0.112, p_value=0.0004,
    adjusted_p=0.004, floor=0.03, threshold=0.05, detectable=0.0412, direction="up", verdict="drift", n=1200,
)  # fmt: skip
QUIET = replace(SHARE, value=0.504, effect=0.004, adjusted_p=0.9, verdict="none")
GOLDEN = MetricRow(
    metric="golden", family="model", value=0.002, reference_value=0.0, effect=0.002, threshold=0.03, verdict="none",
    n=24,
)  # fmt: skip


def test_the_gravest_change_comes_first(make_run: MakeRun, rows_of: RowsOf) -> None:
    """Drift before watch, each with value, reference, direction, effect, floor, p and level in its own unit."""
    logit = make_run().metrics[0]
    rows = rows_of(report_page(make_run(logit, SHARE, QUIET), None), "Metrics that changed")
    assert rows == [
        "share of the positive label label_share | 61.2 % | 50.0 % | ▲ up | 11.2 points | 3.0 points | 0.0040 | drift",
        "log-odds of the positive label logit | 1.25 | 0.500 | ▲ up | 20.0 points | 10.0 points | < 0.0001 | watch",
    ]


def test_a_segment_is_named(make_run: MakeRun, rows_of: RowsOf) -> None:
    """A change of one product is told as that product's."""
    page = report_page(make_run(replace(SHARE, segment="product:B0042")), None)
    assert rows_of(page, "Metrics that changed")[0].startswith(
        "share of the positive label label_share of product:B0042"
    )


def test_a_quiet_window_tells_what_it_could_not_show(make_run: MakeRun, text_of: TextOf, rows_of: RowsOf) -> None:
    """Each test says, in its own unit, the change that 8 of 10 windows would have shown."""
    embedding = MetricRow(
        metric="embedding", family="inputs", value=0.51, reference_value=0.5, effect=0.01, p_value=0.3, adjusted_p=1.0,
        floor=0.03, threshold=0.05, detectable=0.047, verdict="none", n=1100,
    )  # fmt: skip
    blind = replace(embedding, metric="words", detectable=None)
    page = report_page(make_run(QUIET, embedding, blind, verdict="none"), None)
    assert "No metric changed by its floor or more." in text_of(page)
    assert rows_of(page, "Smallest changes that would have been seen") == [
        "share of the positive label label_share | 4.1 points or more | 3.0 points | 1,200",
        "embedding (domain classifier) embedding | AUC 0.547 or more | AUC 0.530 | 1,100",
        "words | none of any size | 3.0 points | 1,100",
    ]


def test_metrics_that_are_not_judged_say_why(make_run: MakeRun, text_of: TextOf) -> None:
    """A note, no rows, or a figure that is only described: each metric without a test is named."""
    few = MetricRow(metric="embedding", family="inputs", n=40, note="found 40 and 900 rows, needed 100")
    described = MetricRow(metric="f1", family="accuracy", value=0.9, n=200)
    empty = MetricRow(metric="brier", family="accuracy", n=0)
    text = text_of(report_page(make_run(QUIET, few, described, empty), None))
    assert "embedding (domain classifier) embedding: found 40 and 900 rows, needed 100" in text
    assert "Brier score brier: no rows" in text
    assert "Described without a test: F1." in text


def test_a_window_that_was_not_judged_claims_nothing(make_run: MakeRun, text_of: TextOf) -> None:
    """Neither that nothing changed, nor that anything could have been seen."""
    row = replace(QUIET, verdict="not_judged", detectable=None)
    text = text_of(report_page(make_run(row, verdict="not_judged", reason="found 300 rows, needed 500"), None))
    assert "Nothing was judged: what changed, if anything, is not known." in text
    assert "No change of any size could have been seen: nothing was judged." in text
    assert "No metric changed" not in text


def test_a_difference_from_training_data_is_no_alarm(make_run: MakeRun, text_of: TextOf, rows_of: RowsOf) -> None:
    """It is listed as a difference, without the words and colours of the levels."""
    run = make_run(SHARE, verdict="none", details=Details(alarming=False), reference="auto:bundle")
    page = report_page(run, None)
    assert "What differs from it is told here and is no alarm." in text_of(page)
    assert rows_of(page, "Metrics that changed")[0].endswith("| differs")
    assert 'class="level drift"' not in page


def test_moved_golden_texts_do_not_hide_that_the_data_were_not_judged(
    make_run: MakeRun, text_of: TextOf, rows_of: RowsOf
) -> None:
    """The run is in drift by the golden texts; of the data nothing could have been seen."""
    moved = replace(GOLDEN, value=0.2, effect=0.2, verdict="drift")
    page = report_page(make_run(moved, replace(QUIET, verdict="not_judged", detectable=None), verdict="drift"), None)
    assert len(rows_of(page, "Metrics that changed")) == 1
    assert "No change of any size could have been seen" in text_of(page)
