"""The page in a real browser, under the policy it is served with: one verdict, and nothing from outside."""

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, expect

from drift_jobs.judging.frames import LabelSet
from drift_jobs.judging.verdict import JudgingContext, judge
from drift_jobs.reporting.evidently_report import describe
from drift_jobs.reporting.summary import report_page
from drift_jobs.runs import RunVerdict
from tests.protocols import MakeFrame, MakePage, MakeRecords, MakeRun

PATIENCE_MS = 60_000
ADDRESS = "http://report.test/"
POLICY = (
    "sandbox allow-scripts; default-src 'none'; base-uri 'none'; form-action 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; font-src data:; img-src data: blob:"
)
OTHER_VERDICTS = re.compile(
    r"detected|dataset drift|data drift|drift score|drift in column|stattest|\bsuccess|\bfail|\bpassed\b|\bwarning\b",
    re.IGNORECASE,
)


@pytest.fixture
def make_page(make_records: MakeRecords, make_frame: MakeFrame, make_run: MakeRun, labels: LabelSet) -> MakePage:
    """Makes the page of a judged window whose reviews differ as `changes` says, with Evidently's part where asked."""

    def make(*, described: bool = False, **changes: float) -> str:
        current, reference = make_frame(make_records(900, seed=1, **changes)), make_frame(make_records(1500, seed=2))
        found = judge(current, reference, labels, JudgingContext(min_rows=500))
        run = make_run(*found.metrics, **{name: getattr(found, name) for name in _TOLD})
        description = describe(current, reference, labels) if described else None
        return report_page(run, description.html if description else None, history=[make_run(day=-1)])

    return make


_TOLD = tuple(name for name in RunVerdict.__struct_fields__ if name != "metrics")


@pytest.mark.parametrize(
    ("changes", "verdict"), [({}, "no drift"), ({"mood": 1.5, "wordiness": 1.5}, "drift")], ids=["quiet", "drifted"]
)
def test_the_page_has_one_verdict(
    make_page: MakePage, browser: Browser, changes: dict[str, float], verdict: str
) -> None:
    """Quiet or drifted: ours stands on top, Evidently's part has none, and the page asks for nothing."""
    found = _Visit(browser, make_page(described=True, **changes))
    # The last widget: when it is there, all are.
    expect(found.page.get_by_text("Confusion Matrix")).to_be_visible(timeout=PATIENCE_MS)
    expect(found.page.get_by_text("digit_share", exact=True).last).to_be_visible(timeout=PATIENCE_MS)
    assert found.page.get_by_role("heading", level=1).all_inner_texts() == [verdict]
    text = found.page.inner_text("body")
    assert OTHER_VERDICTS.findall(text) == []
    _, columns, described = text.partition("The columns")
    assert columns
    assert "drift" not in described.lower()
    assert (found.asked, found.complaints) == ([ADDRESS], [])


def test_a_phone_scrolls_tables_and_not_the_page(make_page: MakePage, browser: Browser) -> None:
    """At 380 pixels our part is as wide as the screen; what is wider scrolls in a box of its own."""
    page = _Visit(browser, make_page(mood=1.5), width=380).page
    assert page.evaluate("document.querySelector('main').scrollWidth") <= 380
    widths = page.evaluate("[...document.querySelectorAll('.scroll')].map(box => [box.clientWidth, box.scrollWidth])")
    assert any(inner > outer for outer, inner in widths)
    assert all(outer <= 380 for outer, _ in widths)


def test_the_summary_needs_no_script(make_page: MakePage, browser: Browser) -> None:
    """Where scripts are forbidden the verdict, the tables and the pictures are there."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_content(make_page())
    expect(page.get_by_role("heading", level=1)).to_have_text("no drift")
    expect(page.get_by_role("img", name=re.compile("Verdicts: "))).to_be_visible()
    expect(page.get_by_role("table", name="Smallest changes that would have been seen")).to_be_visible()


class _Visit:
    """A page opened at an address of its own, and what it asked for and complained of meanwhile."""

    def __init__(self, browser: Browser, html: str, width: int = 1280) -> None:
        self.page: Page = browser.new_page(viewport={"width": width, "height": 900})
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", self._note_request)
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        headers = {"Content-Security-Policy": POLICY, "Content-Type": "text/html; charset=utf-8"}
        self.page.route("**/*", lambda route: _answer(route, html, headers))
        self.page.goto(ADDRESS)

    def _note_request(self, request: Any) -> None:
        if not request.url.startswith(("data:", "blob:")):
            self.asked.append(request.url)

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)


def _answer(route: Route, html: str, headers: dict[str, str]) -> None:
    route.fulfill(status=200 if route.request.url == ADDRESS else 404, headers=headers, body=html)
