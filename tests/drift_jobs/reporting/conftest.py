"""Runs to show."""

import datetime as dt
import re
from html import unescape
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from drift_jobs.runs import DriftRun, MetricRow
from tests.protocols import MakeRun, RowsOf, TextOf

START = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)


@pytest.fixture
def make_run() -> MakeRun:
    """Makes a run in watch on 21 November 2026 plus `day`, with a tested and a described metric unless others come."""

    def make(*metrics: MetricRow, day: int = 0, **values: Any) -> DriftRun:
        start = START + dt.timedelta(days=day)
        given: dict[str, Any] = {
            "verdict": "watch", "reason": "1 of 1 tests found a change: logit up", "n_current": 1200,
            "n_reference": 8000, "metrics": metrics or (LOGIT, F1), "run_id": uuid7(), "revision": 1,
            "window_start": start, "window_end": start + dt.timedelta(days=1), "reference": "bundle",
            "model_name": "starter", "model_version": "0123456789ab", "started_at": START, "finished_at": START,
        }  # fmt: skip
        return DriftRun(**given | values)

    return make


@pytest.fixture
def text_of() -> TextOf:
    """Returns what a reader of some HTML sees, in one line."""
    return _text


@pytest.fixture
def rows_of() -> RowsOf:
    """Returns the rows of a page's table with a caption, their cells apart by bars."""

    def read(page: str, caption: str) -> list[str]:
        after = page.split(f"<h3>{caption}</h3>")[1]
        body = after.partition("<tbody>")[2].partition("</tbody>")[0]
        rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in body.split("</tr>")[:-1]]
        return [" | ".join(map(_text, cells)).rstrip() for cells in rows]

    return read


def _text(html: str) -> str:
    seen = re.sub(r"<(style|title)>.*?</\1>", "", html, flags=re.DOTALL)
    without_inline = re.sub(r"</?(span|strong|code)\b[^>]*>", "", seen)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", without_inline)).split())


LOGIT = MetricRow(
    metric="logit", family="predictions", value=1.25, reference_value=0.5, effect=0.2, p_value=1e-9, adjusted_p=2e-9,
    floor=0.1, threshold=0.05, detectable=0.123, direction="up", verdict="watch", n=1200,
)  # fmt: skip
F1 = MetricRow(metric="f1", family="accuracy", value=0.875, n=40)
