"""The top of a report."""

import datetime as dt

import pytest
from uuid_utils.compat import uuid7

from drift_jobs.reporting.summary import report_page
from drift_jobs.runs import DriftRun, MetricRow

START = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)


@pytest.fixture
def run() -> DriftRun:
    """A run in watch with one tested and one described metric, and a model whose name is markup."""
    tested = MetricRow(
        metric="logit", family="predictions", value=1.25, reference_value=0.5, effect=0.2, p_value=1e-9,
        adjusted_p=2e-9, floor=0.1, threshold=0.05, direction="up", verdict="watch", n=1200,
    )  # fmt: skip
    described = MetricRow(metric="f1", family="accuracy", value=0.875, n=40)
    return DriftRun(
        verdict="watch", reason="1 of 1 metrics changed: logit up", n_current=1200, n_reference=8000,
        metrics=(tested, described), run_id=uuid7(), revision=1, window_start=START,
        window_end=START + dt.timedelta(days=1), reference="bundle", model_name="<script>alert(1)</script>",
        model_version="0123456789ab", started_at=START, finished_at=START,
    )  # fmt: skip


def test_the_page_says_what_was_found(run: DriftRun) -> None:
    """Verdict, reason, window, rows and each metric with its numbers are on the page."""
    page = report_page(run, None)
    for part in (
        'level watch">watch<',
        "1 of 1 metrics changed: logit up",
        "2026-11-21 00:00 to 2026-11-22 00:00 UTC, 1,200 rows",
        "bundle, 8,000 rows",
        "<td>logit</td><td>1.25</td><td>0.5</td><td>0.2</td><td>0.1</td><td>&lt; 0.0001</td><td>0.05</td><td>up</td>",
        "<td>f1</td><td>0.875</td><td></td><td></td><td></td><td></td><td></td><td></td><td>40</td><td>described</td>",
    ):
        assert part in page


def test_what_others_named_is_escaped(run: DriftRun) -> None:
    """A model's name cannot bring markup into the page."""
    page = report_page(run, None)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_verdict_stands_above_the_description(run: DriftRun) -> None:
    """The block is the first thing in the body, and the rest of the page is kept; what is missing is named."""
    page = report_page(run, "<html><head></head><body><div>widgets</div></body></html>", ("quality",))
    assert page.index("<h1>") < page.index("<div>widgets</div></body></html>")
    assert "<dt>not described</dt><dd>quality</dd>" in page
