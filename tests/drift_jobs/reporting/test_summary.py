"""The page of a run: its head, and that nothing comes in that is not text."""

import datetime as dt
from typing import Any

import pytest
from msgspec.structs import replace

from drift_jobs.reporting.summary import report_page
from drift_jobs.runs import Causes, Change, Details, MetricRow
from tests.protocols import MakeRun, TextOf

SHARE = MetricRow(
    metric="label_share", family="predictions", value=0.612, reference_value=0.5, effect=0.112, p_value=0.0004,
    adjusted_p=0.004, floor=0.03, threshold=0.05, detectable=0.0412, direction="up", verdict="drift", n=1200,
)  # fmt: skip


def test_the_page_says_what_was_found(make_run: MakeRun, text_of: TextOf) -> None:
    """Verdict, reason, window, rows, reference and model stand on top."""
    text = text_of(report_page(make_run(), None))
    for part in (
        "watch 1 of 1 tests found a change: logit up window Sat 2026-11-21 00:00 to Sun 2026-11-22 00:00 UTC, 1 day",
        "rows 1,200 rows reference bundle, 8,000 rows model starter 0123456789ab",
    ):
        assert part in text


def test_a_sample_is_told(make_run: MakeRun, text_of: TextOf) -> None:
    """How many rows were judged of how many, and how they were chosen."""
    run = make_run(n_current=100_000, details=Details(rows_in_window=1_200_000))
    assert "judged on 100,000 of 1,200,000 rows, chosen by a hash of their id" in text_of(report_page(run, None))


@pytest.mark.parametrize(
    ("start", "end", "said", "length"),
    [
        ("2026-10-24T22:00Z", "2026-10-25T23:00Z", "Sun 2026-10-25 00:00 to Mon 2026-10-26 00:00", "1 day of 25 hours"),
        ("2026-11-20T23:00Z", "2026-11-23T23:00Z", "Sat 2026-11-21 00:00 to Tue 2026-11-24 00:00", "3 days"),
        ("2026-11-20T05:00Z", "2026-11-20T11:00Z", "Fri 2026-11-20 06:00 to Fri 2026-11-20 12:00", "6 hours"),
        ("2026-11-20T05:00Z", "2026-11-20T05:30Z", "Fri 2026-11-20 06:00 to Fri 2026-11-20 06:30", "30 minutes"),
        ("2026-11-20T05:00:01Z", "2026-11-20T05:00:43Z", "Fri 2026-11-20 06:00:01 to Fri 2026-11-20 06:00:43", "42 s"),
    ],
)  # fmt: skip
def test_the_window_is_told_in_the_shops_time(
    make_run: MakeRun, text_of: TextOf, start: str, end: str, said: str, length: str
) -> None:
    """Its days are the shop's, also when the clocks change; UTC stands beside them."""
    moments: dict[str, Any] = {
        "window_start": dt.datetime.fromisoformat(start),
        "window_end": dt.datetime.fromisoformat(end),
    }
    text = text_of(report_page(make_run(details=Details(timezone="Europe/Berlin"), **moments), None))
    assert f"{said} Europe/Berlin, {length} ({moments['window_start']:%Y-%m-%d %H:%M} UTC to " in text


def test_what_others_named_is_escaped(make_run: MakeRun) -> None:
    """Neither a model's name nor a product's can bring markup into the page."""
    hostile = "<script>alert(1)</script>"
    causes = Causes(
        segments=(Change(metric="words", segment=f"product:{hostile}", effect=0.1, value=1, reference_value=2),)
    )
    run = make_run(
        replace(SHARE, segment=f"product:{hostile}", note=hostile), model_name=hostile, reason=hostile,
        details=Details(causes=causes),
    )  # fmt: skip
    page = report_page(run, None, (hostile,), [make_run(day=-1, model_name=hostile)])
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 5


def test_what_others_named_is_printable(make_run: MakeRun) -> None:
    """A segment has no characters on the page that would turn or break its line, neither as a metric nor as a cause."""
    hostile = "product:\u202egnp.\x1b[2J"
    causes = Causes(segments=(Change(metric="words", segment=hostile, effect=0.1, value=1, reference_value=2),))
    page = report_page(make_run(replace(SHARE, segment=hostile), details=Details(causes=causes)), None)
    assert page.count("product:\ufffdgnp.\ufffd[2J") >= 2
    assert "\u202e" not in page
    assert "\x1b" not in page


def test_the_summary_stands_above_the_description(make_run: MakeRun, text_of: TextOf) -> None:
    """It is the first thing in the body, and the rest of the page is kept; what is missing or drawn is told."""
    run = make_run(n_current=100_000, n_reference=8000)
    page = report_page(run, "<html><head></head><body><div>widgets</div></body></html>", ("quality",))
    assert page.index("<body><style>") < page.index("<h1>") < page.index("<div>widgets</div></body></html>")
    assert "Drawn at random: 10,000 of 100,000 rows of the window. Not described: quality." in text_of(page)


def test_a_description_that_failed_is_told(make_run: MakeRun, text_of: TextOf) -> None:
    """The page has the summary alone and says that Evidently's part is missing, and why; without a failure nothing."""
    page = report_page(make_run(), None, failure="ArithmeticError")
    assert "Evidently's part is missing: it failed with ArithmeticError." in text_of(page)
    assert "1 of 1 tests found a change: logit up" in text_of(page)
    assert "Evidently" not in text_of(report_page(make_run(), None))


def test_only_what_was_drawn_is_told(make_run: MakeRun, text_of: TextOf) -> None:
    """Where Evidently saw all rows, nothing is said of a draw."""
    text = text_of(report_page(make_run(), "<html><head></head><body></body></html>"))
    assert "Described by Evidently, which judges nothing here." in text
    assert "Drawn at random" not in text
