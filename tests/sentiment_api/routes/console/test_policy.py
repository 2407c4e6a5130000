"""What neither a review nor a mistake of ours can make the page do, and which files it has."""

import re
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from playwright.sync_api import expect

from tests.protocols import Predict, Section, Told, Visit

MARKUP = """<img src=x onerror="document.title='taken'"><script>document.title='taken'</script> It broke."""
ARABIC = "منتج رائع وصل بسرعة"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


def test_a_review_stays_text(
    service: Any, visit: Visit, told: Told, complaints: list[str], predict: Predict, section: Section
) -> None:
    """Markup in a text or a product's name is shown as it was written; text from right to left runs so."""
    told(MARKUP, product_id="<b onclick=alert(1)>mug</b>")
    told(ARABIC)
    page = visit(service.url)
    items = section(page, "Recent predictions").get_by_role("listitem")
    expect(items).to_have_count(2)
    expect(items.nth(1).locator(".text")).to_have_text(MARKUP)
    expect(items.nth(1)).to_contain_text("<b onclick=alert(1)>mug</b>")
    predict(page, MARKUP)
    expect(page.locator("#result-label")).not_to_be_empty()
    assert page.locator("img, main script, [onerror], [onclick]").count() == 0
    assert page.title() == "Sentiment console"
    directions = page.locator(".text").evaluate_all("all => all.map(each => getComputedStyle(each).direction)")
    assert directions == ["rtl", "ltr"]
    assert complaints == []


def test_the_browser_itself_forbids_markup_and_code_from_strings(service: Any, visit: Visit) -> None:
    """Even a mistake of ours could not make a review run: the policy refuses inline scripts and markup from strings."""
    page = visit(service.url)
    attempt = (
        "() => { try { document.body.innerHTML = '<b>x</b>'; return 'done' } catch (error) { return error.name } }"
    )
    assert page.evaluate(attempt) == "TypeError"
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('a'), {id: 'bad', href: 'javascript:x=1'}))"
    )
    page.evaluate("document.getElementById('bad').click()")
    assert page.evaluate("typeof x") == "undefined"


def test_the_files_come_under_a_strict_policy(client: TestClient[Litestar]) -> None:
    """The page may load and ask the service alone, the frame is as strange to it as a report, and all is asked anew."""
    page = client.get("/")
    assert page.headers["content-security-policy"] == POLICY
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    assert re.findall(r"<style|style=|<script>|\son\w+=|https?:", page.text) == []
    assert client.get("/console/report.html").headers["content-security-policy"] == f"{POLICY}; frame-src 'self'"
    frame = client.get("/console/frame.html").headers["content-security-policy"]
    assert frame.startswith("sandbox allow-scripts; default-src 'none'; ")
    assert "frame-ancestors 'self'" in frame
    assert "connect-src" not in frame


@pytest.mark.parametrize("name", ["nothing.js", "index.html", "..%2findex.html", "%2e%2e", "console.py", "CONSOLE.JS"])
def test_there_are_no_other_files(client: TestClient[Litestar], name: str) -> None:
    """Only the page's own files are served; what else a path may mean is not found."""
    assert client.get(f"/console/{name}").status_code == 404
