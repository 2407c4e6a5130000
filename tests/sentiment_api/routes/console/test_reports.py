"""Drift runs and their reports, which open with the key and reach nothing."""

from typing import Any
from uuid import UUID

from playwright.sync_api import expect

from tests.protocols import Section, UseKey, Visit

Keys = dict[str, str]

FORBIDDEN = {
    "fetch('/health/live')": "TypeError",
    "fetch('/health/live', {mode: 'no-cors'})": "TypeError",
    "parent.document": "SecurityError",
    "parent.sessionStorage": "SecurityError",
    "sessionStorage.length": "SecurityError",
    "document.cookie": "SecurityError",
}
"""What a report's script may try to learn of the service or of the key, and how it fails."""


def test_drift_runs_lead_to_their_reports(run_id: UUID, service: Any, visit: Visit, section: Section) -> None:
    """Each run has its verdict and reason; the report opens in a tab of its own, unless it was removed."""
    page = visit(service.url, timezone_id="UTC")
    items = section(page, "Drift runs").get_by_role("listitem")
    expect(items).to_have_count(2)
    expect(items.nth(0)).to_contain_text("21 Nov 2026")
    expect(items.nth(0)).to_contain_text("1 of 15 tests found a change")
    expect(items.locator(".mark")).to_have_text(["watch", "drift"])
    expect(items.nth(1)).to_contain_text("the report was removed")
    assert items.nth(1).get_by_role("link").count() == 0
    with page.expect_popup() as opened:
        items.nth(0).get_by_role("link").click()
    expect(opened.value.get_by_role("heading", name="watch", exact=True)).to_be_visible()
    assert opened.value.url == f"{service.url}/drift/reports/{run_id}.html"


def test_a_report_opens_with_the_key_and_reaches_nothing(
    locked: Any, keys: Keys, run_id: UUID, visit: Visit, complaints: list[str], section: Section, use_key: UseKey
) -> None:
    """Its tab fetches it with the key and shows it in a frame of nobody's, where Evidently draws and can do no more."""
    page = visit(locked.url)
    expect(section(page, "Recent predictions").get_by_role("alert")).to_contain_text("An API key is needed")
    expect(section(page, "Drift runs").get_by_role("alert")).to_contain_text("An API key is needed")
    complaints.clear()
    use_key(page, keys["read"])
    with page.expect_popup() as opened:
        section(page, "Drift runs").get_by_role("link").click()
    tab = opened.value
    tab.on("console", lambda message: complaints.append(message.text))
    frame = tab.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="watch", exact=True)).to_be_visible()
    expect(frame.locator(".barlayer .bars .point").first).to_be_attached()
    assert complaints == []
    assert tab.url == f"{locked.url}/console/report.html?run={run_id}"
    inner = tab.frames[1]
    assert inner.evaluate("self.origin") == "null"
    attempt = "async () => { try { await ATTEMPT; return 'done' } catch (error) { return error.name } }"
    assert {each: inner.evaluate(attempt.replace("ATTEMPT", each)) for each in FORBIDDEN} == FORBIDDEN
    assert inner.evaluate("window.open('/docs')") is None
    tab.reload()
    expect(frame.get_by_role("heading", name="watch", exact=True)).to_be_visible()


def test_a_report_without_a_key_says_so(locked: Any, run_id: UUID, visit: Visit) -> None:
    """The address alone opens nothing, nor does one that names no run."""
    page = visit(f"{locked.url}/console/report.html?run={run_id}")
    expect(page.get_by_role("alert")).to_contain_text("An API key is needed")
    expect(page.get_by_role("link", name="Open it from the console")).to_be_visible()
    page.goto(f"{locked.url}/console/report.html?run=../../metrics")
    expect(page.get_by_role("alert")).to_contain_text("No such report")
